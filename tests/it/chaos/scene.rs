//! A world: simulator, gateway and an agent in a namespace of its own, under load, and what each fault does to it.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bitbucket_sim::Commit;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gitproxy::ops::{Tasks, backoff};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::processes::house::{House, Place};
use crate::processes::program::Program;
use crate::tools::Netns;

use super::load::{BIG, Load, Tally};
use super::net;
use super::plan::{Fault, Kind, Side, Traits};
use super::proxy::{Mood, Proxy};

/// See the module.
pub(crate) struct Scene {
    house: House,
    agent: Program,
    proxy: Option<Proxy>,
    load: Load,
    /// Since when the agent may take the link for lost: sessions between faults that follow each other soon count for nothing.
    lost: Instant,
    /// When the link was back after the last fault.
    back: Instant,
    /// Of the load; cut when this is dropped.
    tasks: Tasks,
    // Last but for what they need: a namespace goes when nothing runs in it.
    netns: Netns,
}

/// What a fault was seen to do.
pub(crate) struct Seen {
    fault: Fault,
    /// None where the fault could not be made, and why.
    pub(crate) skipped: Option<&'static str>,
    /// From its healing to the first answer to a call that began after that.
    pub(crate) back: Duration,
    /// What it may be.
    pub(crate) bound: Duration,
    /// Resident memory, in MiB.
    pub(crate) agent: f64,
    pub(crate) gateway: f64,
    /// Since the fault before.
    pub(crate) calls: u64,
    pub(crate) failed: u64,
    /// Those by what they did and how they ended.
    ends: Vec<String>,
    pub(crate) unanswered: u64,
    pub(crate) hung: Vec<String>,
    /// Writes that were done twice, or answered and not done.
    pub(crate) wrong: Vec<String>,
}

impl Scene {
    /// Builds it; none where there can be no namespace, or no squid for a world that wants one.
    pub(crate) async fn new(world: u32, traits: Traits) -> Option<Self> {
        let netns = Netns::new().await?;
        let place = Place { git: netns.outside(GIT), agents: netns.outside(GATEWAY), grace: "2s" };
        let proxy = match traits.proxied {
            true => Some(Proxy::start(netns.outside(PROXY), place.agents).await?),
            false => None,
        };
        let house = House::at(&place).await;
        let big = "chaos\n".repeat(BIG / 6 + 1);
        let commits = [
            Commit::new("Big").file("big.txt", &big[..BIG]),
            Commit::new("Ahead").on("x").file("x.txt", "x"),
        ];
        house.sim.add_commits("SHOP", "web", &commits).await.expect("commits");
        let agent = start_agent(&house, &netns, proxy.as_ref());
        house.caller().await.get_repo_soon().await;
        let load = Load::new(house.way_in(), world);
        load.open_pr().await;
        let tasks = Tasks::new();
        load.start(&tasks);
        let now = Instant::now();
        Some(Self { house, agent, proxy, load, lost: now, back: now, tasks, netns })
    }

    /// Has the fault, heals it, waits for the link and tells what was seen.
    pub(crate) async fn meet(&mut self, fault: &Fault) -> Seen {
        self.begin(fault).await;
        let before = self.load.tally();
        let healed = match fault.kind {
            Kind::Kill(_) | Kind::Freeze(_) | Kind::Swap => Ok(self.harm_process(fault).await),
            Kind::Refused => Ok(self.refuse(fault.length).await),
            Kind::Blackhole | Kind::Reset | Kind::HalfOpen(_) | Kind::Delay(_) | Kind::Loss(_) => {
                self.harm_network(fault).await
            }
        };
        let back = match healed {
            Ok(healed) => self.back_after(healed).await,
            Err(_) => Duration::ZERO,
        };
        let outage = self.lost.elapsed().saturating_sub(back);
        self.back = Instant::now();
        // Calls that the fault caught end or hang by then.
        pause(SETTLE).await;
        self.seen(fault, healed.err(), back, outage, &before)
    }

    /// Waits for a link that counts as one where, without it, a short fault would lengthen an outage to a long one.
    async fn begin(&mut self, fault: &Fault) {
        let outage = self.lost.elapsed() + fault.length;
        if fault.length <= SHORT && outage > SHORT {
            pause(STEADY.saturating_sub(self.back.elapsed())).await;
        }
        if self.back.elapsed() >= STEADY {
            self.lost = Instant::now();
        }
    }

    async fn harm_process(&mut self, fault: &Fault) -> Instant {
        match fault.kind {
            Kind::Kill(Side::Agent) => {
                self.agent.kill();
                self.agent.ended().await;
                pause(fault.length).await;
                self.agent = start_agent(&self.house, &self.netns, self.proxy.as_ref());
                Instant::now()
            }
            Kind::Kill(Side::Gateway) => {
                self.house.gateway.kill();
                self.house.gateway.ended().await;
                pause(fault.length).await;
                self.house.start_gateway_again().await;
                Instant::now()
            }
            Kind::Swap => {
                self.house.gateway.terminate().await;
                self.house.gateway.ended().await;
                self.house.start_gateway_again().await;
                Instant::now()
            }
            Kind::Freeze(side) => self.freeze(side, fault.length).await,
            Kind::Blackhole
            | Kind::Reset
            | Kind::HalfOpen(_)
            | Kind::Delay(_)
            | Kind::Loss(_)
            | Kind::Refused => Instant::now(),
        }
    }

    async fn freeze(&mut self, side: Side, length: Duration) -> Instant {
        let program = match side {
            Side::Agent => &self.agent,
            Side::Gateway => &self.house.gateway,
        };
        if side == Side::Gateway {
            self.load.frozen();
        }
        program.signal("STOP").await;
        pause(length).await;
        program.signal("CONT").await;
        if side == Side::Gateway {
            self.load.thawed();
        }
        Instant::now()
    }

    async fn harm_network(&self, fault: &Fault) -> Result<Instant, &'static str> {
        let last = if self.proxy.is_some() { PROXY } else { GATEWAY };
        let address = self.netns.outside(last).to_string();
        let trouble = net::begin(&self.netns, &address, fault.kind).await?;
        pause(fault.length).await;
        trouble.end(&self.netns).await;
        Ok(Instant::now())
    }

    async fn refuse(&mut self, length: Duration) -> Instant {
        let proxy = self.proxy.as_mut().expect("only where there is one");
        proxy.restart(Mood::Refusing).await;
        pause(length).await;
        proxy.restart(Mood::Open).await;
        Instant::now()
    }

    /// Calls every few milliseconds, and takes the first answer.
    async fn back_after(&self, healed: Instant) -> Duration {
        let mut calls = FuturesUnordered::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while healed.elapsed() < NEVER {
            tokio::select! {
                _ = ticks.tick() => calls.push(self.load.read(PROBE)),
                Some(answer) = calls.next() => if answer.is_ok() { return healed.elapsed() },
            }
        }
        NEVER
    }

    fn seen(
        &self,
        fault: &Fault,
        skipped: Option<&'static str>,
        back: Duration,
        outage: Duration,
        before: &Tally,
    ) -> Seen {
        let after = self.load.tally();
        let count = |tally: &Tally, only: fn(&str) -> bool| -> u64 {
            tally.ends.iter().filter(|((_, end), _)| only(end)).map(|(_, count)| count).sum()
        };
        let grown = |only| count(&after, only) - count(before, only);
        let long = fault.length > SHORT;
        let bound = if long { backoff::bound(outage) + Duration::from_secs(1) } else { SOON };
        Seen {
            fault: fault.clone(),
            skipped,
            back,
            bound: bound.max(SOON),
            agent: resident(&self.agent),
            gateway: resident(&self.house.gateway),
            calls: grown(|_| true),
            failed: grown(|end| end != "OK"),
            ends: ends(before, &after),
            unanswered: after.unanswered - before.unanswered,
            hung: after.hung[before.hung.len()..].to_vec(),
            wrong: self.load.wrong(&self.house.sim),
        }
    }

    /// The logs of both programs since they were started, for who looks why.
    pub(crate) fn logs(&self) -> String {
        format!("--- agent\n{}\n--- gateway\n{}", self.agent.log(), self.house.gateway.log())
    }

    /// Every call by what it did and how it ended.
    pub(crate) fn tally(&self) -> Tally {
        self.load.tally()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

impl Seen {
    /// Whether all was as it must be.
    pub(crate) fn good(&self) -> bool {
        self.hung.is_empty() && self.wrong.is_empty() && self.back <= self.bound
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = self.skipped {
            return write!(f, "{}: skipped, {why}", self.fault);
        }
        let Self { fault, back, calls, failed, unanswered, agent, gateway, .. } = self;
        let (verdict, back) = (if self.good() { "good" } else { "BAD" }, back.as_secs_f64());
        write!(
            f,
            "{fault}: {verdict}, back in {back:.2}s, {calls} calls, {failed} failed, {unanswered} cut by the caller, "
        )?;
        write!(f, "{} hung, {} wrong writes, ", self.hung.len(), self.wrong.len())?;
        write!(f, "agent {agent:.1} MiB, gateway {gateway:.1} MiB")?;
        if !self.ends.is_empty() {
            write!(f, " ({})", self.ends.join(", "))?;
        }
        self.hung.iter().chain(&self.wrong).try_for_each(|what| write!(f, "; {what}"))
    }
}

/// The calls that failed since `before`.
fn ends(before: &Tally, after: &Tally) -> Vec<String> {
    let failed = after.ends.iter().filter(|((_, end), _)| end != "OK");
    let since = failed.map(|(key, count)| (key, count - before.ends.get(key).unwrap_or(&0)));
    since
        .filter(|(_, count)| *count > 0)
        .map(|((name, end), count)| format!("{count} {name} {end}"))
        .collect()
}

fn start_agent(house: &House, netns: &Netns, proxy: Option<&Proxy>) -> Program {
    let (gateway, git) = (house.gateway_at("gateway.test"), house.git_at("git.test"));
    let git = git.replacen(&netns.outside(GIT).to_string(), "git.test", 1);
    let mut settings = vec![("GATEWAY_URL", gateway.as_str()), ("BITBUCKET_URL", &git)];
    settings.extend([
        ("NO_PROXY", "git.test"),
        ("GITPROXY_RATE_BURST", "1000"),
        ("GITPROXY_RATE_PER_SECOND", "1000"),
    ]);
    let proxy = proxy.map(Proxy::url);
    settings.extend(proxy.iter().map(|url| ("HTTPS_PROXY", url.as_str())));
    let names = format!(
        "127.0.0.1 localhost\n{} gateway.test\n{} git.test\n",
        netns.outside(GATEWAY),
        netns.outside(GIT)
    );
    let hosts = house.write("hosts", &names);
    let mut command = netns.command(env!("CARGO_BIN_EXE_gitproxy").as_ref(), Path::new(&hosts), PROXY);
    command.arg("run");
    Program::run(command, house.settings(&settings))
}

fn resident(program: &Program) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap_or_default();
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// Faults last for real: kernels and processes know no other time.
async fn pause(length: Duration) {
    let _ = timeout(length, std::future::pending::<()>()).await;
}

const PROXY: u8 = 1;
const GATEWAY: u8 = 3;
const GIT: u8 = 4;
const PROBE: Duration = Duration::from_secs(2);
/// So that no more than 80 of them wait at once, for each of which there is a place.
const EVERY: Duration = Duration::from_millis(25);
const SETTLE: Duration = Duration::from_millis(500);
/// How soon the link is to be back.
const SOON: Duration = Duration::from_secs(2);
/// A fault of that length or less is one that the link must be back from so soon.
const SHORT: Duration = Duration::from_secs(15);
/// How long a session must last for the agent to count it as a link, and a little beside.
const STEADY: Duration = Duration::from_millis(5500);
const NEVER: Duration = Duration::from_secs(120);
