//! Connections that come with a call, against a listener that counts who came.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::egress::Server as Entry;

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_second_time_is_judged_again_and_not_dialed() {
    let listener = Counted::start().await;
    // Where nobody listens, and where somebody does.
    let egress = guarded(&["127.0.0.2/32"], resolving_to([vec!["127.0.0.2"], vec!["127.0.0.1"]]));
    let first = dial(&egress, &listener.at("git.corp.example")).await.unwrap_err();
    assert!(matches!(first, Error::Connect { .. }), "it may be dialed: {first:?}");
    let second = dial(&egress, &listener.at("git.corp.example")).await;
    is_forbidden(second);
    assert_eq!(listener.visits().await, 0);
}

#[tokio::test]
async fn a_good_address_does_not_carry_a_forbidden_one_with_it() {
    for answer in [vec!["10.255.255.1", "127.0.0.1"], vec!["127.0.0.1", "10.255.255.1"], vec!["127.0.0.1"]] {
        let listener = Counted::start().await;
        let egress = guarded(&[], resolving_to([answer]));
        is_forbidden(dial(&egress, &listener.at("git.corp.example")).await);
        assert_eq!(listener.visits().await, 0);
    }
}

#[tokio::test]
async fn no_way_to_write_an_address_gets_around_the_guard() {
    let listener = Counted::start().await;
    let egress = guarded(&[], Resolver::system());
    for host in [
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "localhost",
        "localhost.",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "2852039166",
        "0251.0376.0251.0376",
    ] {
        is_forbidden(dial(&egress, &listener.at(host)).await);
    }
    assert_eq!(listener.visits().await, 0);
}

#[tokio::test]
async fn an_allowed_address_is_dialed_by_name_and_by_number() {
    let listener = Counted::start().await;
    let egress = guarded(&["127.0.0.0/8"], resolving_to([vec!["127.0.0.1"]]));
    for host in ["git.corp.example", "127.0.0.1"] {
        dial(&egress, &listener.at(host)).await.unwrap();
    }
    assert_eq!(listener.visits().await, 2);
}

#[tokio::test]
async fn through_a_proxy_only_what_needs_no_address_is_let_pass() {
    let net = Entry::Net("10.0.0.0/8".parse().unwrap());
    let named = Entry::Origin("https://git.corp.example".parse().unwrap());
    for (allowed, visits) in [(vec![net.clone()], 0), (vec![net, named], 1)] {
        let proxy = Counted::start().await;
        let way = format!("http://localhost:{}", proxy.server.port).parse().unwrap();
        let guard = Guard::new(allowed, Vec::new(), Vec::new());
        let leg = Leg { proxies: Some(Proxies::always(way)), guard: Some(guard), ..Leg::default() };
        let egress = unguarded(Resolver::system()).leg(leg).unwrap();
        let outcome = dial(&egress, "https://git.corp.example").await;
        if visits == 0 {
            is_forbidden(outcome);
        } else {
            assert_eq!(outcome.unwrap_err().hop(), Hop::ProxyTunnel, "this one opens no tunnels");
        }
        assert_eq!(proxy.visits().await, visits);
    }
}

#[track_caller]
fn is_forbidden(outcome: Result<Stream, Error>) {
    let error = outcome.expect_err("a refusal");
    assert!(matches!(error, Error::Forbidden { .. }), "{error:?}");
}

async fn dial(egress: &Egress, origin: &str) -> Result<Stream, Error> {
    egress.connector(origin.parse().unwrap(), Alpn::Http1OrHttp2).connect().await
}

/// A leg for connections that come with a call, which may also go to these special addresses.
fn guarded(allowed_addresses: &[&str], resolver: Resolver) -> Egress {
    let allowed = allowed_addresses.iter().map(|net| net.parse().unwrap()).collect();
    let guard = Guard::new(Vec::new(), allowed, Vec::new());
    assert!(!allowed_addresses.is_empty() || guard == Guard::default());
    let leg = Leg { guard: Some(guard), plaintext: Plaintext::Anywhere, ..Leg::default() };
    unguarded(resolver).leg(leg).unwrap()
}

fn unguarded(resolver: Resolver) -> Egress {
    let extra = CaSource::Pem { name: "test".to_owned(), pem: Ca::new("customer").pem().into_bytes() };
    let settings = Settings { extra_ca: vec![extra], resolver, ..Settings::default() };
    Egress::new(&settings, &Tasks::new()).unwrap()
}

/// Gives one answer after the other, and the last for ever.
fn resolving_to<const N: usize>(answers: [Vec<&str>; N]) -> Resolver {
    let parsed = |answer: Vec<&str>| answer.into_iter().map(|ip| ip.parse().unwrap()).collect();
    let answers: VecDeque<Vec<IpAddr>> = answers.into_iter().map(parsed).collect();
    let answers = Mutex::new(answers);
    Resolver::from_fn(move |_, port| {
        let mut left = answers.lock().unwrap();
        let answer = if left.len() > 1 { left.pop_front() } else { left.front().cloned() };
        Box::pin(async move { Ok(answer.unwrap().into_iter().map(|ip| (ip, port).into()).collect()) })
    })
}

/// A listener that hangs up on everybody, and counts them.
struct Counted {
    server: Server,
    visits: Arc<AtomicUsize>,
}

impl Counted {
    async fn start() -> Self {
        let visits = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&visits);
        let server = Server::raw(move |tcp| {
            seen.fetch_add(1, Ordering::Relaxed);
            async move { drop(tcp) }
        });
        Self { server: server.await, visits }
    }

    fn at(&self, host: &str) -> String {
        format!("http://{host}:{}", self.server.port)
    }

    /// How many came before this question, which is a visit itself: visits are taken in their order.
    async fn visits(&self) -> usize {
        let egress = unguarded(Resolver::system());
        let mut own = dial(&egress, &self.at("127.0.0.1")).await.unwrap();
        assert_eq!(own.read_to_end(&mut Vec::new()).await.unwrap(), 0);
        self.visits.load(Ordering::Relaxed) - 1
    }
}
