//! A report for people.

use std::fmt::Write as _;

use super::json::millis;
use super::{Leg, Report, Verdict};
use crate::ops::{Check, Outcome};

/// Whether the outcomes have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// With the escapes of a terminal.
    On,
    /// Text and nothing else.
    Off,
}

impl Report {
    /// The report as a table of lines of at most 100 characters, which ends with the verdict and the exit code. It has
    /// what only the operator of this machine may see.
    pub fn table(&self, colour: Colour) -> String {
        let mut text = line(["CHECK", "OUTCOME", "TOOK"], &["FOUND".to_owned()], |word| word);
        for leg in &self.legs {
            text.push_str(&head(leg));
            for check in &leg.checks {
                text.push_str(&row(check, colour));
            }
        }
        let (ending, took) = (self.ending(), millis(self.took));
        let sentence = paint(&self.sentence(), self.verdict(), colour);
        let _infallible = write!(
            text,
            "\n{sentence} It took {took} ms.\nExit code {}: {}.\n",
            ending.code(),
            ending.meaning()
        );
        text
    }
}

fn head(leg: &Leg) -> String {
    let target = if leg.target.is_empty() { String::new() } else { format!("  {}", clean(&leg.target)) };
    format!("\n{}{target}\n", leg.part)
}

fn row(check: &Check, colour: Colour) -> String {
    let detail = if check.detail.is_empty() { String::new() } else { format!(" ({})", check.detail) };
    let found = wrap(&clean(&format!("{}{detail}", check.found)), WIDTH - INDENT);
    let outcome = check.outcome.to_string();
    let took =
        if check.outcome == Outcome::Skipped { String::new() } else { format!("{} ms", millis(check.took)) };
    let mut text =
        line([check.name, &outcome, &took], &found, |word| paint(&word, Verdict::of(check), colour));
    if let Some(advice) = check.advice() {
        let link = advice.link();
        for (name, what) in [("cause:", &advice.cause), ("remedy:", &advice.remedy), ("see:", &link)] {
            for (at, part) in wrap(&clean(what), WIDTH - ADVICE).iter().enumerate() {
                let name = if at == 0 { name } else { "" };
                let _infallible = writeln!(text, "      {name:<8}{part}");
            }
        }
    }
    text
}

/// The columns of a row; what does not fit into the last one goes on below it.
fn line([name, outcome, took]: [&str; 3], found: &[String], paint: impl Fn(String) -> String) -> String {
    // Padded before it is painted: escapes have a length and no width.
    let outcome = paint(format!("{outcome:<8}"));
    let first = found.first().map_or("", String::as_str);
    let mut text = format!("  {name:<13}{outcome} {took:>8}  {first}").trim_end().to_owned() + "\n";
    for part in found.iter().skip(1) {
        let _infallible = writeln!(text, "{:INDENT$}{part}", "");
    }
    text
}

/// Breaks a text at its spaces; a word that is longer than a line stays whole, since it may be a path to copy.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Without control characters: some of the text comes from certificates and answers of strangers, and a terminal obeys.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() && !character.is_ascii_whitespace() {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    clean
}

fn paint(text: &str, verdict: Verdict, colour: Colour) -> String {
    let code = match verdict {
        Verdict::Passed => "32",
        Verdict::Warned => "33",
        Verdict::Failed => "31",
        Verdict::Skipped => "2",
    };
    match colour {
        Colour::On => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        Colour::Off => text.to_owned(),
    }
}

const WIDTH: usize = 100;
/// Where the last column begins: what `line` puts before it.
const INDENT: usize = 2 + 13 + 8 + 1 + 8 + 2;
/// Where cause and remedy begin.
const ADVICE: usize = 6 + 8;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Part;
    use super::super::report::tests::{failed, report};
    use super::*;

    #[test]
    fn a_table_has_the_row_then_cause_remedy_and_link() {
        let fine = Check::passed("settings", "usable").took(Duration::from_millis(3));
        let shown = report([(Part::Settings, fine), (Part::Gateway, failed("tls").detail("10.0.0.1"))]);
        let expected = "  CHECK        OUTCOME      TOOK  FOUND

settings
  settings     passed       3 ms  usable

gateway  https://there.example.com
  tls          failed       0 ms  it broke (10.0.0.1)
      cause:  A cause.
      remedy: A remedy.
      see:    docs/troubleshooting.md#tls

It does not work: tls (gateway) failed. It took 1234 ms.
Exit code 4: a check on the way to the gateway failed.
";
        assert_eq!(shown.table(Colour::Off), expected);
    }

    #[test]
    fn long_text_goes_on_below_its_column() {
        let long = Check::passed("dns", "word ".repeat(40));
        let table = report([(Part::Gateway, long)]).table(Colour::Off);
        assert!(table.lines().all(|line| line.chars().count() <= WIDTH), "{table}");
        assert!(table.contains(&format!("\n{:INDENT$}word", "")), "{table}");
    }

    #[test]
    fn colours_are_escapes_around_the_outcome_and_only_on_request() {
        let report = report([(Part::Gateway, failed("tls"))]);
        assert!(report.table(Colour::On).contains("\u{1b}[31mfailed  \u{1b}[0m"));
        assert!(!report.table(Colour::Off).contains('\u{1b}'));
    }

    #[test]
    fn what_a_stranger_wrote_moves_no_cursor() {
        let rude = Check::passed("tls", "CN=\u{1b}[2Jgone\u{9b}1m\rover");
        let table = report([(Part::Gateway, rude)]).table(Colour::Off);
        assert!(!table.contains(['\u{1b}', '\u{9b}', '\r']), "{table:?}");
        assert!(table.contains("CN=\\u{1b}[2Jgone"), "{table}");
    }
}
