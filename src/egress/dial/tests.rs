use std::cell::RefCell;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);
const SILENT: &str = "[2001:db8::1]:443";
const GOOD: &str = "10.0.0.1:443";
const REFUSING: &str = "10.0.0.2:443";

#[tokio::test(start_paused = true)]
async fn a_silent_address_costs_its_head_start_and_not_the_limit() {
    let begun = Instant::now();
    let (outcome, asked) = dialed(&[SILENT, GOOD]).await;
    assert_eq!(outcome.unwrap(), at(GOOD));
    assert_eq!(begun.elapsed(), HEAD_START);
    assert_eq!(asked, [at(SILENT), at(GOOD)]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_moves_on_at_once() {
    let begun = Instant::now();
    let (outcome, _) = dialed(&[REFUSING, GOOD]).await;
    assert_eq!((outcome.unwrap(), begun.elapsed()), (at(GOOD), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_wins_and_the_rest_are_not_tried() {
    let (outcome, asked) = dialed(&[GOOD, SILENT, REFUSING]).await;
    assert_eq!((outcome.unwrap(), asked), (at(GOOD), vec![at(GOOD)]));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_overtaken_still_may_win() {
    let slow = |address: SocketAddr| async move {
        let takes = if address == at(GOOD) { HEAD_START * 2 } else { LIMIT * 2 };
        time::sleep(takes).await;
        Ok(address)
    };
    let begun = Instant::now();
    assert_eq!(race(&[at(GOOD), at(SILENT)], LIMIT, slow).await.unwrap(), at(GOOD));
    assert_eq!(begun.elapsed(), HEAD_START * 2);
}

#[tokio::test(start_paused = true)]
async fn all_refused_lists_each() {
    let other = "10.0.0.3:443";
    let (outcome, _) = dialed(&[REFUSING, other]).await;
    let attempts = outcome.unwrap_err();
    assert!(!attempts.all_silent());
    let told = attempts.to_string();
    assert_eq!(told, format!("{REFUSING}: connection refused; {other}: connection refused"));
}

#[tokio::test(start_paused = true)]
async fn all_silent_is_a_timeout_and_takes_the_limit_once() {
    let begun = Instant::now();
    let (outcome, asked) = dialed(&[SILENT, "[2001:db8::2]:443"]).await;
    let attempts = outcome.unwrap_err();
    assert!(attempts.all_silent(), "{attempts}");
    assert_eq!((begun.elapsed(), asked.len()), (LIMIT, 2));
    assert_eq!(attempts.to_string(), format!("{SILENT}: no answer; [2001:db8::2]:443: no answer"));
    let (outcome, _) = dialed(&[SILENT, REFUSING]).await;
    assert!(!outcome.unwrap_err().all_silent(), "a refusal says more than a timeout");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_after_the_limit() {
    let many: Vec<SocketAddr> = (1..=9).map(|n| format!("[2001:db8::{n}]:443").parse().unwrap()).collect();
    let asked = RefCell::new(0);
    let limit = HEAD_START * 2;
    let begun = Instant::now();
    let outcome: Result<(), _> = race(&many, limit, |_| {
        *asked.borrow_mut() += 1;
        pending()
    })
    .await;
    assert!(outcome.unwrap_err().all_silent());
    assert_eq!((begun.elapsed(), asked.into_inner()), (limit, 2));
}

#[tokio::test]
async fn no_address_is_no_timeout() {
    assert!(!connect(&[], LIMIT).await.unwrap_err().all_silent());
}

#[test]
fn families_take_turns_and_the_resolvers_first_goes_first() {
    let all = |texts: &[&str]| texts.iter().map(|text| at(text)).collect::<Vec<_>>();
    let cases: [(&[&str], &[&str]); 4] = [
        (
            &["[::a]:1", "[::b]:1", "1.1.1.1:1", "2.2.2.2:1"],
            &["[::a]:1", "1.1.1.1:1", "[::b]:1", "2.2.2.2:1"],
        ),
        (
            &["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1", "[::a]:1"],
            &["1.1.1.1:1", "[::a]:1", "2.2.2.2:1", "3.3.3.3:1"],
        ),
        (&["1.1.1.1:1", "2.2.2.2:1"], &["1.1.1.1:1", "2.2.2.2:1"]),
        (&[], &[]),
    ];
    for (found, expected) in cases {
        assert_eq!(by_turns(&all(found)), all(expected), "{found:?}");
    }
}

#[tokio::test]
async fn the_next_address_is_tried_and_the_socket_does_not_delay() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let stream = connect(&[closed().await, good], LIMIT).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    assert!(stream.nodelay().unwrap());
}

#[tokio::test]
async fn a_name_is_resolved_anew_each_time_and_an_address_never() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let resolver = Resolver::from_fn(move |host, port| {
        assert_eq!(host, "git.example.com");
        let nth = u8::try_from(counted.fetch_add(1, Ordering::Relaxed)).unwrap();
        Box::pin(async move { Ok(vec![([10, 0, 0, nth], port).into()]) })
    });
    let named: Origin = "https://git.example.com:8443".parse().unwrap();
    assert_eq!(resolve(&named, &resolver).await.unwrap(), [at("10.0.0.0:8443")]);
    assert_eq!(resolve(&named, &resolver).await.unwrap(), [at("10.0.0.1:8443")]);
    let literal: Origin = "https://[2001:db8::1]".parse().unwrap();
    assert_eq!(resolve(&literal, &resolver).await.unwrap(), [at("[2001:db8::1]:443")]);
    assert_eq!(count.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_name_without_an_address_is_an_error() {
    let resolver = Resolver::from_fn(|_, _| Box::pin(async { Ok(Vec::new()) }));
    let error = resolve(&"https://git.example.com".parse().unwrap(), &resolver).await.unwrap_err();
    assert_eq!(error.to_string(), "the name has no address");
    let local = resolve(&"https://localhost:1".parse().unwrap(), &Resolver::system()).await.unwrap();
    assert!(local.iter().all(|address| address.ip().is_loopback()), "{local:?}");
}

/// Dials where 10.0.0.1 answers, the rest of IPv4 refuses and IPv6 is a black hole; with the addresses in the order in
/// which they were tried.
async fn dialed(addresses: &[&str]) -> (Result<SocketAddr, Attempts>, Vec<SocketAddr>) {
    let addresses: Vec<_> = addresses.iter().map(|text| at(text)).collect();
    let asked = RefCell::new(Vec::new());
    let outcome = race(&addresses, LIMIT, |address| {
        asked.borrow_mut().push(address);
        async move {
            match address {
                SocketAddr::V6(_) => pending().await,
                good if good == at(GOOD) => Ok(good),
                SocketAddr::V4(_) => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
    })
    .await;
    (outcome, asked.into_inner())
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// An address where nobody listens.
async fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}
