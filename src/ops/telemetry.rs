//! Logs.

use std::io;
use std::str::FromStr;

use tracing::{Subscriber, warn};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::lines::{self, Lines};

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a terminal: one line with time, level, spans, message and fields.
    Human,
    /// For a collector: one JSON object a line, the fields of the event beside its `message`.
    Json,
}

/// Why logs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter has not the form of `RUST_LOG`.
    #[error("is not a log filter such as `info` or `info,gitproxy::tunnel=debug`: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// They were set up before, in this process.
    #[error("logs are already set up")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The system gives no thread to write them.
    #[error("no thread for the log: {0}")]
    Thread(io::Error),
}

/// A text is no [`Format`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is neither `human` nor `json`")]
pub struct UnknownFormat;

/// The filter when none is given: the transports below us (h2, hyper, rustls) stay at what concerns an operator.
pub const DEFAULT_FILTER: &str = "info";

/// Sends the logs of this process to the standard error, by a filter of `RUST_LOG`'s syntax. An empty one is
/// [`DEFAULT_FILTER`]. The last lines are written when what it gives is dropped. Who does not read the standard error loses
/// what is beyond [`lines::MOST`], and is told how many lines.
///
/// # Errors
/// When the filter is malformed, when it was called before, or when the system gives no thread.
pub fn init(format: Format, filter: &str) -> Result<Lines, Error> {
    let filter = parse(filter)?;
    let tell = |lost| warn!(lost, "lines of the log were lost: who takes them does not keep up");
    let (lines, queue) = lines::start(io::stderr(), tell).map_err(Error::Thread)?;
    tracing_subscriber::registry().with(layer(format, queue).with_filter(filter)).try_init()?;
    Ok(lines)
}

/// Parses a filter of `RUST_LOG`'s syntax; an empty one is [`DEFAULT_FILTER`].
///
/// # Errors
/// When it is malformed.
pub fn parse(filter: &str) -> Result<EnvFilter, Error> {
    let filter = if filter.trim().is_empty() { DEFAULT_FILTER } else { filter };
    Ok(EnvFilter::builder().parse(filter)?)
}

/// The layer that writes lines to `writer`, such as a test's buffer.
pub fn layer<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Without colour: the escapes would end up in files and collectors.
    let layer = fmt::layer().with_writer(writer).with_ansi(false);
    match format {
        Format::Human => layer.boxed(),
        Format::Json => {
            layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the lines look like that `log` writes.
    fn written(format: Format, filter: &str, log: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let layer = layer(format, move || writer.clone()).with_filter(parse(filter).unwrap());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_json_line_has_its_fields_beside_the_message() {
        let lines = written(Format::Json, "", || tracing::info!(agent = "a1", "session ended"));
        let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
        assert_eq!((line["agent"].as_str(), line["message"].as_str()), (Some("a1"), Some("session ended")));
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_human_line_has_no_escapes() {
        let lines = written(Format::Human, "", || tracing::warn!(agent = "a1", "away"));
        assert!(
            lines.contains("away") && lines.contains("agent=\"a1\"") && !lines.contains('\u{1b}'),
            "{lines}"
        );
    }

    #[test]
    fn the_default_leaves_frames_out_and_a_filter_lets_them_in() {
        let frame = || tracing::trace!(target: "h2::codec", "a frame");
        assert_eq!(written(Format::Human, "", frame), "");
        assert!(written(Format::Human, "info,h2=trace", frame).contains("a frame"));
    }

    #[test]
    fn a_malformed_filter_is_an_error() {
        assert!(matches!(parse("gitproxy=loud"), Err(Error::Filter(_))));
    }

    #[test]
    fn a_format_has_two_names() {
        assert_eq!("json".parse(), Ok(Format::Json));
        assert_eq!("human".parse(), Ok(Format::Human));
        assert_eq!("xml".parse::<Format>(), Err(UnknownFormat));
    }
}
