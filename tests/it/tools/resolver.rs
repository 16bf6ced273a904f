//! A name server in 60 lines: it answers A questions from a table, and everything else with NXDOMAIN (RFC 1035, section 4).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use gitproxy::ops::Tasks;
use tokio::net::UdpSocket;

/// A running name server, gone when it is dropped.
pub(crate) struct Resolver {
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

impl Resolver {
    /// Starts one on an address, port 53, which needs root.
    pub(crate) async fn start(ip: IpAddr, names: &[(&str, Ipv4Addr)]) -> Self {
        Self::bound(UdpSocket::bind(SocketAddr::new(ip, 53)).await.expect("bound"), names)
    }

    /// Starts one on a socket.
    pub(crate) fn bound(socket: UdpSocket, names: &[(&str, Ipv4Addr)]) -> Self {
        let (asked, tasks) = (Arc::default(), Tasks::new());
        let names = names.iter().map(|&(name, ip)| (name.to_owned(), ip)).collect();
        tasks.spawn(serve(socket, names, Arc::clone(&asked)));
        Self { asked, tasks }
    }

    /// The names that it was asked for, in their order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

async fn serve(socket: UdpSocket, names: BTreeMap<String, Ipv4Addr>, asked: Arc<Mutex<Vec<String>>>) {
    let mut packet = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        if let Some((name, answer)) = answer(&packet[..length], &names) {
            asked.lock().expect("no panic").push(name);
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

/// The name that a packet asks for, and the packet that answers it.
fn answer(packet: &[u8], names: &BTreeMap<String, Ipv4Addr>) -> Option<(String, Vec<u8>)> {
    let (name, rest) = labels(packet.get(12..)?)?;
    let kind = rest.get(..4)?;
    let question = &packet[12..packet.len() - rest.len() + 4];
    let known = names.get(&name.to_ascii_lowercase());
    let found = known.filter(|_| kind == [0, 1, 0, 1]);
    // A response, recursion desired and available; NXDOMAIN only for a name that has no addresses at all.
    let flags = [0x81, if known.is_some() { 0x80 } else { 0x83 }];
    let counts = [0, 1, 0, u8::from(found.is_some()), 0, 0, 0, 0];
    let mut answer = [&packet[..2], &flags, &counts, question].concat();
    if let Some(ip) = found {
        // A pointer to the question's name, A, IN, a lifetime of 1 s, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(ip.octets());
    }
    Some((name, answer))
}

fn labels(mut bytes: &[u8]) -> Option<(String, &[u8])> {
    let mut labels = Vec::new();
    loop {
        let (&length, rest) = bytes.split_first()?;
        if length == 0 {
            return Some((labels.join("."), rest));
        }
        let (label, rest) = rest.split_at_checked(length.into())?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        bytes = rest;
    }
}
