//! Proxies and servers of others that give back what they were sent: in the reason, in every header, and in the page.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gitproxy::egress::serve::ServerTls;
use gitproxy::ops::Tasks;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpStream};

/// One that listens until it is dropped, and remembers every head that came.
pub(super) struct Fake {
    addr: SocketAddr,
    scheme: &'static str,
    heads: Heads,
    tasks: Tasks,
}

type Heads = Arc<Mutex<Vec<String>>>;

/// What it does with a request.
#[derive(Clone)]
pub(super) enum Answer {
    /// It opens a tunnel to this machine, whatever the name; who shows no credentials gets a 407.
    Tunnel,
    /// It refuses with this status, and with all that it was sent.
    Echo(u16),
    /// The same with this kind of page.
    EchoAs(u16, &'static str),
    /// It sends back what it was sent, which is no HTTP.
    Parrot,
    /// It sends back what it was sent in a head that does not end.
    Endless,
    /// It says nothing.
    Stall,
    /// It hangs up in the middle of the head, with the credentials in it.
    HangUp,
}

impl Fake {
    /// A proxy or a server of HTTP/1.
    pub(super) async fn start(answer: Answer) -> Self {
        Self::listen("http", move |tcp, heads| {
            let answer = answer.clone();
            async move {
                let _peer_gone = serve(tcp, &answer, &heads).await;
            }
        })
        .await
    }

    /// A proxy that is spoken to by TLS.
    pub(super) async fn start_tls(answer: Answer, tls: ServerTls) -> Self {
        Self::listen("https", move |tcp, heads| {
            let (answer, tls) = (answer.clone(), tls.clone());
            async move {
                if let Ok(tls) = tls.acceptor().accept(tcp).await {
                    let _peer_gone = serve(tls, &answer, &heads).await;
                }
            }
        })
        .await
    }

    /// A reverse proxy in a gateway's place, of HTTP/2, which answers with what it was sent and these headers.
    pub(super) async fn gateway(status: u16, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self::listen("http", move |tcp, heads| async move {
            let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
                let heads = Arc::clone(&heads);
                async move {
                    let sent = request.headers();
                    heads.lock().expect("a lock").push(format!("{sent:?}").replace("Sensitive", "?"));
                    Ok::<_, Infallible>(echo(status, sent, headers))
                }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _peer_gone = server.serve_connection(TokioIo::new(tcp), service).await;
        })
        .await
    }

    /// Its URL, with this in front of the host, such as `user:password@`.
    pub(super) fn url(&self, user: &str) -> String {
        format!("{}://{user}localhost:{}", self.scheme, self.addr.port())
    }

    /// All the heads that came.
    pub(super) fn heads(&self) -> String {
        self.heads.lock().expect("a lock").join("\n")
    }

    async fn listen<F>(scheme: &'static str, serve: impl Fn(TcpStream, Heads) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let (addr, heads, tasks) = (listener.local_addr().expect("bound"), Heads::default(), Tasks::new());
        let (seen, each) = (Arc::clone(&heads), tasks.clone());
        tasks.spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                each.spawn(serve(tcp, Arc::clone(&seen)));
            }
        });
        Self { addr, scheme, heads, tasks }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

async fn serve<S>(stream: S, answer: &Answer, heads: &Heads) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).await? > 0 {}
    heads.lock().expect("a lock").push(head.clone());
    let said = said(&head);
    match answer {
        Answer::Tunnel if head.starts_with("CONNECT ") && !said.is_empty() => {
            stream.write_all(format!("HTTP/1.1 200 {said}\r\nX-Echo: {said}\r\n\r\n").as_bytes()).await?;
            let target = head.split_whitespace().nth(1).unwrap_or_default();
            let port = target.rsplit_once(':').map_or("0", |(_, port)| port);
            let mut upstream = connect(port).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut upstream).await?;
        }
        Answer::Tunnel => stream.write_all(page(407, "text/html", &said).as_bytes()).await?,
        Answer::Echo(status) => stream.write_all(page(*status, "text/html", &said).as_bytes()).await?,
        // Else what comes with a token would not come at all.
        Answer::EchoAs(status, _) if *status != 407 && is_anonymous(&head) => {
            let text = r#"{"state":"RUNNING","version":"9.4.0","displayName":"Bitbucket"}"#;
            let length = text.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
            stream.write_all(format!("{head}: {length}\r\n\r\n{text}").as_bytes()).await?;
        }
        Answer::EchoAs(status, kind) => stream.write_all(page(*status, kind, &said).as_bytes()).await?,
        Answer::Parrot => stream.write_all(format!("SSH-2.0-{said}\r\n{head}").as_bytes()).await?,
        Answer::Endless => {
            let line = format!("X-Echo: {said}\r\n");
            let text = format!("HTTP/1.1 200 {said}\r\n{}", line.repeat(1 + (64 << 10) / line.len()));
            stream.write_all(text.as_bytes()).await?;
        }
        Answer::HangUp => {
            stream.write_all(format!("HTTP/1.1 502 {said}\r\nX-Echo: {said}").as_bytes()).await?
        }
        Answer::Stall => stream.read_to_end(&mut Vec::new()).await.map(drop)?,
    }
    stream.shutdown().await
}

/// Whether it is for Bitbucket, and comes without a token.
fn is_anonymous(head: &str) -> bool {
    head.starts_with("GET ")
        && !head.lines().any(|line| line.to_ascii_lowercase().starts_with("authorization: "))
}

/// The credentials of a head as they came, and decoded.
fn said(head: &str) -> String {
    let values = head.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.to_ascii_lowercase().ends_with("authorization").then_some(value)
    });
    values.map(both).collect::<Vec<_>>().join(" ")
}

fn both(value: &str) -> String {
    let decoded = value.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    // The decoded first: what is cut short shall have some of it.
    let decoded = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    format!("{decoded} {value}").trim().to_owned()
}

fn page(status: u16, kind: &str, said: &str) -> String {
    let told = serde_json::Value::from(said);
    let body = if kind.contains("json") {
        format!(
            r#"{{"errors":[{{"context":{told},"message":{told},"exceptionName":{told}}}],"version":{told}}}"#
        )
    } else {
        format!("<html><title>{said}</title><body>You sent {said}</body></html>")
    };
    let token = said.rsplit(' ').next().unwrap_or_default().trim_end_matches('=');
    let headers = ["Server", "Via", "X-Echo", "X-AUSERNAME", "Set-Cookie", "Warning", "X-ASESSIONID"]
        .map(|name| format!("{name}: {said}\r\n"));
    format!(
        "HTTP/1.1 {status} {said}\r\n{}Proxy-Authenticate: Basic realm=\"{token}\", {token}\r\nWWW-Authenticate: {token}\r\n\
         Location: https://{token}@localhost/{token}\r\nContent-Type: {kind}; x={token}\r\nContent-Length: {}\r\n\r\n{body}",
        headers.concat(),
        body.len()
    )
}

fn echo(status: u16, sent: &HeaderMap, more: &[(&'static str, &'static str)]) -> Response<Full<Bytes>> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let said = sent.get("authorization").map(text).unwrap_or_default();
    let token = said.trim_start_matches("Bearer ").to_owned();
    let body = format!("<html>You sent {said}: log in</html>");
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    for (name, value) in more {
        let value = value.replace("{said}", &said).replace("{token}", &token);
        answer.headers_mut().append(*name, HeaderValue::try_from(value).expect("a value"));
    }
    answer
}

#[expect(clippy::disallowed_methods, reason = "it plays a proxy, which is somebody else's way out")]
async fn connect(port: &str) -> std::io::Result<TcpStream> {
    TcpStream::connect(format!("127.0.0.1:{port}")).await
}
