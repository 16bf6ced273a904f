//! What cloud services ask of a fleet: so many calls a second, without retries, whatever becomes of the calls before.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bitbucket_sim::{Commit, Sim, WriteKind};
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use gitproxy::proto::scm::v1::builds_client::BuildsClient;
use gitproxy::proto::scm::v1::comments_client::CommentsClient;
use gitproxy::proto::scm::v1::files_client::FilesClient;
use gitproxy::proto::scm::v1::pull_requests_client::PullRequestsClient;
use gitproxy::proto::scm::v1::repos_client::ReposClient;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Request, Status};

use super::house::Caller;
use super::line::Line;

/// A running load; [`Load::end`] ends it.
pub(crate) struct Load {
    pub(crate) seen: Arc<Seen>,
    stop: tokio::sync::watch::Sender<bool>,
    ended: tokio::sync::oneshot::Receiver<()>,
}

/// What became of the calls.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Log>);

/// See [`Seen`].
#[derive(Default)]
pub(crate) struct Log {
    /// How long each call took that was answered.
    pub(crate) answered: Vec<Duration>,
    pub(crate) failures: Vec<Failure>,
    /// Names of the writes that were answered.
    written: Vec<String>,
}

/// A call that failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) what: &'static str,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) why: String,
}

/// A pull request that others may write to.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) repo: pb::RepoRef,
    pub(crate) pr: i64,
    /// A commit that no pull request has as its head.
    commit: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    None,
    New,
}

impl Load {
    /// Starts so many calls a second over these lines in turn. What it writes begins with `name`.
    pub(crate) fn start(name: &'static str, rate: u32, lines: Vec<Line>, places: Vec<Place>) -> Self {
        let seen = Arc::<Seen>::default();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let (done, ended) = tokio::sync::oneshot::channel();
        let (tasks, own) = (lines[0].tasks().clone(), Arc::clone(&seen));
        tasks.spawn(async move {
            let calls = gitproxy::ops::Tasks::new();
            let mut ticks = interval(Duration::from_secs(1) / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0_usize.. {
                ticks.tick().await;
                if *stopped.borrow() {
                    break;
                }
                let (line, place) = (&lines[number % lines.len()], &places[number % places.len()]);
                let (line, place, seen) = (line.clone(), place.clone(), Arc::clone(&own));
                calls.spawn(async move { seen.one((name, number), &line, &place).await });
            }
            calls.finish(LONGEST * 2).await;
            // Nobody waits for it where a test has failed.
            let _ = done.send(());
        });
        Self { seen, stop, ended }
    }

    /// Lets the calls in flight end.
    pub(crate) async fn end(self) -> Arc<Seen> {
        self.stop.send_replace(true);
        self.ended.await.expect("it ends");
        self.seen
    }
}

impl Seen {
    /// What is known now.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call that failed.
    pub(crate) fn failed(&self, what: &'static str, began: Instant, status: &Status) {
        let why = format!("{:?} {:?} {}", status.code(), Reason::of(status), status.message());
        self.log().failures.push(Failure { what, began, ended: Instant::now(), why });
    }

    async fn one(&self, (name, number): (&str, usize), line: &Line, place: &Place) {
        // 13 reads, 2 downloads, 3 writes with a key and 2 without, of 20.
        let write = format!("{name}{number}");
        match number % 20 {
            0..12 => self.timed("GetRepo", None, get_repo(line, place)).await,
            12 => self.timed("GetPR", None, get_pr(line, place)).await,
            13 => self.timed("GetFile small", None, download(line, place, SMALL)).await,
            14 => self.timed("GetFile large", None, download(line, place, LARGE)).await,
            15 | 16 => {
                let call = build(line, place, &write, Key::New);
                self.timed("SetBuildStatus keyed", Some(&write), call).await;
            }
            17 => {
                let call = build(line, place, &write, Key::None);
                self.timed("SetBuildStatus", Some(&write), call).await;
            }
            18 => {
                let call = comment(line, place, &write, Key::New);
                self.timed("PostComment keyed", Some(&write), call).await;
            }
            _ => {
                let call = comment(line, place, &write, Key::None);
                self.timed("PostComment", Some(&write), call).await;
            }
        }
    }

    async fn timed(
        &self,
        what: &'static str,
        write: Option<&str>,
        call: impl Future<Output = Result<(), Status>>,
    ) {
        let began = Instant::now();
        let outcome = timeout(LONGEST + Duration::from_secs(1), call).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Status::deadline_exceeded("HUNG")));
        match outcome {
            Ok(()) => {
                let mut log = self.log();
                log.answered.push(began.elapsed());
                log.written.extend(write.map(str::to_owned));
            }
            Err(status) => {
                self.failed(what, began, &status);
            }
        }
    }
}

impl Log {
    /// Compares the simulator's log of writes with what callers were told: says of each write that is there twice, and of each
    /// that was answered and is not there.
    pub(crate) fn judge(&self, sim: &Sim) -> Vec<String> {
        let mut times = BTreeMap::<String, usize>::new();
        for write in sim.writes() {
            let name = if write.kind == WriteKind::BuildStatus {
                write.fact("key").to_owned()
            } else if write.kind == WriteKind::Comment {
                write.fact("text").to_owned()
            } else {
                continue;
            };
            *times.entry(name).or_default() += 1;
        }
        let twice =
            times.iter().filter(|(_, times)| **times > 1).map(|(name, _)| format!("{name} is there twice"));
        let missing = self.written.iter().filter(|name| !times.contains_key(*name));
        twice.chain(missing.map(|name| format!("{name} was answered and is not there"))).collect()
    }

    /// So many of a hundred calls took at most so long.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let mut all = self.answered.clone();
        all.sort();
        all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Makes a repository with a pull request, and files to download.
pub(crate) async fn place(sim: &Sim, line: &Line, slug: &str) -> Place {
    let text = |size: usize| "0123456789abcde\n".repeat(size / 16);
    let start = Commit::new("Start").file(SMALL, text(16 << 10)).file(LARGE, text(1 << 20));
    sim.add_repo("SHOP", slug, &[start, Commit::new("Bump").on("x").file("x.txt", "x\n")])
        .await
        .expect("a repository");
    let repo = pb::RepoRef { project: "SHOP".to_owned(), slug: slug.to_owned() };
    let commit = sim.commit_of("SHOP", slug, "master").await.expect("a commit");
    let asked = pb::OpenPrRequest {
        repo: Some(repo.clone()),
        title: "change 0".to_owned(),
        from_branch: "x".to_owned(),
        to_branch: "master".to_owned(),
        ..Default::default()
    };
    let opened = line.call(|caller| {
        let request = caller.ask(asked.clone());
        async move { pull_requests(&caller).open_pr(request).await }
    });
    let pr = opened.await.expect("opened").into_inner().pull_request.expect("named").id;
    Place { repo, pr, commit }
}

/// The client of pull requests.
pub(crate) fn pull_requests(caller: &Caller) -> PullRequestsClient<gitproxy::tunnel::Channel> {
    PullRequestsClient::with_origin(caller.channel.clone(), caller.uri.clone())
}

/// A request with a deadline, and with a key of its own where it is to have one.
fn ask<M>(caller: &Caller, message: M, key: Option<&str>) -> Request<M> {
    let mut request = caller.ask(message);
    request.set_timeout(LONGEST);
    if let Some(key) = key {
        request.metadata_mut().insert("idempotency-key", key.parse().expect("ASCII"));
    }
    request
}

async fn get_repo(line: &Line, place: &Place) -> Result<(), Status> {
    let call = |caller: Caller| async move {
        let asked = pb::GetRepoRequest { repo: Some(place.repo.clone()) };
        ReposClient::with_origin(caller.channel.clone(), caller.uri.clone())
            .get_repo(ask(&caller, asked, None))
            .await
            .map(drop)
    };
    line.call(call).await
}

async fn get_pr(line: &Line, place: &Place) -> Result<(), Status> {
    let call = |caller: Caller| async move {
        let asked = pb::GetPrRequest { repo: Some(place.repo.clone()), id: place.pr };
        pull_requests(&caller).get_pr(ask(&caller, asked, None)).await.map(drop)
    };
    line.call(call).await
}

async fn download(line: &Line, place: &Place, path: &str) -> Result<(), Status> {
    let call = |caller: Caller| async move {
        let asked = pb::GetFileRequest {
            repo: Some(place.repo.clone()),
            path: path.to_owned(),
            at: "master".to_owned(),
        };
        let mut files = FilesClient::with_origin(caller.channel.clone(), caller.uri.clone());
        files.get_file(ask(&caller, asked, None)).await.map(tonic::Response::into_inner)
    };
    let mut parts = line.call(call).await?;
    let mut length = 0;
    while let Some(part) = parts.message().await? {
        length += part.data.len();
    }
    let expected = if path == LARGE { 1 << 20 } else { 16 << 10 };
    if length == expected { Ok(()) } else { Err(Status::data_loss(format!("{length} of {expected} bytes"))) }
}

async fn build(line: &Line, place: &Place, name: &str, key: Key) -> Result<(), Status> {
    let key = (key == Key::New).then(new_key);
    let call = |caller: Caller| {
        let asked = pb::SetBuildStatusRequest {
            repo: Some(place.repo.clone()),
            commit_id: place.commit.clone(),
            key: name.to_owned(),
            state: pb::BuildState::Successful.into(),
            url: "https://ci.example/1".to_owned(),
            ..Default::default()
        };
        let request = ask(&caller, asked, key.as_deref());
        async move {
            let mut builds = BuildsClient::with_origin(caller.channel, caller.uri);
            builds.set_build_status(request).await.map(drop)
        }
    };
    line.call(call).await
}

async fn comment(line: &Line, place: &Place, text: &str, key: Key) -> Result<(), Status> {
    let key = (key == Key::New).then(new_key);
    let call = |caller: Caller| {
        let asked = pb::PostCommentRequest {
            repo: Some(place.repo.clone()),
            pr_id: place.pr,
            text: text.to_owned(),
            ..Default::default()
        };
        let request = ask(&caller, asked, key.as_deref());
        async move {
            let mut comments = CommentsClient::with_origin(caller.channel, caller.uri);
            comments.post_comment(request).await.map(drop)
        }
    };
    line.call(call).await
}

/// A new UUIDv7.
pub(crate) fn new_key() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let random = uuid::Uuid::new_v4().simple().to_string();
    let millis = now.as_millis();
    format!(
        "{:08x}-{:04x}-7{}-8{}-{}",
        millis >> 16,
        millis & 0xffff,
        &random[..3],
        &random[3..6],
        &random[6..18]
    )
}

/// Nothing here takes nearly so long while somebody answers.
pub(crate) const LONGEST: Duration = Duration::from_secs(20);
const SMALL: &str = "small.txt";
const LARGE: &str = "large.txt";
