//! What a gateway makes of what it hears, without NATS.

use tempfile::TempDir;

use super::entry::{self, Attached, gateway_key, session_key};
use super::*;
use crate::egress::{ClientFiles, Roots, Settings};
use crate::gateway::directory::{Directory as _, Session};
use crate::gateway::fake;

#[tokio::test]
async fn a_gateway_whose_beats_end_is_gone_with_its_sessions() {
    let house = House::new();
    let session = house.hears("far", "two");
    assert_eq!((*house.shared.replicas().borrow(), house.sessions()), (2, 1));
    for _ in 0..3 {
        house.beat();
        assert_eq!(house.sessions(), 1);
    }
    house.beat();
    assert_eq!((*house.shared.replicas().borrow(), house.sessions()), (1, 0));
    // It comes back and finds its sessions known.
    house.shared.heard_gateway("far", house.entry());
    assert_eq!(house.sessions(), 1);
    house.shared.heard_end(&session_key(&session));
    assert_eq!(house.sessions(), 0);
}

#[tokio::test]
async fn nothing_expires_while_nothing_beats() {
    let house = House::new();
    house.hears("far", "two");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!((*house.shared.replicas().borrow(), house.sessions()), (2, 1));
}

#[tokio::test]
async fn a_session_waits_for_its_gateway() {
    let house = House::new();
    let session = fake::session("two", 0);
    house.shared.heard_session(&session_key(&session), Attached::of(&session, "far"));
    assert_eq!(house.sessions(), 0);
    house.shared.heard_gateway("far", house.entry());
    assert_eq!(house.sessions(), 1);
    house.shared.heard_end(&gateway_key("far"));
    assert_eq!(house.sessions(), 0);
}

#[tokio::test]
async fn a_budget_is_shared_over_the_instances_of_all_gateways() {
    let house = House::new();
    let own = fake::session("one", 0);
    house.shared.enter(own.clone(), 9).expect("room");
    house.hears("far", "two");
    assert_eq!(*own.share().borrow(), 500);
    house.shared.heard_end(&gateway_key("far"));
    assert_eq!(*own.share().borrow(), 1000);
}

#[tokio::test]
async fn what_has_changed_here_is_told_once() {
    let house = House::new();
    let own = fake::session("one", 0);
    let key = session_key(&own);
    house.shared.enter(own.clone(), 9).expect("room");
    own.drain();
    house.shared.drains(&own);
    let told = house.shared.changed_sessions();
    assert_eq!(told.len(), 1);
    assert!(told[0].1.as_ref().is_some_and(|entry| entry.draining));
    assert!(house.shared.changed_sessions().is_empty());
    house.shared.leave(&own);
    assert_eq!(house.shared.changed_sessions(), [(key, None)]);
}

#[tokio::test]
async fn a_session_at_a_gateway_that_leaves_is_the_last_resort() {
    let house = House::new();
    house.hears("far", "two");
    house.shared.heard_gateway("far", entry::Gateway { leaving: true, ..house.entry() });
    assert_eq!((*house.shared.replicas().borrow(), house.sessions()), (1, 1));
    house.shared.enter(fake::session("two", 0), 9).expect("room");
    assert_eq!(house.sessions(), 1, "the one here");
}

#[tokio::test]
async fn what_its_gateway_finds_sick_or_is_about_to_leave_is_passed_over() {
    let house = House::new();
    let session = house.hears("far", "two");
    let is_sick = || house.shared.sessions(&fake::agent_id("acme", "a"))[0].upstream.is_sick();
    assert!(!is_sick());
    for sick in [true, false] {
        let mut entry = Attached::of(&session, "far");
        entry.sick = sick;
        house.shared.heard_session(&session_key(&session), entry);
        assert_eq!(is_sick(), sick);
    }
    house.shared.heard_gateway("far", entry::Gateway { leaving: true, ..house.entry() });
    assert!(is_sick());
}

#[tokio::test]
async fn a_session_that_turns_sick_is_told_once() {
    let house = House::new();
    house.shared.enter(fake::sick("one"), 9).expect("room");
    house.shared.enter(fake::session("two", 0), 9).expect("room");
    house.shared.changed_sessions();
    house.shared.look();
    let told = house.shared.changed_sessions();
    assert_eq!(told.len(), 1);
    assert!(told[0].1.as_ref().is_some_and(|entry| entry.sick));
    house.shared.look();
    assert!(house.shared.changed_sessions().is_empty());
}

#[tokio::test]
async fn gateways_that_share_a_certificate_are_one_as_good_as_the_other() {
    let house = House::new();
    house.shared.heard_gateway("far", house.entry());
    house.shared.heard_gateway("third", house.entry());
    let guest = house.shared.guest(&house.entry().certificate).await;
    for id in ["far", "third"] {
        assert!(house.shared.is_live(&guest));
        house.shared.heard_end(&gateway_key(id));
    }
    assert!(!house.shared.is_live(&guest));
    house.shared.heard_gateway("fourth", house.entry());
    assert!(house.shared.is_live(&guest));
}

#[tokio::test]
async fn a_gateway_with_a_new_certificate_is_still_the_one_that_connected() {
    let house = House::new();
    house.shared.heard_gateway("far", house.entry());
    let guest = house.shared.guest(&house.entry().certificate).await;
    let renewed = entry::Gateway { certificate: "another".to_owned(), ..house.entry() };
    house.shared.heard_gateway("far", renewed);
    assert!(house.shared.is_live(&guest));
}

struct House {
    shared: Arc<Shared>,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        std::fs::write(&certificate, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let tasks = Tasks::new();
        let roots = Roots::Named { file: Some(certificate.clone()), folders: Vec::new() };
        let egress = Egress::new(&Settings { roots, ..Settings::default() }, &tasks).expect("trust");
        let tls = ServerTls::mutual(&certificate, &key, &certificate, &[b"h2"], &tasks).expect("TLS");
        let config = Config {
            nats: Vec::new(),
            nats_login: None,
            nats_tls: egress.clone(),
            bucket: "gitproxy".to_owned(),
            advertise: "localhost:1".to_owned(),
            tls,
            egress,
            identity: ClientIdentity::open(&ClientFiles { certificate, key }, &tasks).expect("a pair"),
            beat: Config::BEAT,
        };
        Self { shared: Shared::new("near", config, tunnel::Options::default(), &tasks), _folder: folder }
    }

    fn entry(&self) -> entry::Gateway {
        self.shared.entry()
    }

    /// Another gateway speaks, which has a session of this instance.
    fn hears(&self, gateway: &str, instance: &str) -> Arc<Session> {
        let session = fake::session(instance, 0);
        self.shared.heard_gateway(gateway, self.entry());
        self.shared.heard_session(&session_key(&session), Attached::of(&session, gateway));
        session
    }

    fn beat(&self) {
        self.shared.heard_gateway(&self.shared.id.clone(), self.entry());
    }

    fn sessions(&self) -> usize {
        self.shared.sessions(&fake::agent_id("acme", "a")).len()
    }
}
