//! A network namespace with one wire to this machine, and a counter for each of the addresses at its other end.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::process::Command;

use super::need;

/// A namespace, gone when this is dropped; what still runs in it keeps it for as long as it runs.
///
/// Inside is 10.x.y.2. This machine is there as 10.x.y.1 and, for tests that tell by the address what was meant, as 10.x.y.3 to
/// 10.x.y.6 too. There is no other way out.
pub(crate) struct Netns {
    name: String,
    net: [u8; 2],
}

impl Netns {
    /// Makes one; none where that cannot be.
    pub(crate) async fn new() -> Option<Self> {
        need::namespaces().await?;
        // A network that another run of these tests, or this machine, has already cannot be added.
        for _ in 0..8 {
            let namespace = Self::pick();
            let made = sh(&format!("set -e; {}", namespace.script())).await;
            if made.status.success() {
                return Some(namespace);
            }
            assert!(text(&made).contains("File exists"), "{}", text(&made));
        }
        panic!("eight names of namespaces are in use");
    }

    /// Its name, as `ip netns` has it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The address of this machine as seen from inside, by its last number: 1, or 3 to 6.
    pub(crate) fn outside(&self, last: u8) -> IpAddr {
        assert!(OUTSIDE.contains(&last), "{last} is not this machine");
        self.address(last)
    }

    /// A command that runs inside, with `hosts` as its /etc/hosts and this machine's address `resolver` as its one resolver.
    /// The environment is the command's to set.
    pub(crate) fn command(&self, program: &Path, hosts: &Path, resolver: u8) -> Command {
        self.asking(program, hosts, resolver, "timeout:1 attempts:1")
    }

    /// As [`Netns::command`], with these options of resolv.conf(5).
    pub(crate) fn asking(&self, program: &Path, hosts: &Path, resolver: u8, options: &str) -> Command {
        let script = format!(
            "printf 'nameserver {}\\noptions {options}\\n' > \"$1.resolv\" && mount --bind \"$1\" /etc/hosts \
             && mount --bind \"$1.resolv\" /etc/resolv.conf && shift && exec \"$@\"",
            self.address(resolver)
        );
        let mut command = Command::new("nsenter");
        // Not by `ip netns exec`, which hides parts of /sys.
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(["unshare", "--mount", "sh", "-c", &script, "sh"]);
        command.arg(hosts).arg(program);
        command
    }

    /// How many packets left for this address of this machine, by its last number.
    pub(crate) async fn sent_to(&self, last: u8) -> u64 {
        self.counted(&format!("to-{last} ")).await
    }

    /// Waits until a packet left for this address of this machine.
    pub(crate) async fn sends_to(&self, last: u8) {
        while self.sent_to(last).await == 0 {}
    }

    /// How many packets left for a resolver, wherever.
    pub(crate) async fn names_asked(&self) -> u64 {
        self.counted("dns ").await
    }

    async fn counted(&self, rule: &str) -> u64 {
        let listed = sh(&format!("ip netns exec {} iptables -L OUTPUT -n -v -x", self.name)).await;
        assert!(listed.status.success(), "{}", text(&listed));
        let listed = text(&listed);
        let line = listed.lines().find(|line| line.contains(&format!("/* {rule}")));
        let count = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        count.unwrap_or_else(|| panic!("no rule {rule} in\n{listed}"))
    }

    fn pick() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = std::process::id().wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        // 10.128.0.0/10: where few networks are.
        let net = [128 + (number >> 8 & 0x3f) as u8, number as u8];
        Self { name: format!("gp-{}-{}", net[0], net[1]), net }
    }

    fn address(&self, last: u8) -> IpAddr {
        Ipv4Addr::new(10, self.net[0], self.net[1], last).into()
    }

    fn script(&self) -> String {
        let Self { name, net: [a, b] } = self;
        let mut lines = vec![
            format!("ip netns add {name}"),
            format!("ip link add {name} type veth peer name wire netns {name}"),
            format!("ip link set {name} up"),
            format!("ip -n {name} addr add 10.{a}.{b}.2/24 dev wire"),
            format!("ip -n {name} link set wire up"),
            format!("ip -n {name} link set lo up"),
            format!("exec ip netns exec {name} sh -e"),
        ];
        let addresses = OUTSIDE.map(|last| format!("ip addr add 10.{a}.{b}.{last}/24 dev {name}"));
        lines.splice(3..3, addresses);
        let counters = OUTSIDE.map(|last| counter(&format!("-d 10.{a}.{b}.{last}"), &format!("to-{last}")));
        let dns = ["udp", "tcp"].map(|kind| counter(&format!("-p {kind} --dport 53"), "dns"));
        let rules = dns.into_iter().chain(counters).collect::<Vec<_>>().join("\n");
        format!("{} <<'RULES'\n{rules}\nRULES\n", lines.join("\n"))
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let Self { name, .. } = self;
        // The wire goes with either end.
        let script = format!("ip link del {name}; ip netns del {name}");
        let _ = std::process::Command::new("sh").args(["-c", &script]).output();
    }
}

/// A rule without a target counts, and lets pass.
fn counter(which: &str, name: &str) -> String {
    format!("iptables -w -A OUTPUT {which} -m comment --comment '{name} .'")
}

async fn sh(script: &str) -> Output {
    Command::new("sh").args(["-c", script]).output().await.expect("a shell")
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

const OUTSIDE: [u8; 5] = [1, 3, 4, 5, 6];
