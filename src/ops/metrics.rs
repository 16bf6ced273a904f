//! Metrics, pushed by OTLP over HTTP. Nothing listens, and nothing is pushed unless an endpoint is set.
//!
//! How the bytes leave is an argument, built from `egress` by who starts the process, so that they too go through the one
//! way out. Names follow OpenTelemetry's conventions; no metric has a secret, an address or a path in it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use tokio::sync::{mpsc, oneshot};
use tokio::time;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;
use tracing::debug;

use crate::ops::Tasks;

pub use opentelemetry_http::HttpError as Cause;

/// Carries one export; whole bodies, since they are small.
pub type Transport = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, Cause>;

/// The metrics of this process; clones are the same.
#[derive(Debug, Clone)]
pub struct Metrics {
    meter: Meter,
}

/// Why metrics cannot be pushed.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up: {0}")]
pub struct Error(#[from] opentelemetry_otlp::ExporterBuildError);

/// Hands exports to the runtime: the library exports from a thread of its own, where no runtime is.
#[derive(Debug)]
struct Relay(mpsc::Sender<Job>);

type Job = (Request<Bytes>, oneshot::Sender<Result<Response<Bytes>, Cause>>);

impl Metrics {
    /// Pushes to `endpoint` (its `/v1/metrics`) every `every`, and a last time when `tasks` drain. A collector that does not
    /// answer costs a DEBUG line and nothing else.
    ///
    /// # Errors
    /// When the endpoint is no URL.
    pub fn start(
        endpoint: &str,
        every: Duration,
        about: &[(&'static str, String)],
        transport: Transport,
        tasks: &Tasks,
    ) -> Result<Self, Error> {
        let (sender, jobs) = mpsc::channel(AT_ONCE);
        tasks.spawn(carry(jobs, transport));
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(Relay(sender))
            .with_endpoint(format!("{}/v1/metrics", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .build()?;
        let about = about.iter().map(|(name, value)| KeyValue::new(*name, value.clone()));
        let resource = Resource::builder().with_service_name("gitproxy").with_attributes(about).build();
        let reader = PeriodicReader::builder(exporter).with_interval(every).build();
        let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
        let meter = provider.meter("gitproxy");
        let own = tasks.clone();
        tasks.spawn(async move {
            own.draining().await;
            // It blocks until the last export is out.
            let last = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(PATIENCE));
            if let Ok(Err(error)) = last.await {
                debug!(%error, "the last metrics were not taken");
            }
        });
        Ok(Self { meter })
    }

    /// Adds a gauge of seconds, one value for each name that `read` gives at the time of an export.
    pub fn seconds<F>(&self, name: &'static str, of: &'static str, help: &'static str, read: F)
    where
        F: Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    {
        let gauge = self.meter.f64_observable_gauge(name).with_unit("s").with_description(help);
        let _registered = gauge
            .with_callback(move |observer| {
                for (whose, seconds) in read() {
                    observer.observe(seconds, &[KeyValue::new(of, whose)]);
                }
            })
            .build();
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

/// Carries exports until the exporter is gone.
async fn carry(mut jobs: mpsc::Receiver<Job>, transport: Transport) {
    while let Some((request, answer)) = jobs.recv().await {
        let sent = time::timeout(PATIENCE, transport.clone().oneshot(request)).await;
        let outcome = sent.unwrap_or_else(|_| Err("the collector does not answer".into()));
        if let Err(error) = &outcome {
            debug!(error = %Shown(error), "metrics were not taken");
        }
        // Who asked may have stopped waiting.
        let _ = answer.send(outcome);
    }
}

struct Shown<'a>(&'a Cause);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::ops::causes(self.0.as_ref()))
    }
}

/// How long one export may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The reader exports one after the other.
const AT_ONCE: usize = 2;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ops::tasks::Drained;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_measured_is_pushed_at_the_latest_when_the_process_stops() {
        let pushed: Arc<Mutex<Vec<(String, Bytes)>>> = Arc::default();
        let seen = Arc::clone(&pushed);
        let transport = BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let (head, body) = request.into_parts();
            seen.lock().unwrap().push((head.uri.to_string(), body));
            async { Ok::<_, Cause>(Response::new(Bytes::new())) }
        }));
        let tasks = Tasks::new();
        let about = [("gitproxy.instance", "i-1".to_owned())];
        let hour = Duration::from_secs(3600);
        let metrics = Metrics::start("http://collector:4318/", hour, &about, transport, &tasks).unwrap();
        metrics
            .seconds("gitproxy.certificate.expiry", "of", "Time left.", || vec![("gateway".into(), 86400.0)]);
        assert_eq!(tasks.finish(Duration::from_secs(30)).await, Drained::Clean);
        let pushed = pushed.lock().unwrap();
        let [(uri, body)] = pushed.as_slice() else { panic!("{} exports", pushed.len()) };
        assert_eq!(uri, "http://collector:4318/v1/metrics");
        let text = String::from_utf8_lossy(body);
        for part in ["gitproxy.certificate.expiry", "gateway", "i-1"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
