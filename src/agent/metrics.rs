//! What is measured of the agent as a whole; calls and requests are measured where they pass.

use std::collections::BTreeMap;
use std::time::SystemTime;

use tokio::sync::watch;

use super::link::{Phase, Sessions, State, Tally};
use crate::bitbucket;
use crate::egress::Expiries;
use crate::ops::metrics::{Label, Metrics, Named};

/// Where it is seen.
pub(super) struct Measured {
    pub(super) expiries: Expiries,
    pub(super) clients: Vec<bitbucket::Client>,
    pub(super) state: watch::Receiver<State>,
    pub(super) sessions: Sessions,
    pub(super) tally: Tally,
}

/// Tells when certificates and tokens will end, and how the link is.
pub(super) fn tell(metrics: &Metrics, measured: Measured) {
    let Measured { expiries, clients, state, sessions, tally } = measured;
    expiry(metrics, expiries, clients);
    link(metrics, state, sessions);
    history(metrics, tally);
}

fn expiry(metrics: &Metrics, expiries: Expiries, clients: Vec<bitbucket::Client>) {
    let certificates = Named {
        name: "gitproxy.certificate.expiry",
        unit: "s",
        help: "Time until the certificate ends that this owner showed last; below zero when it has ended.",
    };
    metrics.gauge(certificates, move || {
        let row = |(whose, end)| (vec![Label::new("gitproxy.certificate.owner", whose)], left(end));
        expiries.all().into_iter().map(row).collect()
    });
    let tokens = Named {
        name: "gitproxy.token.expiry",
        unit: "s",
        help: "Time until the connection's token ends, where Bitbucket tells; below zero when it has ended.",
    };
    metrics.gauge(tokens, move || {
        let label = |it: &bitbucket::Client| Label::new("gitproxy.connection", it.connection().to_owned());
        clients.iter().filter_map(|it| Some((vec![label(it)], left(it.token_expires()?)))).collect()
    });
}

fn link(metrics: &Metrics, state: watch::Receiver<State>, open: Sessions) {
    let attached = Named {
        name: "gitproxy.link.attached",
        unit: "1",
        help: "1 while the gateway can send calls, else 0.",
    };
    metrics.gauge(attached, move || vec![(Vec::new(), if state.borrow().is_attached() { 1.0 } else { 0.0 })]);
    let quiet = Named {
        name: "gitproxy.link.quiet",
        unit: "s",
        help: "The longest that nothing has come from the gateway of an open session; both ends say something each second.",
    };
    let seen = open.clone();
    metrics.gauge(quiet, move || {
        let open = seen.list().into_iter().filter(|it| matches!(it.phase, Phase::Open | Phase::Doubted));
        open.map(|it| it.quiet_for).max().map(|quiet| (Vec::new(), quiet.as_secs_f64())).into_iter().collect()
    });
    let round_trip = Named {
        name: "gitproxy.link.round_trip",
        unit: "s",
        help: "The longest that a word takes to the gateway of an open session and back.",
    };
    let seen = open.clone();
    metrics.gauge(round_trip, move || {
        let open = seen.list().into_iter().filter(|it| matches!(it.phase, Phase::Open | Phase::Doubted));
        let longest = open.filter_map(|it| it.round_trip).max();
        longest.map(|round_trip| (Vec::new(), round_trip.as_secs_f64())).into_iter().collect()
    });
    let sessions = Named {
        name: "gitproxy.link.sessions",
        unit: "{session}",
        help: "Sessions with gateways, by phase.",
    };
    metrics.gauge(sessions, move || {
        let phases = [Phase::Open, Phase::Doubted, Phase::Asked, Phase::Leaving];
        let list = open.list();
        let of = |phase| list.iter().filter(|it| it.phase == phase).count() as f64;
        phases.map(|phase| (vec![Label::new("gitproxy.session.phase", phase.as_str())], of(phase))).into()
    });
}

fn history(metrics: &Metrics, tally: Tally) {
    let dials = Named {
        name: "gitproxy.link.dials",
        unit: "{dial}",
        help: "Dials of the gateway, by what became of them: attached, or what failed.",
    };
    let seen = tally.clone();
    metrics.total(dials, move || rows("gitproxy.verdict", seen.counts().dials));
    let ends = Named {
        name: "gitproxy.link.ends",
        unit: "{session}",
        help: "Sessions that are over, by how they ended.",
    };
    metrics.total(ends, move || rows("gitproxy.end", tally.counts().ends));
}

fn rows(label: &'static str, counts: BTreeMap<&'static str, u64>) -> Vec<(Vec<Label>, u64)> {
    counts.into_iter().map(|(word, count)| (vec![Label::new(label, word)], count)).collect()
}

/// Seconds until `end`.
fn left(end: SystemTime) -> f64 {
    match end.duration_since(SystemTime::now()) {
        Ok(left) => left.as_secs_f64(),
        Err(over) => -over.duration().as_secs_f64(),
    }
}
