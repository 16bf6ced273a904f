//! Sends the requests of the script to a simulator, and keeps what was said.

use bitbucket_sim::{Commit, Config, Sim, TokenSpec, Version};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// One request, and the answer to it.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) version: Version,
    pub(super) method: String,
    /// Without the query.
    pub(super) path: String,
    pub(super) status: u16,
    /// The media type without its parameters; empty where there is none.
    pub(super) kind: String,
    pub(super) body: Bytes,
}

impl Exchange {
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// What a release says of a path that it does not know.
    pub(super) fn is_of_no_route(&self) -> bool {
        self.status == 404 && self.json().is_some_and(|json| json.get("status-code").is_some())
    }
}

/// See the module. Paths begin with `R` (the repository `web`), `P` (its project) or `A` (`/rest/api/latest`), or are whole.
pub(super) struct Player {
    pub(super) sim: Sim,
    version: Version,
    token: String,
    pub(super) exchanges: Vec<Exchange>,
    /// Where an answer had another status than the script expects; only the release of the document is held to it.
    pub(super) surprises: Vec<String>,
}

impl Player {
    pub(super) async fn start(version: Version) -> Self {
        let config = Config { tls: false, basic_auth: Some(true), version, ..Config::default() };
        let sim = Sim::start(config).await.expect("a simulator");
        sim.add_user("alice", "secret");
        sim.add_user("bob", "secret");
        sim.add_user("carol", "secret");
        sim.add_repo("SHOP", "web", &commits()).await.expect("a repository");
        sim.add_repo("SHOP", "empty", &[]).await.expect("a repository");
        sim.add_project("~alice").expect("a project");
        sim.add_tag("SHOP", "web", "v1", "master", Some("One")).await.expect("a tag");
        let token = sim.add_token(TokenSpec::personal("alice"));
        let token = format!("Bearer {token}");
        Self { sim, version, token, exchanges: Vec::new(), surprises: Vec::new() }
    }

    /// Asks as another user from now on: `Basic` or `Bearer` with what it needs.
    pub(super) fn become_(&mut self, authorization: &str) -> String {
        std::mem::replace(&mut self.token, authorization.to_owned())
    }

    pub(super) async fn get(&mut self, path: &str, status: u16) -> Value {
        self.ask("GET", path, None, status).await
    }

    pub(super) async fn post(&mut self, path: &str, body: Value, status: u16) -> Value {
        self.ask("POST", path, Some(body), status).await
    }

    pub(super) async fn put(&mut self, path: &str, body: Value, status: u16) -> Value {
        self.ask("PUT", path, Some(body), status).await
    }

    pub(super) async fn delete(&mut self, path: &str, status: u16) -> Value {
        self.ask("DELETE", path, None, status).await
    }

    pub(super) async fn delete_with(&mut self, path: &str, body: Value, status: u16) -> Value {
        self.ask("DELETE", path, Some(body), status).await
    }

    /// Edits a file, by a form.
    pub(super) async fn edit(&mut self, path: &str, fields: &[(&str, &str)], status: u16) -> Value {
        let part = |(name, value): &(&str, &str)| {
            format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body = fields.iter().map(part).collect::<String>() + "--edge--\r\n";
        self.send("PUT", path, "multipart/form-data; boundary=edge", body.into(), status).await
    }

    /// Asks for text.
    pub(super) async fn text(&mut self, path: &str, status: u16) {
        self.send("GET", path, "accept: text/plain", Bytes::new(), status).await;
    }

    async fn ask(&mut self, method: &str, path: &str, body: Option<Value>, status: u16) -> Value {
        let (kind, body) = body.map_or(("", String::new()), |body| ("application/json", body.to_string()));
        self.send(method, path, kind, body.into(), status).await
    }

    async fn send(&mut self, method: &str, path: &str, kind: &str, body: Bytes, status: u16) -> Value {
        let path = whole(path);
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.context())).header("host", "sim");
        if !self.token.is_empty() {
            request = request.header(header::AUTHORIZATION, &self.token);
        }
        request = match kind.strip_prefix("accept: ") {
            Some(accept) => request.header(header::ACCEPT, accept),
            None if kind.is_empty() => request,
            None => request.header(header::CONTENT_TYPE, kind),
        };
        let request =
            request.header("x-atlassian-token", "no-check").body(Full::new(body)).expect("a request");
        let response = self.exchange(request).await;
        let said = response.headers().get(header::CONTENT_TYPE);
        let said = said.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let exchange = Exchange {
            version: self.version,
            method: method.to_owned(),
            path: path.split('?').next().unwrap_or_default().to_owned(),
            status: response.status().as_u16(),
            kind: said.split(';').next().unwrap_or_default().trim().to_owned(),
            body: response.into_body(),
        };
        if exchange.status != status {
            let (found, body) = (exchange.status, String::from_utf8_lossy(&exchange.body));
            self.surprises.push(format!("{method} {path}: {found} and not {status}: {body}"));
        }
        let json = exchange.json().unwrap_or_default();
        self.exchanges.push(exchange);
        json
    }

    #[expect(clippy::disallowed_methods, reason = "a test's client is not the agent")]
    async fn exchange(&self, request: Request<Full<Bytes>>) -> Response<Bytes> {
        let socket = tokio::net::TcpStream::connect(("127.0.0.1", self.port())).await.expect("the simulator");
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
        let exchange = async move {
            let (head, body) = sender.send_request(request).await.expect("an answer").into_parts();
            Response::from_parts(head, body.collect().await.expect("a whole answer").to_bytes())
        };
        tokio::join!(exchange, connection).0
    }

    fn port(&self) -> u16 {
        let url: url::Url = self.sim.url().parse().expect("a URL");
        url.port().expect("a port")
    }

    fn context(&self) -> String {
        let url: url::Url = self.sim.url().parse().expect("a URL");
        url.path().trim_end_matches('/').to_owned()
    }
}

/// The whole path of a short one.
fn whole(path: &str) -> String {
    const SHORT: &[(&str, &str)] = &[
        ("R", "/rest/api/latest/projects/SHOP/repos/web"),
        ("P", "/rest/api/latest/projects/SHOP"),
        ("A", "/rest/api/latest"),
    ];
    let found = SHORT.iter().find_map(|(short, long)| path.strip_prefix(short).map(|rest| (long, rest)));
    found.map_or_else(|| path.to_owned(), |(long, rest)| format!("{long}{rest}"))
}

fn commits() -> [Commit; 8] {
    [
        Commit::new("Start").file("a.txt", "one\ntwo\nthree\nfour\nfive\n").file("gone.txt", "gone\n"),
        Commit::new("More")
            .file("src/b.txt", "b\n")
            .file("bin.dat", vec![0, 159, 255, 10])
            .by("Alice", "alice@example.com"),
        Commit::new("Feature")
            .on("feature")
            .file("a.txt", "one\n2\nthree\nfour\nfive\n")
            .file("new.txt", "new\n"),
        Commit::new("Less").on("feature").remove("gone.txt"),
        Commit::new("Other").on("other").file("a.txt", "one\nzwei\nthree\nfour\nfive\n"),
        Commit::new("Side").on("side").file("side.txt", "side\n"),
        Commit::new("Late").on("late").file("late.txt", "late\n"),
        Commit::new("Move").on("moved").remove("src/b.txt").file("src/c.txt", "b\n"),
    ]
}
