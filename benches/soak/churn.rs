//! Callers that come and go, and what they meet.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitbucket_sim::{Commit, Fault, Rule, TokenSpec};
use gitproxy::ops::{Key, Tasks};
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::pull_requests_client::PullRequestsClient;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};

use crate::fleet::Fleet;
use crate::house::{Caller, Site, Way, web};

/// See the module.
pub(crate) struct Churn {
    lanes: JoinSet<()>,
    tally: Tally,
    tasks: Tasks,
    /// The store as the site wrote it, to which rows are added.
    store: String,
}

/// How often calls ended with which code.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<String, u64>>>);

/// One who comes and goes.
struct Lane {
    way: Way,
    tally: Tally,
    tasks: Tasks,
    pull_request: i64,
    pace: Duration,
}

impl Churn {
    /// Lets so many callers come and go.
    pub(crate) async fn start(fleet: &Fleet, callers: usize, pace: Duration) -> Self {
        let site = &fleet.site;
        let large = "x".repeat(LARGE);
        let commits = [
            Commit::new("Large").file("large.bin", large),
            Commit::new("Bump").on("bump").file("a.txt", "one\ntwo\n"),
        ];
        site.sim.add_commits("SHOP", "web", &commits).await.expect("commits");
        let store = fs::read_to_string(site.file("store.toml")).expect("the store");
        let store = store + &held(site);
        site.write("store.toml", &store);
        let caller = fleet.caller().await.on(LOCAL);
        let pull_request = opened(&caller).await;
        let knobs = site.sim.knobs();
        knobs.add(Rule::new(Fault::Status(503)).every(53));
        knobs.add(Rule::new(Fault::DropAnswer).method("GET").every(97));
        knobs.add(Rule::new(Fault::CutAfter(40_000)).path("large.bin").every(7));
        let (tally, tasks, mut lanes) = (Tally::default(), Tasks::new(), JoinSet::new());
        for number in 0..callers {
            let (way, tally, tasks) = (fleet.way(), tally.clone(), tasks.clone());
            let lane = Lane { way, tally, tasks, pull_request, pace };
            lanes.spawn(async move { lane.run(number).await });
        }
        Self { lanes, tally, tasks, store }
    }

    /// How many calls have ended.
    pub(crate) fn made(&self) -> u64 {
        self.tally.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// Gives Bitbucket's token and one of the callers' a successor.
    pub(crate) fn exchange_tokens(&self, site: &Site, number: usize) {
        let key = Key::generate().expect("entropy");
        let (id, digest) = (key.id(), key.digest());
        let row = format!(
            "[tenants.acme.callers.guest{number}]\nrole = \"read\"\ntokens = [{{ id = \"{id}\", sha256 = \"{digest}\" }}]\n"
        );
        site.write("store.toml", &format!("{}{row}", self.store));
        site.write("sim.token", &site.sim.add_token(TokenSpec::personal("alice")));
    }

    /// Lets them go, and says how their calls ended.
    pub(crate) async fn end(mut self) -> BTreeMap<String, u64> {
        self.tasks.begin_drain();
        while self.lanes.join_next().await.is_some() {}
        self.tally.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Lane {
    async fn run(self, number: usize) {
        let mut step = number * 3;
        while !self.tasks.is_draining() {
            let caller = match timeout(PATIENCE, self.way.caller()).await {
                Ok(Ok(caller)) => caller.on(LOCAL),
                Ok(Err(_)) | Err(_) => {
                    self.tally.count("no_connection");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            for _ in 0..VISIT {
                step += 1;
                match timeout(PATIENCE, self.call(&caller, step)).await {
                    Ok(outcome) => self.tally.take(outcome),
                    Err(_) => self.tally.count("hung"),
                }
                sleep(self.pace).await;
            }
        }
    }

    /// Each of them is what some caller does.
    async fn call(&self, caller: &Caller, step: usize) -> Result<&'static str, Status> {
        match step % 12 {
            0 => self.watch(caller).await,
            1 => given_up(caller.download("large.bin"), step).await,
            2 | 3 => given_up(caller.get_repo(), step).await,
            4 => caller.download("large.bin").await.map(|_| OK),
            5 => in_the_middle(caller).await,
            6 => by_the_cloud(caller).await,
            7 => caller.archive().await.map(|_| OK),
            8 => caller.download("no.such.file").await.map(|_| OK),
            _ => caller.get_repo().await.map(|_| OK),
        }
    }

    /// Looks at a pull request for a while, and goes.
    async fn watch(&self, caller: &Caller) -> Result<&'static str, Status> {
        let asked = pb::WatchPrRequest { repo: Some(web()), id: self.pull_request, ..Default::default() };
        let mut stream = pull_requests(caller).watch_pr(caller.ask(asked)).await?.into_inner();
        stream.message().await?;
        Ok("left")
    }
}

impl Tally {
    fn take(&self, outcome: Result<&'static str, Status>) {
        match outcome {
            Ok(what) => self.count(what),
            Err(status) => self.count(&format!("{:?}", status.code())),
        }
    }

    fn count(&self, what: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(what.to_owned()).or_default() += 1;
    }
}

/// A call that is cancelled after none to fifteen milliseconds.
async fn given_up<T>(
    call: impl Future<Output = Result<T, Status>>,
    step: usize,
) -> Result<&'static str, Status> {
    match timeout(Duration::from_millis(step as u64 / 12 % 16), call).await {
        Ok(outcome) => outcome.map(|_| OK),
        Err(_) => Ok("cancelled"),
    }
}

/// A download that is left after its first message.
async fn in_the_middle(caller: &Caller) -> Result<&'static str, Status> {
    let mut parts = caller.files().get_file(caller.file("large.bin")).await?.into_inner();
    parts.message().await?;
    Ok("left")
}

/// A call on the connection that the cloud holds.
async fn by_the_cloud(caller: &Caller) -> Result<&'static str, Status> {
    caller.clone().on("cloud").get_repo().await.map(|_| OK)
}

fn pull_requests(caller: &Caller) -> PullRequestsClient<gitproxy::tunnel::Channel> {
    PullRequestsClient::with_origin(caller.channel.clone(), caller.uri.clone())
}

/// A connection that the gateway keeps, to the same Bitbucket.
fn held(site: &Site) -> String {
    let (url, token) = (site.git_at("localhost"), site.sim.add_token(TokenSpec::personal("alice")));
    format!(
        "[tenants.acme.agents.office.connections.cloud]\nurl = \"{url}\"\ntoken = \"{token}\"\nprojects = [\"SHOP\"]\n"
    )
}

async fn opened(caller: &Caller) -> i64 {
    loop {
        let asked = pb::OpenPrRequest {
            repo: Some(web()),
            title: "Bump".to_owned(),
            from_branch: "bump".to_owned(),
            to_branch: "master".to_owned(),
            ..Default::default()
        };
        match pull_requests(caller).open_pr(caller.ask(asked)).await {
            Ok(opened) => return opened.into_inner().pull_request.expect("named").id,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status}"),
        }
    }
}

/// The one of the agent's settings.
const LOCAL: &str = "default";
const OK: &str = "ok";
const LARGE: usize = 2 * 1024 * 1024;
/// How many calls one makes before it goes.
const VISIT: usize = 20;
/// More than any deadline here.
const PATIENCE: Duration = Duration::from_secs(70);
const PAUSE: Duration = Duration::from_millis(100);
