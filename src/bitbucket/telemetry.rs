//! What is measured of requests to Bitbucket.

use std::time::Duration;

use http::{Method, StatusCode};

use crate::ops::metrics::{Label, Metrics, Timer};
use crate::ops::traces::{Context, Side, Span, Tracer};

/// What sees the requests of a client; by default nothing does.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    requests: Timer,
    waits: Timer,
    tracer: Tracer,
    /// What stands for the connection, where it is not one of the settings.
    held: bool,
}

impl Telemetry {
    /// Measures into `metrics` and tells `tracer`.
    pub fn new(metrics: &Metrics, tracer: Tracer) -> Self {
        let requests =
            metrics.timer("http.client.request.duration", "From a request to the head of its answer.");
        let waits = metrics
            .timer("gitproxy.budget.wait", "How long a request waited for its turn in the rate budget.");
        Self { requests, waits, tracer, held: false }
    }

    /// The same for connections that come with calls: they have no name in metrics, as there may be any number of them.
    #[must_use]
    pub fn for_held(&self) -> Self {
        Self { held: true, ..self.clone() }
    }

    pub(super) fn begin(&self, method: &Method, host: Option<&str>, parent: Option<Context>) -> Option<Span> {
        let parent = parent.filter(|parent| self.tracer.tells_of(parent))?;
        // Without the path: it says which repository.
        let mut span = self.tracer.begin(method_name(method), Side::Client, parent);
        span.note([Label::new("http.request.method", method_name(method))]);
        span.note(host.map(|host| Label::new("server.address", host.to_owned())));
        Some(span)
    }

    pub(super) fn answered(
        &self,
        connection: &str,
        method: &Method,
        outcome: Option<StatusCode>,
        took: Duration,
        span: Option<Span>,
    ) {
        if let Some(mut span) = span {
            span.note([outcome_label(outcome)]);
            if outcome.is_none_or(|status| status.as_u16() >= 400) {
                span.failed();
            }
        }
        if self.requests.is_on() {
            let method = Label::new("http.request.method", method_name(method));
            self.requests.took(took, &[self.connection(connection), method, outcome_label(outcome)]);
        }
    }

    pub(super) fn waited(&self, connection: &str, time: Duration) {
        if self.waits.is_on() {
            self.waits.took(time, &[self.connection(connection)]);
        }
    }

    fn connection(&self, name: &str) -> Label {
        let name = if self.held { "(held)" } else { name };
        Label::new("gitproxy.connection", name.to_owned())
    }
}

fn outcome_label(outcome: Option<StatusCode>) -> Label {
    match outcome {
        Some(status) => Label::new("http.response.status_code", i64::from(status.as_u16())),
        None => Label::new("error.type", "unanswered"),
    }
}

/// Those that there are here; a text of its own would have to be allocated for each.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        _ => "_OTHER",
    }
}
