//! A delay on the way between a namespace and this machine: by netem where the kernel has it, else by leading the packets
//! through another namespace and a wire that is slow (`GITPROXY_NET_WIRE` names the program:
//! `NS ADDRESS NS ADDRESS delay_ms=`, which joins two namespaces by devices `wire0`).

use std::net::{IpAddr, Ipv4Addr};
use std::process::Stdio;

use gitproxy::ops::settings::environment;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::tools::Netns;

/// Makes every packet between them late until it is dropped.
pub(super) struct Delay {
    heal: String,
    wire: Option<Child>,
}

impl Delay {
    /// Adds so many milliseconds to a round trip; or says what is missing.
    pub(super) async fn begin(netns: &Netns, ms: u32) -> Result<Self, &'static str> {
        let name = netns.name();
        if sh(&format!("ip netns exec {name} tc qdisc add dev wire root netem delay {ms}ms")).await.is_ok() {
            let heal = format!("ip netns exec {name} tc qdisc del dev wire root");
            return Ok(Self { heal, wire: None });
        }
        let program = environment("GITPROXY_NET_WIRE");
        let program = program.ok_or("this kernel has no netem, and GITPROXY_NET_WIRE names no program")?;
        let far = format!("{name}-d");
        let mut delay = Self { heal: format!("ip netns del {far}; ip link del {far}"), wire: None };
        delay.done(&namespace(netns, &far)).await;
        let ends = [name, "192.0.2.1/30", &far, "192.0.2.2/30"];
        let mut wire = Command::new(program);
        wire.args(ends).arg(format!("delay_ms={}", f64::from(ms) / 2.0));
        let mut wire = wire.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("GITPROXY_NET_WIRE");
        let mut said = BufReader::new(wire.stdout.take().expect("piped")).lines();
        delay.wire = Some(wire);
        assert_eq!(said.next_line().await.expect("its output").as_deref(), Some("ready"));
        delay.done(&detour(netns, &far)).await;
        Ok(delay)
    }

    async fn done(&self, script: &str) {
        sh(script).await.unwrap_or_else(|told| panic!("no delay: {told}"));
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        // Its devices go with it, and with them the routes.
        if let Some(wire) = &mut self.wire {
            // It may have ended by itself.
            let _ = wire.start_kill();
        }
        let _ = std::process::Command::new("sh").args(["-c", &self.heal]).output();
    }
}

/// A namespace that forwards, with a link of its own to this machine.
fn namespace(netns: &Netns, far: &str) -> String {
    let (here, there) = link(netns);
    format!(
        "set -e; ip netns add {far}; ip link add {far} type veth peer name out netns {far}\n\
         ip addr add {here}/30 dev {far}; ip link set {far} up\n\
         ip -n {far} addr add {there}/30 dev out; ip -n {far} link set out up; ip -n {far} route add default via {here}\n\
         ip netns exec {far} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'"
    )
}

/// Leads what is between `netns` and this machine through the wire, both ways: the narrower routes win.
fn detour(netns: &Netns, far: &str) -> String {
    let [a, b] = net(netns);
    let (_, there) = link(netns);
    let (name, inside) = (netns.name(), format!("10.{a}.{b}.2"));
    format!(
        "set -e; ip -n {far} route add {inside} dev wire0\n\
         ip -n {name} route add 10.{a}.{b}.0/25 dev wire0 src {inside}; ip route add {inside} via {there}"
    )
}

/// The ends of the link, in a network that is for measurements (RFC 2544): this machine's, and the far namespace's.
fn link(netns: &Netns) -> (Ipv4Addr, Ipv4Addr) {
    let [a, b] = net(netns).map(u32::from);
    let first = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + ((a % 64) << 10) + (b << 2);
    (Ipv4Addr::from(first + 1), Ipv4Addr::from(first + 2))
}

fn net(netns: &Netns) -> [u8; 2] {
    let IpAddr::V4(address) = netns.outside(1) else { panic!("namespaces have IPv4") };
    let [_, a, b, _] = address.octets();
    [a, b]
}

async fn sh(script: &str) -> Result<(), String> {
    let done = Command::new("sh").args(["-c", script]).output().await.expect("a shell");
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(()) } else { Err(told) }
}
