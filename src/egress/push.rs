//! Where metrics and traces go: the settings that both programs have, and the way there.

use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use tower::util::BoxCloneSyncService;
use url::Url;

use super::{Alpn, Client, Egress, NotAnOrigin, Origin};
use crate::ops::Tasks;
use crate::ops::export::{Cause, Error, Outlet, Transport};
use crate::ops::metrics::Metrics;
use crate::ops::settings::{Layers, Period, Problems};
use crate::ops::traces::Tracer;

/// What is pushed where; by default nothing is.
#[derive(Debug, Clone, Default)]
pub struct Push {
    /// Where metrics go, and the time from one push to the next.
    pub metrics: Option<(Collector, Duration)>,
    /// Where spans go.
    pub traces: Option<Collector>,
}

/// A collector of OTLP over HTTP.
#[derive(Debug, Clone)]
pub struct Collector {
    endpoint: Url,
    origin: Origin,
}

/// Why a text is no collector.
#[derive(Debug, thiserror::Error)]
pub enum NoCollector {
    /// It is no URL of a server.
    #[error("{0}; give one such as http://collector:4318")]
    Form(#[from] NotAnOrigin),
    /// It has parts that would be lost, or secret.
    #[error("has a user, a query or a fragment: give scheme, host, port and path only")]
    Extra,
}

/// What [`Push::start`] started.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// Counts and times.
    pub metrics: Metrics,
    /// Spans.
    pub tracer: Tracer,
}

impl Push {
    /// Reads `metrics.endpoint`, `metrics.every` and `traces.endpoint`; `None` where one cannot be used, which goes to
    /// `problems`.
    pub fn read(layers: &Layers, problems: &mut Problems) -> Option<Self> {
        let every = layers.required::<Period>("metrics.every", problems);
        let metrics = layers.value::<Collector>("metrics.endpoint", problems);
        let traces = layers.value("traces.endpoint", problems);
        let Period(every) = every?;
        if every < SHORTEST {
            problems.push(layers.problem("metrics.every", "is shorter than 1s"));
            return None;
        }
        Some(Self { metrics: metrics.map(|collector| (collector, every)), traces })
    }

    /// Begins to push by `egress`, as `service`, until `tasks` drain.
    ///
    /// # Errors
    /// When an endpoint is none.
    pub fn start(
        &self,
        egress: &Egress,
        service: &'static str,
        about: &[(&'static str, String)],
        tasks: &Tasks,
    ) -> Result<Telemetry, Error> {
        let outlet = |to: &Collector| (to.endpoint.to_string(), to.transport(egress));
        let mut telemetry = Telemetry::default();
        if let Some((collector, every)) = &self.metrics {
            let (endpoint, transport) = outlet(collector);
            let outlet = Outlet { endpoint: &endpoint, service, about, transport };
            telemetry.metrics = Metrics::start(outlet, *every, tasks)?;
        }
        if let Some(collector) = &self.traces {
            let (endpoint, transport) = outlet(collector);
            telemetry.tracer =
                Tracer::start(Outlet { endpoint: &endpoint, service, about, transport }, tasks)?;
        }
        Ok(telemetry)
    }
}

impl Collector {
    fn transport(&self, egress: &Egress) -> Transport {
        let client = Client::new(egress.connector(self.origin.clone(), Alpn::Http1OrHttp2));
        BoxCloneSyncService::new(tower::service_fn(move |request: Request<Bytes>| {
            let client = client.clone();
            async move {
                let response = client.send(request.map(Full::new)).await?;
                let (head, body) = response.into_parts();
                let body = Limited::new(body, LARGEST).collect().await?;
                Ok::<_, Cause>(Response::from_parts(head, body.to_bytes()))
            }
        }))
    }
}

impl FromStr for Collector {
    type Err = NoCollector;

    fn from_str(text: &str) -> Result<Self, NoCollector> {
        let endpoint = Url::parse(text).map_err(NotAnOrigin::from)?;
        let origin = Origin::of(&endpoint)?;
        let bare = endpoint.username().is_empty() && endpoint.password().is_none();
        if !bare || endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err(NoCollector::Extra);
        }
        Ok(Self { endpoint, origin })
    }
}

/// A shorter one would only repeat itself.
const SHORTEST: Duration = Duration::from_secs(1);

/// A collector answers with a few bytes.
const LARGEST: usize = 64 * 1024;
