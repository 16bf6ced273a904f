//! Watches of pull requests that go on whatever restarts: each change is made when the one before was told, and is to be told
//! once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1 as pb;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};

use super::line::Line;
use super::load::{Place, Seen, new_key, pull_requests};

/// Running watches.
pub(crate) struct Watches {
    told: Arc<Told>,
    stop: watch::Sender<bool>,
    tasks: Tasks,
}

/// What became of them.
#[derive(Default)]
pub(crate) struct Told(Mutex<Log>);

/// See [`Told`].
#[derive(Default, Debug)]
pub(crate) struct Log {
    /// Changes that were told.
    pub(crate) changes: usize,
    /// When streams ended, and how.
    pub(crate) ends: Vec<End>,
    /// What must not happen.
    pub(crate) problems: Vec<String>,
}

/// The end of a stream that was not asked for.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) at: Instant,
    /// With DRAINING, as a gateway or an instance that leaves ends it.
    pub(crate) in_order: bool,
    pub(crate) why: String,
}

struct Watch {
    line: Line,
    place: Place,
    told: Arc<Told>,
    /// Where failed calls are noted.
    seen: Arc<Seen>,
    token: String,
    last: pb::PrStatus,
    /// The number in the title that was last given, and that was last told.
    given: u64,
    heard: u64,
}

impl Watches {
    /// Watches one pull request over each of the lines, changing it all the time.
    pub(crate) fn start(lines: &[Line], places: &[Place], seen: &Arc<Seen>) -> Self {
        let (told, tasks) = (Arc::<Told>::default(), Tasks::new());
        let (stop, stopped) = watch::channel(false);
        for (line, place) in lines.iter().zip(places) {
            let mut watch = Watch {
                line: line.clone(),
                place: place.clone(),
                told: Arc::clone(&told),
                seen: Arc::clone(seen),
                token: String::new(),
                last: pb::PrStatus::default(),
                given: 0,
                heard: 0,
            };
            let mut stopped = stopped.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = watch.run() => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
        }
        Self { told, stop, tasks }
    }

    /// Ends them.
    pub(crate) async fn end(self) -> Arc<Told> {
        self.stop.send_replace(true);
        self.tasks.finish(Duration::from_secs(5)).await;
        self.told
    }
}

impl Told {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    async fn run(&mut self) {
        loop {
            let began = Instant::now();
            match self.begin().await {
                Ok(stream) => self.follow(stream).await,
                Err(status) => self.seen.failed("WatchPR", began, &status),
            }
        }
    }

    async fn begin(&self) -> Result<Streaming<pb::WatchPrResponse>, Status> {
        let call = self.line.call(|caller| {
            let request = caller.ask(pb::WatchPrRequest {
                repo: Some(self.place.repo.clone()),
                id: self.place.pr,
                resume_token: self.token.clone(),
            });
            async move { pull_requests(&caller).watch_pr(request).await }
        });
        timeout(SILENT, call)
            .await
            .unwrap_or_else(|_| Err(Status::deadline_exceeded("HUNG")))
            .map(tonic::Response::into_inner)
    }

    async fn follow(&mut self, mut stream: Streaming<pb::WatchPrResponse>) {
        loop {
            match timeout(SILENT, stream.message()).await {
                Ok(Ok(Some(message))) => self.heard(message).await,
                Ok(Ok(None)) => return self.problem("it ended well, and the pull request is open"),
                Ok(Err(status)) => return self.ended(&status),
                Err(_) => return self.problem("not even a heartbeat came"),
            }
        }
    }

    async fn heard(&mut self, message: pb::WatchPrResponse) {
        let Some(status) = message.status else { return };
        if status == self.last {
            self.problem("a state came twice");
        }
        self.token = message.resume_token;
        let title = status.pull_request.as_ref().map(|pr| pr.title.clone()).unwrap_or_default();
        self.last = status;
        match title.strip_prefix("change ").and_then(|number| number.parse::<u64>().ok()) {
            Some(number) if number == self.given => self.heard = number,
            // Something else has changed.
            Some(number) if number == self.heard => return,
            other => {
                self.problem(&format!("{title:?} came ({other:?}), and {} was the last change", self.given))
            }
        }
        self.told.log().changes += 1;
        self.change().await;
    }

    /// Makes the next change. One that failed has been counted, and is made again with its key: it may have happened.
    async fn change(&mut self) {
        self.given += 1;
        let (key, title) = (new_key(), format!("change {}", self.given));
        for _ in 0..ATTEMPTS {
            let began = Instant::now();
            let changed = self.line.call(|caller| {
                let mut request = caller.ask(pb::UpdatePrRequest {
                    repo: Some(self.place.repo.clone()),
                    id: self.place.pr,
                    title: Some(title.clone()),
                    ..Default::default()
                });
                request.metadata_mut().insert("idempotency-key", key.parse().expect("ASCII"));
                async move { pull_requests(&caller).update_pr(request).await }
            });
            match timeout(SILENT, changed).await {
                Ok(Ok(_)) => return,
                Ok(Err(status)) => self.seen.failed("UpdatePR", began, &status),
                Err(_) => self.seen.failed("UpdatePR", began, &Status::deadline_exceeded("HUNG")),
            }
        }
        self.problem("a change could not be made");
    }

    fn ended(&self, status: &Status) {
        let in_order = status.code() == Code::Unavailable && Reason::of(status) == Some(Reason::Draining);
        self.told.log().ends.push(End { at: Instant::now(), in_order, why: words(status) });
    }

    fn problem(&self, what: &str) {
        self.told.log().problems.push(format!("{}: {what}", self.place.repo.slug));
    }
}

fn words(status: &Status) -> String {
    format!("{:?} {:?} {}", status.code(), Reason::of(status), status.message())
}

/// Heartbeats come each 20 s.
const SILENT: Duration = Duration::from_secs(45);
const ATTEMPTS: usize = 50;
