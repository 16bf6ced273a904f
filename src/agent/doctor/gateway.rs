//! The leg of the gateway: the network, then the greeting, the clock, and a probe through the stream.

mod answers;

use tokio::time::{Instant, timeout_at};
use tonic::Status;

use self::answers::{clock, cut_short, refused, round_trip, transferred};
use super::{Leg, Part, skip_rest, unfinished};
use crate::agent::{Config, hello};
use crate::egress::{Alpn, Egress, Stream};
use crate::ops::{Check, Tasks};
use crate::proto::Reason;
use crate::proto::tunnel::v1::Welcome;
use crate::tunnel;
use crate::tunnel::probe::{self, Greeted};

/// What a connection is asked for once it is there, in this order.
const STEPS: &[&str] = &[ATTACH, ROUND_TRIP, CLOCK, TRANSFER];

/// What all steps share.
struct Walk<'a> {
    config: &'a Config,
    tasks: &'a Tasks,
    deadline: Instant,
}

/// Walks from here into the gateway and back.
pub(super) async fn leg(config: &Config, egress: &Egress, tasks: &Tasks, deadline: Instant) -> Leg {
    let connector = egress.connector(config.gateway.origin().clone(), Alpn::Http2Only);
    let (mut checks, stream) = connector.probe().await;
    if let Ok(stream) = stream {
        checks.extend(Walk { config, tasks, deadline }.talk(stream).await);
    }
    skip_rest(&mut checks, STEPS);
    Leg { part: Part::Gateway, target: config.gateway.to_string(), checks }
}

impl Walk<'_> {
    async fn talk(&self, stream: Stream) -> Vec<Check> {
        let started = Instant::now();
        let greeted = timeout_at(self.deadline, self.greet(stream)).await;
        let took = started.elapsed();
        let greeted = match greeted {
            Err(_) => return vec![unfinished(ATTACH, "slow-link", took)],
            Ok(Err(status)) => return vec![refused(&status).took(took)],
            Ok(Ok(greeted)) => greeted,
        };
        let Welcome { agent, gateway, .. } = &greeted.welcome;
        let attached =
            Check::passed(ATTACH, format!("the gateway `{gateway}` takes this one as agent `{agent}`"));
        let near = [round_trip(greeted.round_trip), clock(greeted.clock_ahead_ms)];
        let mut checks = vec![attached.took(took)];
        checks.extend(near);
        checks.push(self.transfer(greeted).await);
        checks
    }

    async fn greet(&self, stream: Stream) -> Result<Greeted, Status> {
        let channel = tunnel::channel(stream, &self.config.link, self.tasks).await?;
        let (origin, key) = (self.config.gateway.uri(), self.config.access_key.current());
        // An id of its own: the instance that it may stand beside has one.
        let hello = hello(self.config, &uuid::Uuid::new_v4().to_string());
        probe::greet(channel, origin, &key, hello).await
    }

    async fn transfer(&self, greeted: Greeted) -> Check {
        let started = Instant::now();
        let left = self.deadline.saturating_duration_since(started);
        match greeted.transfer(PROBE, left).await {
            Err(cut) if Reason::of(&cut.status) == Some(Reason::Deadline) => {
                unfinished(TRANSFER, "slow-link", started.elapsed())
            }
            Err(cut) => cut_short(&cut).took(started.elapsed()),
            Ok(done) => transferred(&done).took(started.elapsed()),
        }
    }
}

const ATTACH: &str = "attach";
const ROUND_TRIP: &str = "round-trip";
const CLOCK: &str = "clock";
const TRANSFER: &str = "transfer";
/// Each way: twice what nginx takes for a whole request body by default.
const PROBE: u64 = 2 * 1024 * 1024;
