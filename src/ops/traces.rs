//! Traces: which call a piece of work belongs to, across processes, and spans pushed by OTLP over HTTP.
//!
//! A call's place travels as `traceparent` (W3C Trace Context) and inside a process as a [`Context`], an argument like any
//! other. Whether a call is told of is its caller's choice: spans are made only where the parent is sampled, and nothing is
//! pushed unless an endpoint is set. That is why there is no layer over the log's spans: those exist for every call.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::trace::{self as sdk, IdGenerator as _};
use tracing::debug;

use super::export::{self, Error, Outlet};
use super::metrics::Label;
use crate::ops::Tasks;

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    trace: TraceId,
    span: SpanId,
    flags: TraceFlags,
}

/// Makes spans; clones are the same. By default it is off.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<sdk::SdkTracer>);

/// A piece of work; it ends when it is dropped.
#[derive(Debug)]
pub struct Span {
    context: Context,
    inner: Option<sdk::Span>,
}

/// At which end of a call the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It answers.
    Server,
    /// It asks.
    Client,
}

impl Context {
    /// Reads a `traceparent` (section 3.2.2), of a later version too; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let plain = |text: &str, length| text.len() == length && text.bytes().all(is_hexadecimal);
        if !plain(version, 2) || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        if !plain(trace, 32) || !plain(span, 16) || !plain(flags, 2) {
            return None;
        }
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        (trace != TraceId::INVALID && span != SpanId::INVALID).then_some(Self { trace, span, flags })
    }

    /// The beginning of a trace that nobody tells of: for its id in the log.
    pub fn fresh() -> Self {
        // Not of the system's own source, which would be asked twice in each call.
        let ids = sdk::RandomIdGenerator::default();
        Self { trace: ids.new_trace_id(), span: ids.new_span_id(), flags: TraceFlags::NOT_SAMPLED }
    }

    /// The id of the trace: 32 hexadecimal digits.
    pub fn trace(&self) -> String {
        self.trace.to_string()
    }

    /// Whether spans of it are wanted.
    pub fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }
}

impl fmt::Display for Context {
    /// As a `traceparent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags.to_u8())
    }
}

impl Tracer {
    /// Pushes spans to the outlet, in batches of a second; what is left goes out when `tasks` drain. A collector that is
    /// slow or away costs spans and nothing else.
    ///
    /// # Errors
    /// When the endpoint is no URL.
    pub fn start(outlet: Outlet<'_>, tasks: &Tasks) -> Result<Self, Error> {
        let (relay, jobs) = export::relay();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(relay)
            .with_endpoint(outlet.url("traces"))
            .with_timeout(export::PATIENCE)
            .build()?;
        let batches = sdk::BatchConfigBuilder::default().with_scheduled_delay(EVERY).build();
        let batches = sdk::BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let provider = sdk::SdkTracerProvider::builder()
            .with_resource(outlet.resource())
            .with_sampler(sdk::Sampler::ParentBased(Box::new(sdk::Sampler::AlwaysOff)))
            .with_span_processor(batches)
            .build();
        let tracer = provider.tracer("gitproxy");
        jobs.run(outlet.transport, tasks, move || {
            if let Err(error) = provider.shutdown_with_timeout(export::PATIENCE) {
                debug!(%error, "the last spans were not taken");
            }
        });
        Ok(Self(Some(tracer)))
    }

    /// Whether spans of this parent are made.
    pub fn tells_of(&self, parent: &Context) -> bool {
        self.0.is_some() && parent.is_sampled()
    }

    /// Begins work below `parent`; where nobody is told, its place is the parent's.
    pub fn begin(&self, name: impl Into<Cow<'static, str>>, side: Side, parent: Context) -> Span {
        let Some(tracer) = self.0.as_ref().filter(|_| parent.is_sampled()) else {
            return Span { context: parent, inner: None };
        };
        let kind = match side {
            Side::Server => SpanKind::Server,
            Side::Client => SpanKind::Client,
        };
        let Context { trace, span, flags } = parent;
        let above = SpanContext::new(trace, span, flags, side == Side::Server, TraceState::NONE);
        let above = opentelemetry::Context::new().with_remote_span_context(above);
        let inner = tracer.span_builder(name).with_kind(kind).start_with_context(tracer, &above);
        let own = inner.span_context();
        let context = Context { trace: own.trace_id(), span: own.span_id(), flags: own.trace_flags() };
        Span { context, inner: Some(inner) }
    }
}

impl Span {
    /// Its place, for what is below it.
    pub fn context(&self) -> Context {
        self.context
    }

    /// Whether anybody is told of it.
    pub fn is_told(&self) -> bool {
        self.inner.is_some()
    }

    /// Says something about it.
    pub fn note(&mut self, labels: impl IntoIterator<Item = Label>) {
        if let Some(span) = &mut self.inner {
            span.set_attributes(labels);
        }
    }

    /// Says that it failed. Why is for [`Span::note`]: a message may quote what a caller sent.
    pub fn failed(&mut self) {
        if let Some(span) = &mut self.inner {
            span.set_status(Status::error(""));
        }
    }
}

fn is_hexadecimal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// From one batch of spans to the next.
const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_and_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context = Context::parse(text).expect("a context");
        assert_eq!((context.to_string().as_str(), context.is_sampled()), (text, true));
        assert_eq!(context.trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = Context::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what");
        assert!(!later.expect("a later version").is_sampled());
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for bad in [
            "",
            "00",
            "00-x-y-z",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-\u{e9}",
        ] {
            assert_eq!(Context::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn fresh_ones_differ_and_are_not_told_of() {
        let (one, other) = (Context::fresh(), Context::fresh());
        assert!(one.trace() != other.trace() && !one.is_sampled());
        assert_eq!(Context::parse(&one.to_string()), Some(one));
    }

    #[test]
    fn without_a_collector_a_span_has_its_parents_place() {
        let parent = Context::fresh();
        let span = Tracer::default().begin("x", Side::Server, parent);
        assert_eq!((span.context(), span.is_told()), (parent, false));
    }
}
