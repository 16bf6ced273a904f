//! The load of a world, and what became of each call, measured at the caller.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitbucket_sim::{Sim, WriteKind};
use gitproxy::ops::Tasks;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::comments_client::CommentsClient;
use gitproxy::proto::scm::v1::files_client::FilesClient;
use gitproxy::proto::scm::v1::pull_requests_client::PullRequestsClient;
use gitproxy::proto::scm::v1::repos_client::ReposClient;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tonic::{Code, Request, Status};

use crate::processes::house::{Caller, Way};

/// What calls, until it is dropped; clones share all of it.
#[derive(Clone)]
pub(crate) struct Load {
    way: Way,
    caller: Arc<tokio::sync::Mutex<Option<Caller>>>,
    tally: Arc<Mutex<Tally>>,
    /// The names of writes begin with it, so that those of two worlds differ.
    world: u32,
}

/// What became of calls.
#[derive(Clone, Default)]
pub(crate) struct Tally {
    /// By what they did and how they ended.
    pub(crate) ends: BTreeMap<(&'static str, String), u64>,
    /// Those that had not ended at their deadline and a second.
    pub(crate) hung: Vec<String>,
    /// Those that had not, the gateway being frozen for a part of that: nobody but the caller itself could end them.
    pub(crate) unanswered: u64,
    /// When the gateway is frozen no more; far away while it is frozen.
    thawed: Option<Instant>,
    written: u64,
    /// The writes that were answered with success.
    answered: HashSet<String>,
}

impl Load {
    pub(crate) fn new(way: Way, world: u32) -> Self {
        Self { way, caller: Arc::default(), tally: Arc::default(), world }
    }

    /// Starts to call, until `tasks` are cut.
    pub(crate) fn start(&self, tasks: &Tasks) {
        let every = |pause: u64, kind: What| {
            let (load, inner) = (self.clone(), tasks.clone());
            tasks.spawn(async move {
                let mut ticks = interval(Duration::from_millis(pause));
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    let load = load.clone();
                    inner.spawn(async move { load.once(kind).await });
                }
            });
        };
        every(150, What::Read);
        every(500, What::Write);
        every(500, What::KeyedWrite);
        every(1000, What::Download);
        every(4000, What::Watch);
    }

    async fn once(&self, what: What) {
        match what {
            What::Read => {
                let _ = self.read(UNARY).await;
            }
            What::Write => {
                let text = self.text("plain");
                let _ = self.write(&text, None).await;
            }
            What::KeyedWrite => self.write_until_done().await,
            What::Download => {
                let _ = self.download().await;
            }
            What::Watch => {
                let _ = self.watch().await;
            }
        }
    }

    /// One small read.
    pub(crate) async fn read(&self, limit: Duration) -> Result<(), Status> {
        let work = |caller: Caller| async move {
            let client = ReposClient::with_origin(caller.channel.clone(), uri());
            let asked = within(caller.ask(pb::GetRepoRequest { repo: web() }), limit);
            client.clone().get_repo(asked).await.map(drop)
        };
        self.call("read", limit, work).await
    }

    async fn write(&self, text: &str, key: Option<&str>) -> Result<(), Status> {
        let message =
            pb::PostCommentRequest { repo: web(), pr_id: 1, text: text.to_owned(), ..Default::default() };
        let name = if key.is_some() { "keyed write" } else { "write" };
        let work = |caller: Caller| async move {
            let mut asked = within(caller.ask(message), UNARY);
            if let Some(key) = key {
                asked.metadata_mut().insert("idempotency-key", key.parse().expect("ascii"));
            }
            CommentsClient::with_origin(caller.channel.clone(), uri()).post_comment(asked).await.map(drop)
        };
        let done = self.call(name, UNARY, work).await;
        if done.is_ok() {
            self.tell(|tally| tally.answered.insert(text.to_owned()));
        }
        done
    }

    /// The same write under one key, again and again until it is answered or the caller gives up.
    async fn write_until_done(&self) {
        let (text, key) = (self.text("keyed"), key());
        let mut ticks = interval(Duration::from_millis(400));
        for _ in 0..ATTEMPTS {
            ticks.tick().await;
            if self.write(&text, Some(&key)).await.is_ok() {
                return;
            }
        }
    }

    async fn download(&self) -> Result<(), Status> {
        let work = |caller: Caller| async move {
            let message = pb::GetFileRequest { repo: web(), path: "big.txt".into(), at: String::new() };
            let asked = within(caller.ask(message), STREAM);
            let mut parts =
                FilesClient::with_origin(caller.channel.clone(), uri()).get_file(asked).await?.into_inner();
            let mut length = 0;
            while let Some(part) = parts.message().await? {
                length += part.data.len();
            }
            if length == BIG { Ok(()) } else { Err(Status::data_loss(format!("{length} bytes"))) }
        };
        self.call("download", STREAM, work).await
    }

    async fn watch(&self) -> Result<(), Status> {
        let work = |caller: Caller| async move {
            let message = pb::WatchPrRequest { repo: web(), id: 1, ..Default::default() };
            let asked = within(caller.ask(message), STREAM);
            let client = PullRequestsClient::with_origin(caller.channel.clone(), uri());
            let mut told = client.clone().watch_pr(asked).await?.into_inner();
            while told.message().await?.is_some() {}
            Ok(())
        };
        self.call("watch", STREAM, work).await
    }

    /// Does a call and notes how it ended; it has until its deadline and a second.
    async fn call<F>(
        &self,
        name: &'static str,
        limit: Duration,
        work: impl FnOnce(Caller) -> F,
    ) -> Result<(), Status>
    where
        F: Future<Output = Result<(), Status>>,
    {
        let begun = Instant::now();
        let mut whole = Box::pin(async { work(self.line().await?).await });
        let Ok(ended) = timeout(limit + LATE, &mut whole).await else {
            let late = self.late(begun, limit, whole).await;
            self.tell(|tally| match late {
                Late::Frozen => tally.unanswered += 1,
                Late::Hung => tally.hung.push(format!("{name} of {:?} ago", begun.elapsed())),
            });
            return Err(Status::deadline_exceeded("the caller's own"));
        };
        let end = match &ended {
            Ok(()) => "OK".to_owned(),
            Err(status) => format!("{:?}", status.code()),
        };
        if ended.as_ref().is_err_and(|status| status.code() == Code::DataLoss) {
            self.tell(|tally| tally.hung.push(format!("{name} was short")));
        }
        self.tell(|tally| *tally.ends.entry((name, end)).or_default() += 1);
        ended
    }

    /// Why a call has not ended in time. A gateway that was frozen when the call came has counted its time from the thaw on.
    async fn late(&self, begun: Instant, limit: Duration, rest: impl Future) -> Late {
        match self.tell(|tally| tally.thawed) {
            Some(thawed) if thawed > Instant::now() => Late::Frozen,
            Some(thawed) if thawed > begun => match timeout_at(thawed + limit + LATE, rest).await {
                Ok(_) => Late::Frozen,
                Err(_) => Late::Hung,
            },
            Some(_) | None => Late::Hung,
        }
    }

    /// The connection to the gateway, a new one if the last has ended.
    async fn line(&self) -> Result<Caller, Status> {
        let kept = self.caller.lock().await.clone();
        if let Some(caller) = kept.filter(|caller| !caller.channel.is_closed()) {
            return Ok(caller);
        }
        // Not under the lock: a dial that hangs must not hold the others up.
        let caller = self.way.caller().await.map_err(Status::unavailable)?;
        *self.caller.lock().await = Some(caller.clone());
        Ok(caller)
    }

    /// Opens the pull request that the others use.
    pub(crate) async fn open_pr(&self) {
        let message = pb::OpenPrRequest {
            repo: web(),
            title: "Chaos".into(),
            from_branch: "x".into(),
            to_branch: "master".into(),
            ..Default::default()
        };
        let caller = self.line().await.expect("a gateway");
        let client = PullRequestsClient::with_origin(caller.channel.clone(), uri());
        let opened = client.clone().open_pr(caller.ask(message)).await.expect("opened").into_inner();
        assert_eq!(opened.pull_request.expect("named").id, 1);
    }

    /// The gateway is frozen until the next [`Load::thawed`].
    pub(crate) fn frozen(&self) {
        self.tell(|tally| tally.thawed = Some(Instant::now() + Duration::from_secs(3600)));
    }

    pub(crate) fn thawed(&self) {
        self.tell(|tally| tally.thawed = Some(Instant::now()));
    }

    /// What there is so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tell(|tally| tally.clone())
    }

    /// The texts that were written twice, and those that were answered and never written.
    pub(crate) fn wrong(&self, sim: &Sim) -> Vec<String> {
        // Before the log: what is answered after this may be written after it.
        let answered = self.tell(|tally| tally.answered.clone());
        let mut times: BTreeMap<String, u32> = BTreeMap::new();
        for write in sim.writes().iter().filter(|write| write.kind == WriteKind::Comment) {
            *times.entry(write.fact("text").to_owned()).or_default() += 1;
        }
        let lost =
            answered.iter().filter(|text| !times.contains_key(*text)).map(|text| format!("{text} is lost"));
        let twice = times.iter().filter(|(_, times)| **times > 1);
        twice.map(|(text, times)| format!("{text} was written {times} times")).chain(lost).collect()
    }

    fn text(&self, kind: &str) -> String {
        let number = self.tell(|tally| {
            tally.written += 1;
            tally.written
        });
        format!("{kind} {number} of world {}", self.world)
    }

    fn tell<T>(&self, what: impl FnOnce(&mut Tally) -> T) -> T {
        what(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why a call has not ended at its deadline and a second.
#[derive(Clone, Copy)]
enum Late {
    /// The gateway was frozen for a part of that time: nobody but the caller itself could end it.
    Frozen,
    /// For no reason.
    Hung,
}

#[derive(Clone, Copy)]
enum What {
    Read,
    Write,
    KeyedWrite,
    Download,
    Watch,
}

fn within<T>(mut request: Request<T>, limit: Duration) -> Request<T> {
    request.set_timeout(limit);
    request
}

/// A UUIDv7 of now.
fn key() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let random = getrandom::u64().expect("entropy");
    let (millis, low) = (now.as_millis() as u64, random & 0x0fff_ffff_ffff);
    format!(
        "{:08x}-{:04x}-7{:03x}-8{:03x}-{low:012x}",
        millis >> 16,
        millis & 0xffff,
        random >> 52,
        (random >> 40) & 0xfff
    )
}

fn web() -> Option<pb::RepoRef> {
    Some(pb::RepoRef { project: "SHOP".into(), slug: "web".into() })
}

fn uri() -> http::Uri {
    http::Uri::from_static("https://localhost")
}

/// The length of `big.txt`.
pub(crate) const BIG: usize = 512 * 1024;
/// Deadlines.
const UNARY: Duration = Duration::from_secs(3);
const STREAM: Duration = Duration::from_secs(5);
/// How long after its deadline a call may end.
const LATE: Duration = Duration::from_secs(1);
const ATTEMPTS: usize = 6;
