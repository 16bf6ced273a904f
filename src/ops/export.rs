//! How metrics and traces leave: by OTLP over HTTP, on a transport that is an argument.
//!
//! The library exports from threads of its own, where no runtime is; a relay hands each export to a task.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry_http::HttpClient;
use opentelemetry_sdk::Resource;
use tokio::sync::{mpsc, oneshot};
use tokio::time;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tracing::debug;

use crate::ops::Tasks;

pub use opentelemetry_http::HttpError as Cause;

/// Carries one export; whole bodies, since they are small.
pub type Transport = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, Cause>;

/// Where something is pushed, and by whom.
#[derive(Clone)]
pub struct Outlet<'a> {
    /// The collector's base URL; `/v1/metrics` or `/v1/traces` is appended.
    pub endpoint: &'a str,
    /// `service.name`.
    pub service: &'static str,
    /// More about this process.
    pub about: &'a [(&'static str, String)],
    /// The way there.
    pub transport: Transport,
}

/// Why a push cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot be set up: {0}")]
pub struct Error(#[from] opentelemetry_otlp::ExporterBuildError);

/// The library's client for HTTP.
#[derive(Debug)]
pub(super) struct Relay(mpsc::Sender<Job>);

/// What a [`Relay`] has to be carried.
pub(super) struct Jobs(mpsc::Receiver<Job>);

type Job = (Request<Bytes>, oneshot::Sender<Result<Response<Bytes>, Cause>>);

impl Outlet<'_> {
    pub(super) fn url(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.endpoint.trim_end_matches('/'))
    }

    pub(super) fn resource(&self) -> Resource {
        let about = self.about.iter().map(|(name, value)| KeyValue::new(*name, value.clone()));
        Resource::builder().with_service_name(self.service).with_attributes(about).build()
    }
}

/// A relay, and what it will have to carry.
pub(super) fn relay() -> (Relay, Jobs) {
    let (sender, jobs) = mpsc::channel(AT_ONCE);
    (Relay(sender), Jobs(jobs))
}

impl Jobs {
    /// Carries until `tasks` drain, and then what `last` still exports; it blocks for at most [`PATIENCE`].
    pub(super) fn run(self, transport: Transport, tasks: &Tasks, last: impl FnOnce() + Send + 'static) {
        let own = tasks.clone();
        tasks.spawn(async move {
            let mut carrying = std::pin::pin!(self.carry(transport));
            tokio::select! {
                () = &mut carrying => return,
                () = own.draining() => {}
            }
            let last = tokio::task::spawn_blocking(last);
            // Others may hold the exporter for longer than this process is to live.
            tokio::select! {
                () = carrying => {}
                _ = last => {}
            }
        });
    }

    /// Until the exporter is gone.
    async fn carry(mut self, transport: Transport) {
        while let Some((request, answer)) = self.0.recv().await {
            let sent = time::timeout(PATIENCE, transport.clone().oneshot(request)).await;
            let outcome = sent.unwrap_or_else(|_| Err("the collector does not answer".into()));
            if let Err(error) = &outcome {
                debug!(error = %Shown(error), "the collector did not take a push");
            }
            // Who asked may have stopped waiting.
            let _ = answer.send(outcome);
        }
    }
}

#[tonic::async_trait]
impl HttpClient for Relay {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Cause> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send((request, answer)).map_err(|_| "the process stops, or an export is under way")?;
        answered.await?
    }
}

struct Shown<'a>(&'a Cause);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::ops::causes(self.0.as_ref()))
    }
}

/// How long one export may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// An exporter exports one after the other.
const AT_ONCE: usize = 2;
