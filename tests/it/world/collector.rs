//! A collector of OTLP over HTTP, which keeps what is pushed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gitproxy::ops::Tasks;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

/// See the module. It ends when it is dropped.
pub(crate) struct Collector {
    addr: SocketAddr,
    pushes: watch::Receiver<Vec<Push>>,
    tasks: Tasks,
}

/// What came in one request.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A value of a metric.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) service: String,
    pub(crate) metric: String,
    pub(crate) unit: String,
    /// `name=value`, in the order of their names.
    pub(crate) labels: Vec<String>,
    /// Of a histogram the count.
    pub(crate) value: f64,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let (addr, tasks) = (listener.local_addr().expect("bound"), Tasks::new());
        let (keep, pushes) = watch::channel(Vec::new());
        let (keep, each) = (Arc::new(keep), tasks.clone());
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let keep = Arc::clone(&keep);
                let service = service_fn(move |request| take(request, Arc::clone(&keep)));
                each.spawn(async move {
                    let server = hyper::server::conn::http1::Builder::new();
                    let _peer_gone = server.serve_connection(TokioIo::new(tcp), service).await;
                });
            }
        });
        Self { addr, pushes, tasks }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// All that came so far.
    pub(crate) fn pushes(&self) -> Vec<Push> {
        self.pushes.borrow().clone()
    }

    /// Waits until what has come is enough.
    pub(crate) async fn until<T>(&self, what: &str, enough: impl Fn(&[Push]) -> Option<T>) -> T {
        let mut pushes = self.pushes.clone();
        let found = timeout(PATIENCE, async {
            loop {
                if let Some(found) = enough(&pushes.borrow_and_update()) {
                    return found;
                }
                pushes.changed().await.expect("the collector runs");
            }
        });
        found.await.unwrap_or_else(|_| panic!("no push tells {what}: {} came", self.pushes().len()))
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

/// The values that were pushed, the oldest first.
pub(crate) fn points(pushes: &[Push]) -> Vec<Point> {
    let mut points = Vec::new();
    for push in pushes.iter().filter(|push| push.path == "/v1/metrics") {
        let decoded = ExportMetricsServiceRequest::decode(push.body.clone()).expect("metrics");
        for from in decoded.resource_metrics {
            let service = service(from.resource.as_ref());
            for metric in from.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
                for (labels, value) in values(metric.data.expect("data")) {
                    let (service, metric, unit) = (service.clone(), metric.name.clone(), metric.unit.clone());
                    points.push(Point { service, metric, unit, labels: texts(&labels), value });
                }
            }
        }
    }
    points
}

/// The spans that were pushed, with the name of the service of each.
pub(crate) fn spans(pushes: &[Push]) -> Vec<(String, Span)> {
    let mut spans = Vec::new();
    for push in pushes.iter().filter(|push| push.path == "/v1/traces") {
        let decoded = ExportTraceServiceRequest::decode(push.body.clone()).expect("spans");
        for from in decoded.resource_spans {
            let service = service(from.resource.as_ref());
            let all = from.scope_spans.into_iter().flat_map(|scope| scope.spans);
            spans.extend(all.map(|span| (service.clone(), span)));
        }
    }
    spans
}

/// `name=value`, in the order of their names.
pub(crate) fn texts(labels: &[KeyValue]) -> Vec<String> {
    let mut texts: Vec<_> =
        labels.iter().map(|it| format!("{}={}", it.key, text(it.value.as_ref()))).collect();
    texts.sort();
    texts
}

async fn take(
    request: Request<Incoming>,
    keep: Arc<watch::Sender<Vec<Push>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        let push = Push { path: head.uri.path().to_owned(), headers: head.headers, body: body.to_bytes() };
        keep.send_modify(|pushes| pushes.push(push));
    }
    Ok(Response::new(Full::default()))
}

fn service(resource: Option<&Resource>) -> String {
    let labels = resource.map(|resource| texts(&resource.attributes)).unwrap_or_default();
    let name = labels.iter().find_map(|label| label.strip_prefix("service.name="));
    name.expect("a service").to_owned()
}

fn values(data: Data) -> Vec<(Vec<KeyValue>, f64)> {
    let number = |value: Option<number_data_point::Value>| match value.expect("a value") {
        number_data_point::Value::AsDouble(value) => value,
        number_data_point::Value::AsInt(value) => value as f64,
    };
    match data {
        Data::Gauge(gauge) => {
            gauge.data_points.into_iter().map(|it| (it.attributes, number(it.value))).collect()
        }
        Data::Sum(sum) => sum.data_points.into_iter().map(|it| (it.attributes, number(it.value))).collect(),
        Data::Histogram(histogram) => {
            histogram.data_points.into_iter().map(|it| (it.attributes, it.count as f64)).collect()
        }
        Data::ExponentialHistogram(_) | Data::Summary(_) => panic!("there is none of these"),
    }
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// How long something that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
