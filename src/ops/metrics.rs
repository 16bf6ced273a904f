//! Metrics, pushed by OTLP over HTTP. Nothing listens, and nothing is pushed unless an endpoint is set.
//!
//! Names follow OpenTelemetry's conventions where there are some (RPC and HTTP, semantic conventions 1.45); no metric has a
//! secret, an address or a path in it, and every label is one of few: methods, codes, reasons, and names of the settings
//! and of the gateway's store.

use std::time::Duration;

use opentelemetry::metrics::{self as otel, Meter, MeterProvider as _};
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use tokio::runtime::Handle;
use tracing::debug;

use super::export::{self, Error, Outlet};
use crate::ops::Tasks;

/// A label of a measurement.
pub use opentelemetry::KeyValue as Label;

/// The metrics of this process; clones are the same. By default they are off, and measuring costs next to nothing.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    meter: Option<Meter>,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// As OpenTelemetry names things, such as `gitproxy.link.sessions`.
    pub name: &'static str,
    /// A unit of UCUM, such as `s`, `By` or `{call}`.
    pub unit: &'static str,
    /// A sentence.
    pub help: &'static str,
}

/// A number that grows.
#[derive(Debug, Clone, Default)]
pub struct Counter(Option<otel::Counter<u64>>);

/// How long something takes, in seconds.
#[derive(Debug, Clone, Default)]
pub struct Timer(Option<otel::Histogram<f64>>);

impl Metrics {
    /// Pushes to the outlet every `every`, and a last time when `tasks` drain. A collector that does not answer costs a
    /// DEBUG line and nothing else.
    ///
    /// # Errors
    /// When the endpoint is no URL.
    pub fn start(outlet: Outlet<'_>, every: Duration, tasks: &Tasks) -> Result<Self, Error> {
        let (relay, jobs) = export::relay();
        let exporter = MetricExporter::builder()
            .with_http()
            .with_http_client(relay)
            .with_endpoint(outlet.url("metrics"))
            .with_timeout(export::PATIENCE)
            .build()?;
        let reader = PeriodicReader::builder(exporter).with_interval(every).build();
        let provider =
            SdkMeterProvider::builder().with_resource(outlet.resource()).with_reader(reader).build();
        let meter = provider.meter("gitproxy");
        jobs.run(outlet.transport, tasks, move || {
            // It blocks until the last export is out.
            if let Err(error) = provider.shutdown_with_timeout(export::PATIENCE) {
                debug!(%error, "the last metrics were not taken");
            }
        });
        let metrics = Self { meter: Some(meter) };
        if let Ok(runtime) = Handle::try_current() {
            metrics.gauge(TASKS, move || vec![(Vec::new(), runtime.metrics().num_alive_tasks() as f64)]);
        }
        Ok(metrics)
    }

    /// Whether somebody hears of them.
    pub fn are_on(&self) -> bool {
        self.meter.is_some()
    }

    /// Adds a number that goes up and down: one value for each set of labels that `read` gives at the time of an export.
    pub fn gauge<F>(&self, what: Named, read: F)
    where
        F: Fn() -> Vec<(Vec<Label>, f64)> + Send + Sync + 'static,
    {
        let Some(meter) = &self.meter else { return };
        let gauge = meter.f64_observable_gauge(what.name).with_unit(what.unit).with_description(what.help);
        let _registered = gauge
            .with_callback(move |observer| {
                read().iter().for_each(|(labels, value)| observer.observe(*value, labels));
            })
            .build();
    }

    /// Adds a number that grows and is counted elsewhere, read as a gauge is.
    pub fn total<F>(&self, what: Named, read: F)
    where
        F: Fn() -> Vec<(Vec<Label>, u64)> + Send + Sync + 'static,
    {
        let Some(meter) = &self.meter else { return };
        let total = meter.u64_observable_counter(what.name).with_unit(what.unit).with_description(what.help);
        let _registered = total
            .with_callback(move |observer| {
                read().iter().for_each(|(labels, value)| observer.observe(*value, labels));
            })
            .build();
    }

    /// Makes a counter.
    pub fn counter(&self, what: Named) -> Counter {
        let made = self.meter.as_ref().map(|meter| meter.u64_counter(what.name));
        Counter(made.map(|it| it.with_unit(what.unit).with_description(what.help).build()))
    }

    /// Makes a timer, whose unit is seconds.
    pub fn timer(&self, name: &'static str, help: &'static str) -> Timer {
        let made = self.meter.as_ref().map(|meter| meter.f64_histogram(name));
        let made = made.map(|it| it.with_unit("s").with_description(help).with_boundaries(SECONDS.to_vec()));
        Timer(made.map(|it| it.build()))
    }
}

impl Counter {
    /// Counts.
    pub fn add(&self, many: u64, labels: &[Label]) {
        if let Some(counter) = self.0.as_ref().filter(|_| many > 0) {
            counter.add(many, labels);
        }
    }
}

impl Timer {
    /// Takes note of one.
    pub fn took(&self, time: Duration, labels: &[Label]) {
        if let Some(histogram) = &self.0 {
            histogram.record(time.as_secs_f64(), labels);
        }
    }

    /// Whether anybody looks.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }
}

/// A leak of them shows here before it shows in memory.
const TASKS: Named =
    Named { name: "gitproxy.tasks", unit: "{task}", help: "Tasks of the program that are not over." };
/// As the conventions for RPC and HTTP advise, with some for transfers.
const SECONDS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http::{Request, Response};
    use tower::util::BoxCloneSyncService;

    use super::*;
    use crate::ops::export::Cause;
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
        let about = [("service.instance.id", "i-1".to_owned())];
        let outlet =
            Outlet { endpoint: "http://collector:4318/", service: "gitproxy", about: &about, transport };
        let metrics = Metrics::start(outlet, Duration::from_secs(3600), &tasks).unwrap();
        let what = Named { name: "gitproxy.certificate.expiry", unit: "s", help: "Time left." };
        metrics.gauge(what, || vec![(vec![Label::new("of", "gateway")], 86400.0)]);
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
