//! Faults of the network between the agent's namespace and one address of this machine.

use gitproxy::ops::settings::environment;
use tokio::process::Command;

use crate::tools::Netns;

use super::delay::Delay;
use super::plan::{Kind, Way};

/// What a fault did to a namespace, for as long as it lasts.
pub(crate) enum Trouble {
    /// Until this is run inside.
    Until(String),
    /// Until it is dropped.
    Late(Delay),
}

/// Does a fault to the way between `netns` and `address`; without what it needs, says what that is.
pub(crate) async fn begin(netns: &Netns, address: &str, kind: Kind) -> Result<Trouble, &'static str> {
    let (go, heal) = match kind {
        Kind::Blackhole => rules(address, &[Way::In, Way::Out], "-j DROP"),
        Kind::HalfOpen(way) => rules(address, &[way], "-j DROP"),
        Kind::Reset => resets(address),
        Kind::Loss(percent) => {
            let chance = f64::from(percent) / 100.0;
            rules(
                address,
                &[Way::In, Way::Out],
                &format!("-m statistic --mode random --probability {chance} -j DROP"),
            )
        }
        Kind::Delay(ms) => return Delay::begin(netns, ms).await.map(Trouble::Late),
        Kind::Kill(_) | Kind::Freeze(_) | Kind::Refused | Kind::Swap => (String::new(), String::new()),
    };
    assert!(run(netns, &go).await, "not done: {go}");
    Ok(Trouble::Until(heal))
}

impl Trouble {
    /// Heals it.
    pub(crate) async fn end(self, netns: &Netns) {
        match self {
            Self::Until(script) => assert!(run(netns, &script).await, "not healed: {script}"),
            Self::Late(delay) => drop(delay),
        }
    }
}

fn rules(address: &str, ways: &[Way], what: &str) -> (String, String) {
    let rule = |way: &Way| match way {
        Way::In => format!("INPUT -s {address} {what}"),
        Way::Out => format!("OUTPUT -d {address} {what}"),
    };
    let script = |word: &str| {
        let lines = ways.iter().map(|way| format!("iptables -w {word} {}", rule(way)));
        lines.collect::<Vec<_>>().join("\n")
    };
    (script("-A"), script("-D"))
}

/// The resets themselves pass, else neither end would hear of it.
fn resets(address: &str) -> (String, String) {
    let what = "-p tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset";
    // What REJECT tells this end comes in as from the other.
    rules(address, &[Way::In, Way::Out], what)
}

async fn run(netns: &Netns, script: &str) -> bool {
    let inside = format!("set -e\n{script}\n");
    let path = environment("PATH").unwrap_or_default();
    let mut command = Command::new("nsenter");
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.arg(format!("--net=/run/netns/{}", netns.name())).args(["sh", "-c", &inside]);
    command.output().await.expect("nsenter").status.success()
}
