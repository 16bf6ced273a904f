//! What every benchmark does with its figures: a table, bounds, and one flat JSON object.
#![expect(clippy::print_stdout, reason = "a benchmark's result is its table")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The figures of one run.
pub(crate) struct Figures {
    name: &'static str,
    values: BTreeMap<String, f64>,
    /// What was promised, and whether it was kept.
    bounds: Vec<(String, bool)>,
}

impl Figures {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, values: BTreeMap::new(), bounds: Vec::new() }
    }

    /// Prints the head of the lines of [`Figures::compare`].
    pub(crate) fn head(&self, one: &str, other: &str) {
        println!("{:<38} {one:>12} {other:>12} {:>8}", self.name, "ratio");
    }

    /// Prints two figures of the same kind and their ratio.
    pub(crate) fn compare(&self, what: &str, one: f64, other: f64) {
        println!("{what:<38} {one:>12.0} {other:>12.0} {:>8.3}", other / one);
    }

    /// Keeps a figure.
    pub(crate) fn note(&mut self, key: &str, value: f64) {
        self.values.insert(key.to_owned(), value);
    }

    /// Keeps a figure that must not be smaller than `least`.
    pub(crate) fn at_least(&mut self, key: &str, value: f64, least: f64) {
        self.bounds.push((format!("{key} {value:.3} ≥ {least}"), value >= least));
        self.note(key, value);
    }

    /// Keeps a figure that must not be greater than `most`.
    pub(crate) fn at_most(&mut self, key: &str, value: f64, most: f64) {
        self.bounds.push((format!("{key} {value:.3} ≤ {most}"), value <= most));
        self.note(key, value);
    }

    /// Prints every figure, writes `target/bench/NAME.json`, and fails when a bound was missed.
    pub(crate) fn finish(self) -> ExitCode {
        println!();
        for (key, value) in &self.values {
            println!("{key:<38} {value:>12.3}");
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
        let file = folder.join(format!("{}.json", self.name));
        std::fs::create_dir_all(&folder).expect("target can be written");
        let json = serde_json::to_string_pretty(&self.values).expect("numbers");
        std::fs::write(&file, json).expect("target can be written");
        println!("\nwritten to target/bench/{}.json", self.name);
        for (what, kept) in &self.bounds {
            println!("{} {what}", if *kept { "PASS" } else { "FAIL" });
        }
        if self.bounds.iter().all(|(_, kept)| *kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// User and system time that a process has used.
pub(crate) fn cpu(process: &str) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("a live process");
    // The name, in brackets, may hold spaces; user and system time are the 12th and 13th field after it.
    let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// A size from `/proc/PROCESS/status`, such as `VmHWM`, in MiB.
pub(crate) fn status_mib(process: &str, field: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a live process");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number");
    kib / 1024.0
}
