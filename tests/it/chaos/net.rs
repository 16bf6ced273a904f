//! Faults of the network between the agent's namespace and one address of this machine.

use gitproxy::ops::settings::environment;
use tokio::process::Command;

use crate::tools::Netns;

use super::plan::{Kind, Way};

/// What a fault did to a namespace, for as long as it lasts.
pub(crate) struct Trouble {
    script: String,
}

/// Does a fault to the way between `netns` and `address`; without what the kernel needs for it, says what that is.
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
        Kind::Delay(ms) => (
            format!("tc qdisc add dev wire root netem delay {ms}ms"),
            "tc qdisc del dev wire root 2>/dev/null || true".to_owned(),
        ),
        Kind::Kill(_) | Kind::Freeze(_) | Kind::Refused | Kind::Swap => (String::new(), String::new()),
    };
    if run(netns, &go).await { Ok(Trouble { script: heal }) } else { Err("this kernel has no netem") }
}

impl Trouble {
    /// Heals it.
    pub(crate) async fn end(self, netns: &Netns) {
        assert!(run(netns, &self.script).await, "not healed: {}", self.script);
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
