//! What the processes take, second by second.

use std::collections::HashMap;
use std::fs;
use std::time::Instant;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prost::Message as _;

use crate::collector::Collector;
use crate::figures::{Figures, status_mib};

/// See the module.
pub(crate) struct Taken {
    began: Instant,
    processes: Vec<Process>,
    collector: Collector,
    /// How many pushes have been read.
    read: usize,
    /// By service, the instance that was heard of first: the others came later.
    first: HashMap<String, String>,
}

struct Process {
    name: &'static str,
    id: u32,
    /// The tasks that it told of last.
    tasks: f64,
    samples: Vec<Sample>,
}

struct Sample {
    at: f64,
    values: [f64; KINDS.len()],
}

impl Taken {
    pub(crate) fn of(watched: [(&'static str, u32); 2], collector: Collector) -> Self {
        let process = |(name, id)| Process { name, id, tasks: 0.0, samples: Vec::new() };
        let processes = watched.into_iter().map(process).collect();
        Self { began: Instant::now(), processes, collector, read: 0, first: HashMap::new() }
    }

    /// Takes a sample.
    pub(crate) fn look(&mut self) {
        self.hear();
        let at = self.began.elapsed().as_secs_f64();
        for process in &mut self.processes {
            let id = process.id.to_string();
            let opened = fs::read_dir(format!("/proc/{id}/fd")).expect("a live process").count();
            let values = [
                status_mib(&id, "VmRSS"),
                opened as f64,
                // Threads are no size: the unit that is not there is undone.
                status_mib(&id, "Threads") * 1024.0,
                process.tasks,
            ];
            process.samples.push(Sample { at, values });
        }
    }

    /// The last sample, for people.
    pub(crate) fn now(&self) -> String {
        let of = |process: &Process| {
            let last = process.samples.last().map_or([0.0; KINDS.len()], |sample| sample.values);
            format!(
                "{}: {:.1} MiB, {} files, {} threads, {} tasks",
                process.name, last[0], last[1], last[2], last[3]
            )
        };
        self.processes.iter().map(of).collect::<Vec<_>>().join("; ")
    }

    /// Holds the last fifth against the second.
    pub(crate) fn judge(&mut self, figures: &mut Figures) {
        for process in &mut self.processes {
            let fifth = process.samples.len() / 5;
            let (early, late) =
                (&process.samples[fifth..2 * fifth], &process.samples[process.samples.len() - fifth..]);
            for (kind, (what, share, beside)) in KINDS.into_iter().enumerate() {
                let [before, after] = [early, late].map(|part| median(part, kind));
                let key = format!("{}_{what}", process.name);
                figures.note(&format!("{key}_early"), before);
                figures.note(&format!("{key}_per_hour"), slope(&process.samples[fifth..], kind) * 3600.0);
                figures.at_most(&format!("{key}_late"), after, (before * share + beside).round());
            }
            let id = process.id.to_string();
            figures.note(&format!("{}_mib_peak", process.name), status_mib(&id, "VmHWM"));
            figures.note(&format!("{}_mib_after", process.name), status_mib(&id, "VmRSS"));
        }
    }

    /// Reads what was pushed since.
    fn hear(&mut self) {
        let pushes = self.collector.pushes();
        for push in &pushes[self.read..] {
            let Ok(told) = ExportMetricsServiceRequest::decode(push.body.clone()) else { continue };
            for from in told.resource_metrics {
                let attributes = from.resource.map(|it| it.attributes).unwrap_or_default();
                let of = |key: &str| {
                    let found = attributes.iter().find(|it| it.key == key);
                    format!("{:?}", found.and_then(|it| it.value.as_ref()))
                };
                let (service, instance) = (of("service.name"), of("service.instance.id"));
                let first = self.first.entry(service.clone()).or_insert_with(|| instance.clone());
                let metrics = from.scope_metrics.into_iter().flat_map(|scope| scope.metrics);
                let Some(tasks) = metrics.filter(|it| it.name == TASKS).find_map(|it| value(it.data)) else {
                    continue;
                };
                let number = usize::from(!service.contains("gitproxy-gateway"));
                if *first == instance {
                    self.processes[number].tasks = tasks;
                }
            }
        }
        self.read = pushes.len();
    }
}

fn value(data: Option<Data>) -> Option<f64> {
    let Some(Data::Gauge(gauge)) = data else { return None };
    match gauge.data_points.first()?.value? {
        Value::AsDouble(value) => Some(value),
        Value::AsInt(value) => Some(value as f64),
    }
}

fn median(samples: &[Sample], kind: usize) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(|sample| sample.values[kind]).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Least squares, per second.
fn slope(samples: &[Sample], kind: usize) -> f64 {
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
    let (at, value) = (mean(&|sample| sample.at), mean(&|sample| sample.values[kind]));
    let along = mean(&|sample| (sample.at - at) * (sample.values[kind] - value));
    along / mean(&|sample| (sample.at - at).powi(2))
}

/// What is taken, how much of it there may be at last as a share of what there was, and how much beside.
const KINDS: [(&str, f64, f64); 4] =
    [("mib", 1.1, 1.0), ("descriptors", 1.1, 4.0), ("threads", 1.0, 2.0), ("tasks", 1.1, 8.0)];
const TASKS: &str = "gitproxy.tasks";
