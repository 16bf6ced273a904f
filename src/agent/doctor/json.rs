//! A report for programs, in the form of `docs/doctor.schema.json`.

use std::time::Duration;

use serde::Serialize;

use super::{Leg, Report};
use crate::agent::BUILD;
use crate::ops::Check;

/// The whole object. A member that is added keeps the number of the format; any other change raises it.
#[derive(Serialize)]
struct Object<'a> {
    format: u32,
    gitproxy: &'a str,
    verdict: String,
    exit_code: u8,
    took_ms: u64,
    legs: Vec<LegObject<'a>>,
}

#[derive(Serialize)]
struct LegObject<'a> {
    name: String,
    target: &'a str,
    verdict: String,
    checks: Vec<CheckObject<'a>>,
}

#[derive(Serialize)]
struct CheckObject<'a> {
    name: &'a str,
    outcome: String,
    found: &'a str,
    detail: &'a str,
    cause: Option<&'a str>,
    remedy: Option<&'a str>,
    docs: Option<String>,
    took_ms: u64,
}

impl Report {
    /// The report as one JSON object, indented, without a newline at its end. It has what only the operator of this
    /// machine may see.
    pub fn json(&self) -> String {
        let object = Object {
            format: FORMAT,
            gitproxy: BUILD,
            verdict: self.verdict().to_string(),
            exit_code: self.ending().code(),
            took_ms: millis(self.took),
            legs: self.legs.iter().map(LegObject::of).collect(),
        };
        // It has only texts and numbers, for which there is always a JSON.
        serde_json::to_string_pretty(&object).unwrap_or_default()
    }
}

impl<'a> LegObject<'a> {
    fn of(leg: &'a Leg) -> Self {
        Self {
            name: leg.part.to_string(),
            target: &leg.target,
            verdict: leg.verdict().to_string(),
            checks: leg.checks.iter().map(CheckObject::of).collect(),
        }
    }
}

impl<'a> CheckObject<'a> {
    fn of(check: &'a Check) -> Self {
        let advice = check.advice();
        Self {
            name: check.name,
            outcome: check.outcome.to_string(),
            found: &check.found,
            detail: &check.detail,
            cause: advice.map(|advice| advice.cause.as_str()),
            remedy: advice.map(|advice| advice.remedy.as_str()),
            docs: advice.map(crate::ops::Advice::link),
            took_ms: millis(check.took),
        }
    }
}

pub(super) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

const FORMAT: u32 = 1;
