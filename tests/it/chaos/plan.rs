//! Which faults a world meets: a pure function of the seed, so that a run, and each fault of it, can be had again.

use std::fmt;
use std::time::Duration;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// How long until it heals.
    pub(crate) length: Duration,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// SIGKILL; it heals when another process is started.
    Kill(Side),
    /// SIGSTOP; it heals by SIGCONT.
    Freeze(Side),
    /// Every packet is dropped, both ways.
    Blackhole,
    /// Every packet is answered by a reset, both ways: connections are cut and new ones refused.
    Reset,
    /// Every packet of one direction is dropped.
    HalfOpen(Way),
    /// A round trip takes so many milliseconds more.
    Delay(u32),
    /// So many of a hundred packets are dropped, each way.
    Loss(u32),
    /// The forward proxy cuts its tunnels and answers 407 from then on.
    Refused,
    /// SIGTERM; another gateway comes where the first was as soon as that has ended, so it has no length.
    Swap,
}

/// One of our processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Agent,
    Gateway,
}

/// A direction, as the agent sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

/// How long faults are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Up to 25 s, most of them below 6 s.
    Full,
    /// Up to 2.5 s, so that many fit into a test.
    Short,
}

/// What a world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    /// Its agent goes through a forward proxy.
    pub(crate) proxied: bool,
    /// Its processes live as long as it does, so that their memory can be judged.
    pub(crate) lasting: bool,
}

/// What the world of this number, from 0, has.
pub(crate) fn traits(world: u32) -> Traits {
    Traits { proxied: world % 2 == 1, lasting: world.is_multiple_of(4) }
}

/// The first `count` faults of a world.
pub(crate) fn plan(seed: u64, world: u32, count: usize, scale: Scale) -> Vec<Fault> {
    let mut dice = Dice::new(seed, world);
    let kinds = kinds(traits(world));
    let mut faults = Vec::with_capacity(count);
    let mut bag = Vec::new();
    while faults.len() < count {
        // A bag, not a die for each: a short run has every kind too.
        if bag.is_empty() {
            bag.clone_from(&kinds);
        }
        let drawn = bag.swap_remove(dice.below(bag.len() as u64) as usize);
        faults.push(dice.fault(drawn, scale));
    }
    faults
}

/// Every kind that such a world meets.
pub(super) fn kinds(traits: Traits) -> Vec<Kind> {
    use Kind::{Blackhole, Delay, Freeze, HalfOpen, Kill, Loss, Refused, Reset, Swap};
    let mut kinds = vec![
        Freeze(Side::Agent),
        Freeze(Side::Gateway),
        Blackhole,
        Reset,
        HalfOpen(Way::In),
        HalfOpen(Way::Out),
        Delay(0),
        Loss(0),
    ];
    if traits.proxied {
        kinds.push(Refused);
    }
    if !traits.lasting {
        kinds.extend([Kill(Side::Agent), Kill(Side::Gateway), Swap]);
    }
    kinds
}

/// SplitMix64: small, and the same everywhere and for ever.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn new(seed: u64, world: u32) -> Self {
        let mut first = Self(seed);
        Self(first.roll() ^ (u64::from(world) << 32))
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `bound`; a bound as small as ours makes no number likelier in any way that matters.
    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn fault(&mut self, kind: Kind, scale: Scale) -> Fault {
        let length = Duration::from_millis(self.length(scale));
        let strength = self.below(30) as u32 + 1;
        let kind = match kind {
            Kind::Delay(_) => Kind::Delay(10 * strength),
            Kind::Loss(_) => Kind::Loss(strength),
            Kind::Kill(_)
            | Kind::Freeze(_)
            | Kind::Blackhole
            | Kind::Reset
            | Kind::HalfOpen(_)
            | Kind::Refused
            | Kind::Swap => kind,
        };
        Fault { kind, length }
    }

    /// In milliseconds.
    fn length(&mut self, scale: Scale) -> u64 {
        match (scale, self.below(20)) {
            (Scale::Short, _) => 300 + self.below(2200),
            (Scale::Full, 0) => 15_000 + self.below(10_000),
            (Scale::Full, 1..=5) => 6_000 + self.below(9_000),
            (Scale::Full, _) => 300 + self.below(5_700),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Side| match side {
            Side::Agent => "agent",
            Side::Gateway => "gateway",
        };
        match &self.kind {
            Kind::Kill(whom) => write!(f, "kill {}", side(whom))?,
            Kind::Freeze(whom) => write!(f, "stop {}", side(whom))?,
            Kind::Blackhole => f.write_str("blackhole")?,
            Kind::Reset => f.write_str("reset")?,
            Kind::HalfOpen(Way::In) => f.write_str("half-open in")?,
            Kind::HalfOpen(Way::Out) => f.write_str("half-open out")?,
            Kind::Delay(ms) => write!(f, "delay {ms}ms")?,
            Kind::Loss(percent) => write!(f, "loss {percent}%")?,
            Kind::Refused => f.write_str("proxy 407")?,
            Kind::Swap => return f.write_str("gateway swap"),
        }
        write!(f, " for {:.1}s", self.length.as_secs_f64())
    }
}
