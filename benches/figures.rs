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
    missed: Vec<String>,
}

impl Figures {
    pub(crate) fn new(name: &'static str) -> Self {
        println!("{:<38} {:>12} {:>12} {:>8}", name, "direct", "tunnel", "ratio");
        Self { name, values: BTreeMap::new(), missed: Vec::new() }
    }

    /// Prints two figures of the same kind and their ratio.
    pub(crate) fn compare(&self, what: &str, direct: f64, tunnel: f64) {
        println!("{what:<38} {direct:>12.0} {tunnel:>12.0} {:>8.3}", tunnel / direct);
    }

    /// Keeps a figure.
    pub(crate) fn note(&mut self, key: &str, value: f64) {
        self.values.insert(key.to_owned(), value);
    }

    /// Keeps a figure that must not be smaller than `least`.
    pub(crate) fn at_least(&mut self, key: &str, value: f64, least: f64) {
        if value < least {
            self.missed.push(format!("{key} is {value:.3}, less than {least}"));
        }
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
        for missed in &self.missed {
            println!("MISSED: {missed}");
        }
        if self.missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
