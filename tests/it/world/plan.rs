//! What a world shall consist of.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use bitbucket_sim::{Config as SimConfig, Sim, TokenSpec, Version};
use gitproxy::bitbucket::Rate;
use gitproxy::egress::push::Push;
use gitproxy::gateway::cluster;
use gitproxy::ops::Tasks;
use gitproxy::scm::{Audit, Core, Policy};

/// See the module. What concerns an agent or a connection is said of the one that was added last.
pub(crate) struct Plan {
    pub(super) simulator: SimConfig,
    pub(super) sites: Vec<Site>,
    /// Where the gateway's metrics and traces go.
    pub(super) push: Push,
    /// `TENANT/NAME` with the role.
    pub(super) callers: Vec<(String, &'static str)>,
    /// The NATS that its gateway shares with others.
    pub(super) cluster: Option<(String, Join)>,
}

/// What changes a gateway's part in the cluster.
pub(super) type Join = Box<dyn FnOnce(cluster::Config, &Tasks) -> cluster::Config>;

/// An agent.
pub(super) struct Site {
    /// `TENANT/NAME`.
    pub(super) id: String,
    pub(super) links: Vec<Link>,
    pub(super) hooks: Box<dyn FnOnce(Core) -> Core>,
    pub(super) debug: bool,
    pub(super) status_socket: Option<PathBuf>,
    pub(super) push: Push,
    /// Where connections that come with a call may go though it is special.
    pub(super) allowed_addresses: &'static [&'static str],
    /// What it takes for Bitbucket's rate limit.
    pub(super) rate: Rate,
    /// How many processes run it.
    pub(super) instances: usize,
    /// Whether this process plays it.
    pub(super) runs: bool,
}

/// A connection to the simulator.
pub(super) struct Link {
    pub(super) name: String,
    pub(super) holder: Holder,
    pub(super) auth: Auth,
    token: Token,
    pub(super) projects: Vec<String>,
}

#[derive(PartialEq, Eq)]
pub(super) enum Holder {
    Agent,
    Cloud,
}

pub(super) enum Auth {
    Bearer,
    /// With this user; the token is the password.
    Basic(String),
}

/// What a connection logs in with.
enum Token {
    /// Whatever the world's is.
    World,
    /// One whose time is over.
    Expired,
    /// A new one of this user.
    Of(String),
    Text(String),
}

impl Link {
    /// The token; a plan knows it once there is a simulator.
    pub(super) fn token(&self) -> &str {
        match &self.token {
            Token::Text(text) => text,
            Token::World | Token::Expired | Token::Of(_) => panic!("the plan has no tokens yet"),
        }
    }
}

impl Plan {
    pub(super) fn new() -> Self {
        let callers = vec![("acme/caller".to_owned(), "write"), ("acme/operator".to_owned(), "operator")];
        let (simulator, push) = (SimConfig::default(), Push::default());
        let plan = Self { simulator, sites: Vec::new(), push, callers, cluster: None };
        plan.agent("acme/site")
    }

    /// Changes the simulator's version.
    pub(crate) fn version(mut self, version: Version) -> Self {
        self.simulator = self.simulator.version(version);
        self
    }

    /// Makes the gateway one of several, which share this NATS.
    pub(crate) fn cluster(self, nats: &str) -> Self {
        self.cluster_with(nats, |config, _| config)
    }

    /// The same, with a change to its part in the cluster.
    pub(crate) fn cluster_with(
        mut self,
        nats: &str,
        change: impl FnOnce(cluster::Config, &Tasks) -> cluster::Config + 'static,
    ) -> Self {
        self.cluster = Some((nats.to_owned(), Box::new(change)));
        self
    }

    /// Lets the simulator take passwords.
    pub(crate) fn basic_auth(mut self) -> Self {
        self.simulator.basic_auth = Some(true);
        self
    }

    /// Adds an agent, by `TENANT/NAME`. There is `acme/site` already.
    pub(crate) fn agent(mut self, id: &str) -> Self {
        let (links, hooks) = (Vec::new(), Box::new(|core| core));
        // The simulator is on this machine.
        let allowed_addresses = &["127.0.0.0/8", "::1/128"];
        self.sites.push(Site {
            id: id.to_owned(),
            links,
            hooks,
            debug: false,
            status_socket: None,
            push: Push::default(),
            allowed_addresses,
            // The simulator has no limit unless a test sets one.
            rate: Rate { burst: 100_000, per_second: 100_000 },
            instances: 1,
            runs: true,
        });
        self
    }

    /// Gives it a key but does not start it: it is away, or the test plays it.
    pub(crate) fn away(mut self) -> Self {
        self.last().runs = false;
        self
    }

    /// Gives the agent a policy.
    pub(crate) fn policy(mut self, policy: impl Policy) -> Self {
        self.last().hooks = Box::new(|core| core.with_policy(policy));
        self
    }

    /// Tells the agent's commands to somebody.
    pub(crate) fn audit(mut self, audit: impl Audit) -> Self {
        self.last().hooks = Box::new(|core| core.with_audit(audit));
        self
    }

    /// Tells it Bitbucket's rate limit.
    pub(crate) fn rate(mut self, rate: Rate) -> Self {
        self.last().rate = rate;
        self
    }

    /// Runs it in so many instances; only the first has the hooks.
    pub(crate) fn instances(mut self, count: usize) -> Self {
        self.last().instances = count;
        self
    }

    /// Opens its debug listener, on TCP.
    pub(crate) fn debug(mut self) -> Self {
        self.last().debug = true;
        self
    }

    /// Lets it tell its status there.
    pub(crate) fn status_socket(mut self, path: PathBuf) -> Self {
        self.last().status_socket = Some(path);
        self
    }

    /// Has gateway and agent push to this collector.
    pub(crate) fn push(mut self, url: &str) -> Self {
        let collector = || url.parse().expect("a collector");
        let often = Duration::from_millis(100);
        self.push = Push { metrics: Some((collector(), often)), traces: Some(collector()) };
        self.last().push = self.push.clone();
        self
    }

    /// Takes away what lets the connections that the cloud holds go to the simulator, as it is without settings.
    pub(crate) fn guarded(mut self) -> Self {
        self.last().allowed_addresses = &[];
        self
    }

    /// Adds a connection in the agent's own settings.
    pub(crate) fn local(self, name: &str) -> Self {
        self.link(name, Holder::Agent)
    }

    /// Adds a connection that the cloud holds.
    pub(crate) fn held(self, name: &str) -> Self {
        self.link(name, Holder::Cloud)
    }

    /// Says what the connection may touch, in place of `SHOP` and `~alice`.
    pub(crate) fn projects(mut self, keys: &[&str]) -> Self {
        self.last_link().projects = keys.iter().map(|&key| key.to_owned()).collect();
        self
    }

    /// Gives the connection another token than the world's.
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.last_link().token = Token::Text(token.to_owned());
        self
    }

    /// Gives the connection a token of another user, who has every permission at first.
    pub(crate) fn token_of(mut self, user: &str) -> Self {
        self.last_link().token = Token::Of(user.to_owned());
        self
    }

    /// Gives the connection a token that has expired.
    pub(crate) fn expired(mut self) -> Self {
        self.last_link().token = Token::Expired;
        self
    }

    /// Lets the connection log in with user and password.
    pub(crate) fn basic(mut self, user: &str, password: &str) -> Self {
        self.last_link().auth = Auth::Basic(user.to_owned());
        self.token(password)
    }

    /// Adds a caller, by `TENANT/NAME`.
    pub(crate) fn caller(mut self, id: &str, role: &'static str) -> Self {
        self.callers.push((id.to_owned(), role));
        self
    }

    /// Fills in the tokens that only the simulator can make.
    pub(super) fn with_tokens(mut self, sim: &Sim) -> Self {
        // Alice may do everything.
        let world = sim.add_token(TokenSpec::personal("alice"));
        let past = SystemTime::now() - Duration::from_secs(60);
        for link in self.sites.iter_mut().flat_map(|site| &mut site.links) {
            let made = match &link.token {
                Token::World => world.clone(),
                Token::Expired => sim.add_token(TokenSpec::personal("alice").expires_at(past)),
                Token::Of(user) => sim.add_token(TokenSpec::personal(user)),
                Token::Text(_) => continue,
            };
            link.token = Token::Text(made);
        }
        self
    }

    fn link(mut self, name: &str, holder: Holder) -> Self {
        let projects = vec!["SHOP".to_owned(), "~alice".to_owned()];
        let link = Link { name: name.to_owned(), holder, auth: Auth::Bearer, token: Token::World, projects };
        self.last().links.push(link);
        self
    }

    fn last(&mut self) -> &mut Site {
        self.sites.last_mut().expect("there is always one")
    }

    fn last_link(&mut self) -> &mut Link {
        self.last().links.last_mut().expect("a connection was added")
    }
}
