//! The table of what was done: each step, how long it took, and what came of it.

use std::fmt;
use std::time::{Duration, Instant};

use crate::say;

/// The steps so far.
pub(crate) struct Report {
    begun: Instant,
    rows: Vec<Row>,
}

struct Row {
    step: &'static str,
    took: Duration,
    result: Outcome,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    Failed,
}

/// Nothing after this can be done; the report says why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped;

/// What a step made, and a line about it for people.
pub(crate) type Made<T> = anyhow::Result<(T, String)>;

impl Report {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), rows: Vec::new() }
    }

    /// Does a step and keeps its time and outcome.
    pub(crate) async fn step<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Made<T>>,
    ) -> Result<T, Stopped> {
        let begun = Instant::now();
        let made = work.await;
        let took = begun.elapsed();
        let (made, result, detail) = match made {
            Ok((made, detail)) => (Ok(made), Outcome::Ok, detail),
            Err(error) => (Err(Stopped), Outcome::Failed, format!("{error:#}")),
        };
        self.rows.push(Row { step, took, result, detail });
        made
    }

    /// Keeps that somebody asked to stop before the job was done.
    pub(crate) fn interrupted(&mut self) -> Stopped {
        let (took, detail) = (Duration::ZERO, "somebody asked to stop before it was done".to_owned());
        self.rows.push(Row { step: "finish the job", took, result: Outcome::Failed, detail });
        Stopped
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        say(format!("\n{self}"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.rows.iter().map(|row| row.step.chars().count()).max().unwrap_or_default();
        writeln!(f, "{:<wide$}  {:>8}  result  what came of it", "step", "time")?;
        writeln!(f, "{}", "─".repeat(wide + 60))?;
        for Row { step, took, result, detail } in &self.rows {
            writeln!(f, "{step:<wide$}  {:>8}  {result:<6}  {detail}", time(*took))?;
        }
        writeln!(f, "{}", "─".repeat(wide + 60))?;
        let failed = self.rows.iter().any(|row| row.result == Outcome::Failed);
        let verdict = if failed { Outcome::Failed } else { Outcome::Ok };
        write!(f, "{:<wide$}  {:>8}  {verdict}", "all of it", time(self.begun.elapsed()))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
        })
    }
}

fn time(took: Duration) -> String {
    match took.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.2} s", took.as_secs_f64()),
    }
}
