//! How gateways show NATS who they are, against a real one.

use std::time::Duration;

use gitproxy::egress::{ClientIdentity, Egress, Leg, Roots, Settings};
use gitproxy::gateway::cluster::Config;
use gitproxy::ops::Tasks;
use gitproxy::ops::secret::{SecretFile, Source};
use tokio::time::timeout;

use crate::tools::Nats;
use crate::world::{World, peers};

#[tokio::test]
async fn a_password_a_token_and_an_nkey_let_gateways_in() {
    let nkey = format!("authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}");
    let logins = [
        ("authorization { user: u, password: \"p:q\" }", "u:p:q"),
        ("authorization { token: s3cret }", "s3cret"),
        (nkey.as_str(), SEED),
    ];
    for (config, login) in logins {
        let Some(nats) = Nats::start_with(config).await else { return };
        meet(&nats.url(), move |config, _| with(config, login)).await;
    }
}

#[tokio::test]
async fn nats_may_ask_for_a_certificate_and_have_one_of_our_own_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let ((ca, served), (_, shown)) = (peers::certificate(folder.path()), peers::certificate(folder.path()));
    let [certificate, key, authority] = [&served.certificate, &served.key, &ca].map(|path| path.display());
    let config = format!(
        "tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", ca_file: \"{authority}\", verify: true }}"
    );
    let Some(nats) = Nats::start_with(&config).await else { return };
    meet(&nats.tls_url(), move |config, tasks| {
        let identity = ClientIdentity::open(&shown, tasks).expect("a certificate");
        let roots = Roots::Named { file: Some(ca.clone()), folders: Vec::new() };
        let egress = Egress::new(&Settings { roots, ..Settings::default() }, tasks).expect("trust");
        let leg = Leg { identity: Some(identity), ..Leg::default() };
        Config { nats_tls: egress.leg(leg).expect("a leg"), ..config }
    })
    .await;
}

#[tokio::test]
async fn a_gateway_with_a_wrong_password_serves_its_own_agents_and_heals() {
    let Some(nats) = Nats::start_with("authorization { user: u, password: right }").await else { return };
    let world =
        World::with(|plan| plan.local("main").cluster_with(&nats.url(), |config, _| with(config, "u:right")))
            .await;
    let login = world.folder().join("login");
    std::fs::write(&login, "u:wrong").expect("written");
    let (config, listener) = peers::join(&nats.url(), world.folder(), &world.tasks);
    let file = SecretFile::open(&login).expect("a secret");
    let config = Config { nats_login: Some(Source::File(file)), ..config };
    let far = world.gateway_with((config, listener), &world.tasks).await;
    let caller = world.caller_at(&far).await;
    assert!(timeout(Duration::from_secs(2), caller.sees("site", 1)).await.is_err(), "it must not be let in");
    caller.sees("site", 0).await;
    std::fs::write(&login, "u:right").expect("written");
    timeout(LONG, caller.sees("site", 1)).await.expect("healed");
}

/// Two gateways meet: a caller at one sees the agent of the other.
async fn meet(nats: &str, change: impl Fn(Config, &Tasks) -> Config + Clone + 'static) {
    let world = World::with(|plan| plan.local("main").cluster_with(nats, change.clone())).await;
    let (config, listener) = peers::join(nats, world.folder(), &world.tasks);
    let far = world.gateway_with((change(config, &world.tasks), listener), &world.tasks).await;
    timeout(LONG, world.caller_at(&far).await.sees("site", 1)).await.expect("they never met");
}

fn with(config: Config, login: &str) -> Config {
    Config { nats_login: Some(Source::Fixed(login.to_owned().into())), ..config }
}

/// A user's NKey that is nobody's: its bytes count from 7.
const SEED: &str = "SUAAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPSAIJCEMSCKJR2OM";
const PUBLIC: &str = "UAANAWQ5D2RFCOLNKV5PXVCYRM6G3GO35OLS73IQUMSWF2RG3TOPUNZ4";
const LONG: Duration = Duration::from_secs(20);
