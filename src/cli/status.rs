//! `gitproxy status`: what the running agent says of its link and its last commands.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgMatches;
use gitproxy::agent::status::{self, Call, Memory, Session, Status};
use gitproxy::ops::settings::Problems;

use super::exit::Exit;
use super::{JSON, failed, read, say, unusable};

/// Asks the socket that `gitproxy health` asks. An agent without a link answers too; whether it is ready is for `health`.
pub(super) fn status(flags: &ArgMatches) -> Exit {
    let mut problems = Problems::new();
    let layers = read(flags, &mut problems);
    let Some(socket) = layers.required::<PathBuf>("status.socket", &mut problems) else {
        return unusable(problems);
    };
    let told = match status::ask(&socket) {
        Ok(told) => told,
        Err(error) => return failed(format!("no answer at {}: {error}", socket.display())),
    };
    let shown = if flags.get_flag(JSON) { serde_json::to_string_pretty(&told) } else { Ok(table(&told)) };
    match shown {
        Ok(shown) => say(&mut io::stdout(), shown.trim_end()),
        Err(error) => return failed(error),
    }
    Exit::Done
}

fn table(told: &Status) -> String {
    let mut rows = Rows::default();
    let ready = if told.ready { "ready: the gateway can send calls" } else { "not ready" };
    rows.add("link", &format!("{}, {ready}", told.link));
    rows.add("process", &format!("instance {}, build {}", told.instance, told.build));
    rows.add("uptime", &span(told.uptime_s * 1000));
    for session in &told.sessions {
        rows.add("session", &in_words(session));
    }
    match &told.last_error {
        None => rows.add("last error", "none"),
        Some(error) => {
            rows.add("last error", &format!("{} ago: {}", span(error.ago_s * 1000), error.verdict));
            rows.add("", &format!("cause: {}", error.cause));
            rows.add("", &format!("remedy: {}", error.remedy));
        }
    }
    rows.add("memory", &bounds(&told.memory));
    for connection in &told.connections {
        rows.add("connection", &format!("{} at {}", connection.name, connection.host));
    }
    let more = told.connections_total.saturating_sub(told.connections.len());
    if more > 0 {
        rows.add("", &format!("and {more} more"));
    }
    for call in &told.calls {
        rows.add("call", &done(call));
    }
    rows.0
}

fn in_words(session: &Session) -> String {
    let round_trip = session.round_trip_us.map(|us| format!(", {:.1}ms there and back", us as f64 / 1e3));
    format!(
        "{} with {}: {} for {}, heard {} ago{}, {} in flight",
        session.id,
        session.gateway,
        session.phase,
        span(session.attached_s * 1000),
        span(session.quiet_ms),
        round_trip.unwrap_or_default(),
        session.in_flight
    )
}

fn bounds(memory: &Memory) -> String {
    format!(
        "at worst {} a session: {} streams of {} (link.window) and {} to send",
        size(memory.worst_case),
        memory.max_streams,
        size(memory.window.into()),
        size(memory.send_buffer)
    )
}

fn done(call: &Call) -> String {
    let connection = call.connection.as_deref().unwrap_or("-");
    let reason = call.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
    format!(
        "{:>7} ago  {} on {connection} for {}: {}{reason} in {}",
        span(call.ago_ms),
        call.method.trim_start_matches('/'),
        call.caller,
        call.code,
        span(call.ms)
    )
}

/// The lines of the table.
#[derive(Default)]
struct Rows(String);

impl Rows {
    /// Names come from elsewhere: what is no plain character must not reach a terminal.
    fn add(&mut self, name: &str, text: &str) {
        let text: String = text.chars().map(|it| if it.is_control() { '�' } else { it }).collect();
        let _ = writeln!(self.0, "{name:<11}{text}");
    }
}

/// A time as people say it, with two units at most.
fn span(ms: u64) -> String {
    let all = Duration::from_millis(ms).as_secs();
    match (all / 86_400, all / 3600 % 24, all / 60 % 60, all % 60) {
        (0, 0, 0, 0) => format!("{ms}ms"),
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h{minutes}m"),
        (days, hours, ..) => format!("{days}d{hours}h"),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{}.{} GiB", bytes >> 30, ((bytes >> 20) & 1023) * 10 / 1024),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_as_people_say_them() {
        let said = [7, 59_999, 61_000, 3_700_000, 90_000_000].map(span);
        assert_eq!(said, ["7ms", "59s", "1m1s", "1h1m", "1d1h"]);
        let said = [5, 65_536, 1 << 20, 1_140_850_688].map(size);
        assert_eq!(said, ["5 B", "64 KiB", "1 MiB", "1.0 GiB"]);
    }

    #[test]
    fn what_a_gateway_calls_itself_cannot_move_the_cursor() {
        let mut rows = Rows::default();
        rows.add("session", "evil\u{1b}[2J\nlink");
        assert_eq!(rows.0.lines().count(), 1);
        assert!(!rows.0.contains('\u{1b}'), "{}", rows.0);
    }
}
