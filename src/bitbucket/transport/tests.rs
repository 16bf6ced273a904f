//! What is told of a proxy that forwards the requests, over real TCP.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::bitbucket::account::tests::account;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Budgets, Client, Error};
use crate::egress::{Egress, Leg, Plaintext, Proxies, Settings};
use crate::ops::{Check, Tasks};
use crate::proto::{Fault, Reason};

/// A server that gives one answer to everything, and counts what it was asked.
struct Fake {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
    tasks: Tasks,
}

impl Fake {
    /// One that writes this, head and body, and closes.
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (url, tasks) = (listener.local_addr().unwrap().to_string(), Tasks::new());
        let (heads, each) = (Arc::<Mutex<Vec<_>>>::default(), tasks.clone());
        let seen = Arc::clone(&heads);
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                each.spawn(serve(tcp, answer, Arc::clone(&seen)));
            }
        });
        Self { url, heads, tasks }
    }

    /// A client of `http://git.example/bitbucket` whose requests go through it, with these credentials for it.
    fn client(&self, login: &str) -> Client {
        self.client_of(login, Settings::default())
    }

    /// The same, with so long for a hop.
    fn patient_client(&self, hop_timeout: std::time::Duration) -> Client {
        self.client_of("", Settings { hop_timeout, ..Settings::default() })
    }

    fn client_of(&self, login: &str, settings: Settings) -> Client {
        let proxy = format!("http://{login}{}", self.url).parse().unwrap();
        let settings = Settings { proxies: Proxies::always(proxy), ..settings };
        let egress = Egress::new(&settings, &self.tasks).unwrap();
        let egress = egress.leg(Leg { plaintext: Plaintext::Anywhere, ..Leg::default() }).unwrap();
        Client::new(account("http://git.example/bitbucket"), &egress, &Budgets::default()).unwrap()
    }

    fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

async fn serve(tcp: TcpStream, answer: &str, seen: Arc<Mutex<Vec<String>>>) {
    let (mut stream, mut head) = (BufReader::new(tcp), String::new());
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await.is_ok_and(|read| read > 0) {}
    if head.ends_with("\r\n\r\n") {
        seen.lock().unwrap().push(head);
        let _peer_gone = stream.write_all(answer.as_bytes()).await;
    }
}

fn request(method: Method) -> http::Request<Bytes> {
    Draft::new(method, Path::rest("api").segment("projects"), Permission::RepoRead).empty()
}

async fn read(client: &Client) -> Error {
    client.send(request(Method::GET)).await.expect_err("refused")
}

async fn write(client: &Client) -> Error {
    client.send(request(Method::POST)).await.expect_err("refused")
}

/// The section and all words of the first check that failed.
async fn probed(client: &Client) -> (&'static str, String) {
    let checks = client.probe().await;
    let failed = checks.iter().find(|check| check.is_failed()).expect("one failed");
    let Check { name, found, .. } = failed;
    let advice = failed.advice().expect("advice");
    (advice.section, format!("{name}: {found}: {}: {}", advice.cause, advice.remedy))
}

#[track_caller]
fn has(text: &str, all: &[&str]) {
    for one in all {
        assert!(text.contains(one), "no `{one}` in: {text}");
    }
}

const BASIC: &str = "HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Type: text/html\r\n\
                     Connection: close\r\n\r\n<h1>Log in</h1>";

#[tokio::test]
async fn a_407_names_the_proxy_the_schemes_and_whether_the_password_is_wrong_or_missing() {
    let fake = Fake::start(BASIC).await;
    for (login, remedy) in
        [("", "give the proxy's user and password"), ("me:c4nary@", "the user or password is wrong")]
    {
        let client = fake.client(login);
        let (section, told) = probed(&client).await;
        assert_eq!(section, "proxy-authentication", "{told}");
        has(&told, &["status: the proxy answers HTTP 407: ", &fake.url, "a request to http://git.example"]);
        has(&told, &["407 Proxy Authentication Required", "(schemes offered: Basic)", remedy]);
        assert!(!told.contains("c4nary"), "{told}");
        for error in [read(&client).await, write(&client).await] {
            assert!(matches!(error, Error::Unreachable { hop: Reason::EgressProxy, .. }), "{error:?}");
            has(Fault::from(error).message(), &["schemes offered: Basic", remedy]);
        }
    }
    assert!(
        fake.heads.lock().unwrap().last().unwrap().to_lowercase().contains("proxy-authorization: basic ")
    );
}

#[tokio::test]
async fn a_proxy_that_offers_ntlm_only_is_named_with_the_way_out() {
    let fake = Fake::start(
        "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let (section, told) = probed(&fake.client("me:c4nary@")).await;
    assert_eq!(section, "proxy-authentication", "{told}");
    has(&told, &["(schemes offered: NTLM, Negotiate)", "only Basic is supported", "cntlm"]);
}

#[tokio::test]
async fn a_407_is_the_proxys_whatever_else_it_says() {
    let fake = Fake::start(
        "HTTP/1.1 407 No\r\nContent-Type: application/json\r\nX-AREQUESTID: @1\r\nContent-Length: 2\r\n\r\n{}",
    )
    .await;
    let error = read(&fake.client("")).await;
    assert!(matches!(error, Error::Unreachable { hop: Reason::EgressProxy, .. }), "{error:?}");
    assert_eq!(fake.count(), 1, "it would refuse again");
}

#[tokio::test]
async fn a_403_of_the_proxy_is_not_a_login_page_of_bitbucket() {
    let fake = Fake::start(
        "HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<p>",
    )
    .await;
    let client = fake.client("");
    let (section, told) = probed(&client).await;
    assert_eq!(section, "proxy-refused", "{told}");
    has(
        &told,
        &["refused a request to http://git.example", ": 403 Forbidden", "have the proxy allow requests"],
    );
    let before = fake.count();
    let fault = Fault::from(write(&client).await);
    has(fault.message(), &[": 403 Forbidden", "proxy.no_proxy"]);
    assert_eq!((fault.reason(), fake.count()), (Reason::EgressProxy, before + 1));
}

#[tokio::test]
async fn a_5xx_of_the_proxy_is_tried_again_for_a_read_and_leaves_a_write_in_doubt() {
    for status in ["502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"] {
        let fake = Fake::start(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").leak()).await;
        let client = fake.client("");
        let error = read(&client).await;
        assert!(matches!(error, Error::Unreachable { hop: Reason::EgressProxy, .. }), "{error:?}");
        has(Fault::from(error).message(), &[status, "the proxy cannot reach the host"]);
        assert_eq!(fake.count(), 4);
        let fault = Fault::from(write(&client).await);
        assert_eq!((fault.reason(), fake.count()), (Reason::WriteUncertain, 5));
        assert_eq!(probed(&client).await.0, "proxy-refused");
    }
}

#[tokio::test]
async fn what_bitbucket_answers_through_the_proxy_is_bitbuckets() {
    for (answer, reason) in [
        ("403 No\r\nX-AREQUESTID: @1\r\nContent-Type: text/html", Reason::PermissionMissing),
        ("403 No\r\nContent-Type: application/json", Reason::PermissionMissing),
        ("404 No\r\nContent-Type: text/html", Reason::NotBitbucket),
        ("401 No\r\nContent-Type: application/json", Reason::TokenInvalid),
        ("501 No\r\nX-AREQUESTID: @1", Reason::BitbucketUnavailable),
    ] {
        let text = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").leak();
        let fake = Fake::start(text).await;
        assert_eq!(Fault::from(read(&fake.client("")).await).reason(), reason, "{answer}");
    }
}

#[tokio::test]
async fn who_speaks_tls_to_plain_http_leads_to_https() {
    for answer in [
        "\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{32}",
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n\
         <center>The plain HTTP request was sent to HTTPS port</center>",
    ] {
        let fake = Fake::start(answer).await;
        let egress = Egress::new(&Settings::default(), &fake.tasks).unwrap();
        let client =
            Client::new(account(&format!("http://{}/bitbucket", fake.url)), &egress, &Budgets::default())
                .unwrap();
        let (section, told) = probed(&client).await;
        assert_eq!(section, "not-tls", "{told}");
        has(&told, &["use an https:// URL"]);
        let fault = Fault::from(write(&client).await);
        has(fault.message(), &["TLS", "use an https:// URL"]);
        assert_ne!(fault.reason(), Reason::WriteUncertain, "it was not understood");
    }
}

#[tokio::test]
async fn a_forwarding_proxy_that_hangs_up_is_named_in_bitbuckets_place() {
    let fake = Fake::start("").await;
    let client = fake.client("");
    let (section, told) = probed(&client).await;
    assert_eq!(section, "proxy-refused", "{told}");
    has(
        &told,
        &[
            "status: ",
            &format!("the proxy http://{}", fake.url),
            "gave no answer to a request to http://git.example",
        ],
    );
    let error = read(&client).await;
    assert!(matches!(error, Error::Unreachable { hop: Reason::EgressProxy, .. }), "{error:?}");
    let error = write(&client).await;
    assert!(!matches!(error, Error::Unreachable { .. }), "it may have been passed on: {error:?}");
}

#[tokio::test]
async fn a_forwarding_proxy_that_stalls_is_named_in_bitbuckets_place() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fake =
        Fake { url: listener.local_addr().unwrap().to_string(), heads: Arc::default(), tasks: Tasks::new() };
    let client = fake.patient_client(std::time::Duration::from_millis(200));
    let (section, told) = probed(&client).await;
    assert_eq!(section, "proxy-stalled", "{told}");
    has(&told, &["status: ", &format!("the proxy http://{}", fake.url), "no answer after 200"]);
    drop(listener);
}
