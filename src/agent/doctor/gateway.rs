//! The leg of the gateway: the network, then the greeting, the clock, and a probe through the stream.

mod answers;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use self::answers::{clock, cut_short, refused, round_trip, transferred};
use super::{Leg, Part, skip_rest, unfinished};
use crate::agent::{Config, Failure, hello};
use crate::egress::{Alpn, Egress, Stream};
use crate::ops::{Check, Key, Tasks};
use crate::proto::Reason;
use crate::proto::tunnel::v1::{Hello, Welcome};
use crate::tunnel::probe::{self, Greeted};
use crate::tunnel::{self, Channel};

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
        let (channel, greeted) = match greeted {
            Err(_) => return vec![unfinished(ATTACH, "slow-link", took)],
            Ok(Err(failure)) => return vec![refused(&failure).took(took)],
            Ok(Ok(done)) => done,
        };
        let Welcome { agent, gateway, .. } = &greeted.welcome;
        let attached =
            Check::passed(ATTACH, format!("the gateway `{gateway}` takes this one as agent `{agent}`"));
        let mut checks =
            vec![attached.took(took), round_trip(greeted.round_trip), clock(greeted.clock_ahead_ms)];
        checks.push(self.transfer(channel).await);
        checks
    }

    async fn greet(&self, stream: Stream) -> Result<(Channel, Greeted), Failure> {
        let channel = tunnel::channel(stream, &self.config.link, self.tasks).await?;
        let key = self.key();
        let mut tries = TRIES;
        loop {
            let greeted = probe::greet(channel.clone(), self.config.gateway.uri(), &key, self.hello()).await;
            tries -= 1;
            match greeted {
                // Another instance of this agent is being examined too: the gateway takes one at a time.
                Err(status) if tries > 0 && Reason::of(&status) == Some(Reason::Busy) => sleep(PAUSE).await,
                Err(status) => return Err(Failure::of(status, &channel).await),
                Ok(greeted) => return Ok((channel, greeted)),
            }
        }
    }

    async fn transfer(&self, channel: Channel) -> Check {
        let started = Instant::now();
        let key = self.key();
        let transfer = probe::transfer(channel, self.config.gateway.uri(), &key, self.hello(), PROBE);
        match timeout_at(self.deadline, transfer).await {
            Err(_) => unfinished(TRANSFER, "slow-link", started.elapsed()),
            Ok(Err(cut)) => cut_short(&cut).took(started.elapsed()),
            Ok(Ok(done)) => transferred(&done).took(started.elapsed()),
        }
    }

    fn key(&self) -> Key {
        self.config.access_key.current()
    }

    /// With an id of its own: the instance that this may run beside has another.
    fn hello(&self) -> Hello {
        hello(self.config, &uuid::Uuid::new_v4().to_string())
    }
}

const ATTACH: &str = "attach";
const ROUND_TRIP: &str = "round-trip";
const CLOCK: &str = "clock";
const TRANSFER: &str = "transfer";
/// How often to ask a gateway that is busy with another probe of this agent, which is through within a second or two.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(500);
/// Each way: twice what nginx takes for a whole request body by default.
const PROBE: usize = 2 * 1024 * 1024;
