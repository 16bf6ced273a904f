//! A bad link between this machine and a network namespace: by netem where the kernel has it, else by a program that carries
//! packets between two TUN devices (`GITPROXY_NET_WIRE` names it; `NAME NS ADDR NS ADDR delay_ms= loss= rate_mbit= queue_kib=`).

use std::path::PathBuf;
use std::process::Stdio;

use gitproxy::ops::settings::environment;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// What is bad about a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    /// There and back, in milliseconds.
    pub(crate) round_trip: u32,
    /// In either direction, in percent.
    pub(crate) loss: u32,
    /// In Mbit/s; 0 for as much as the machine can.
    pub(crate) rate: u32,
}

/// A namespace at the far end of such a link. Both are gone when it is dropped.
pub(crate) struct Link {
    far: String,
    near: String,
    wire: Option<Child>,
}

impl Link {
    /// Makes them; or says why that cannot be.
    pub(crate) async fn new(quality: Quality) -> Result<Self, String> {
        let id = std::process::id();
        let mut link = Self { far: format!("gpwan-{id}"), near: format!("gpwan-here-{id}"), wire: None };
        let Self { far, near, .. } = &link;
        let hosts = format!(
            "mkdir -p /etc/netns/{far}; printf '127.0.0.1 localhost\\n{HERE} gateway.test\\n' > /etc/netns/{far}/hosts"
        );
        sh(&format!(
            "set -e; ip netns add {far}; ip -n {far} link set lo up; ip netns attach {near} $PPID; {hosts}"
        ))
        .await?;
        match sh("ip link add gpw-try type dummy && tc qdisc add dev gpw-try root netem delay 1ms; code=$?; ip link del gpw-try; exit $code").await {
            Ok(()) => link.netem(quality).await?,
            Err(_) => link.wire(quality).await?,
        }
        Ok(link)
    }

    async fn netem(&self, Quality { round_trip, loss, rate }: Quality) -> Result<(), String> {
        let far = &self.far;
        let rate = if rate > 0 { format!("rate {rate}mbit") } else { String::new() };
        let bad = format!("root netem limit 20000 delay {}ms loss {loss}% {rate}", round_trip / 2);
        sh(&format!(
            "set -e; ip link add gpwan type veth peer name wire netns {far}; ip addr add {HERE}/24 dev gpwan; \
             ip link set gpwan up; ip -n {far} addr add {THERE}/24 dev wire; ip -n {far} link set wire up; \
             tc qdisc add dev gpwan {bad}; ip netns exec {far} tc qdisc add dev wire {bad}"
        ))
        .await
    }

    async fn wire(&mut self, Quality { round_trip, loss, rate }: Quality) -> Result<(), String> {
        let program = environment("GITPROXY_NET_WIRE").map(PathBuf::from);
        let program = program.ok_or("the kernel has no netem, and GITPROXY_NET_WIRE names no program")?;
        let mut command = Command::new(program);
        command.args([&self.near, &format!("{HERE}/24"), &self.far, &format!("{THERE}/24")]);
        command.arg(format!("delay_ms={}", round_trip / 2)).arg(format!("rate_mbit={rate}"));
        command.arg(format!("loss={}", f64::from(loss) / 100.0));
        let mut wire = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("GITPROXY_NET_WIRE: {error}"))?;
        let mut said = BufReader::new(wire.stdout.take().expect("piped")).lines();
        let ready = said.next_line().await.ok().flatten();
        self.wire = Some(wire);
        match ready {
            Some(line) if line.contains("ready") => Ok(()),
            Some(_) | None => Err("GITPROXY_NET_WIRE did not get ready".to_owned()),
        }
    }

    /// A command that runs at the far end.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("/usr/sbin/ip");
        command.args(["netns", "exec", &self.far, program]);
        command
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Self { far, near, wire } = self;
        if let Some(wire) = wire {
            // It may have ended by itself. The next link's device has the same name, and this one's goes with the process.
            let _ = wire.start_kill();
            while matches!(wire.try_wait(), Ok(None)) {
                std::thread::yield_now();
            }
        }
        let script =
            format!("ip link del gpwan; ip netns del {far}; ip netns del {near}; rm -r /etc/netns/{far}");
        let _ = std::process::Command::new("sh").args(["-c", &script]).output();
    }
}

async fn sh(script: &str) -> Result<(), String> {
    let done = Command::new("sh").args(["-c", script]).output().await.map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(()) } else { Err(told) }
}

/// This machine on the link, and the far end. In TEST-NET-2 (RFC 5737), which nobody routes.
pub(crate) const HERE: &str = "198.51.100.1";
pub(crate) const THERE: &str = "198.51.100.2";
