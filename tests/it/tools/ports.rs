//! Ports for programs that cannot be told to take any free one.

use std::net::{IpAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// A port that nobody listens on. It is below those that the kernel gives away (`ip_local_port_range`), so only another run
/// of these tests can take it in between.
pub(crate) fn free_port(ip: IpAddr) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() as u16;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + first.wrapping_mul(31).wrapping_add(step) % (PORTS.end - PORTS.start);
        if TcpListener::bind((ip, port)).is_ok() {
            return port;
        }
    }
}

const PORTS: std::ops::Range<u16> = 20_000..32_000;
