//! A plain HTTPS client and git, both trusting the simulator's authority.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use bitbucket_sim::Sim;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The simple name of the exception.
    pub(crate) fn exception(&self) -> String {
        let json = self.json();
        let name = json["errors"][0]["exceptionName"].as_str().unwrap_or("").to_owned();
        name.rsplit('.').next().unwrap_or("").to_owned()
    }
}

/// Sends requests with one set of credentials.
pub(crate) struct Client {
    tls: Option<TlsConnector>,
    address: SocketAddr,
    host: String,
    base: String,
    pub(crate) authorization: Option<String>,
}

impl Client {
    pub(crate) fn new(sim: &Sim, token: &str) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(sim.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (scheme, rest) = sim.url().split_once("://").unwrap();
        let (authority, context) = rest
            .split_once('/')
            .map_or((rest, String::new()), |(authority, path)| (authority, format!("/{path}")));
        let (host, port) = authority.rsplit_once(':').unwrap();
        Self {
            tls: (scheme == "https").then(|| TlsConnector::from(Arc::new(config))),
            // Every name is this machine's: what counts is what is in the certificate.
            address: SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())),
            host: host.to_owned(),
            base: context,
            authorization: Some(format!("Bearer {token}")),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], "").await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.json(Method::POST, path, body).await
    }

    pub(crate) async fn json(&self, method: Method, path: &str, body: &Value) -> Reply {
        let json = [("content-type", "application/json")];
        self.send(method, path, &json, body.to_string()).await.unwrap()
    }

    pub(crate) async fn edit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        body += "--edge--\r\n";
        let headers =
            [("content-type", "multipart/form-data; boundary=edge"), ("x-atlassian-token", "no-check")];
        self.send(Method::PUT, path, &headers, body).await.unwrap()
    }

    /// Sends one request on a connection of its own.
    #[expect(clippy::disallowed_methods, reason = "a test's client is not the agent")]
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, hyper::Error> {
        let socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let Some(tls) = &self.tls else { return self.exchange(socket, method, path, headers, body).await };
        let name = ServerName::try_from(self.host.clone()).unwrap();
        let stream = tls.connect(name, socket).await.unwrap();
        self.exchange(stream, method, path, headers, body).await
    }

    /// Sends requests one after another on one connection, and gives the status of each that was answered.
    #[expect(clippy::disallowed_methods, reason = "a test's client is not the agent")]
    pub(crate) async fn kept_alive(
        &self,
        method: Method,
        path: &str,
        bodies: &[String],
    ) -> Vec<Result<StatusCode, hyper::Error>> {
        let socket = tokio::net::TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(self.host.clone()).unwrap();
        let stream = self.tls.as_ref().unwrap().connect(name, socket).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let exchange = async move {
            let mut replies = Vec::new();
            for body in bodies {
                let request = Request::builder()
                    .method(&method)
                    .uri(format!("{}{path}", self.base))
                    .header("host", &self.host)
                    .header("content-type", "application/json")
                    .header(header::AUTHORIZATION, self.authorization.as_deref().unwrap_or(""))
                    .body(Full::new(Bytes::from(body.clone())))
                    .unwrap();
                replies.push(match sender.send_request(request).await {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        body.collect().await.map(|_| head.status)
                    }
                    Err(error) => Err(error),
                });
            }
            replies
        };
        tokio::join!(exchange, connection).0
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Reply, hyper::Error> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.base)).header("host", &self.host);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).unwrap();
        let exchange = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let bytes = body.collect().await?.to_bytes();
            Ok(Reply { status: head.status, headers: head.headers, bytes })
        };
        let (reply, _) = tokio::join!(exchange, connection);
        reply
    }
}

/// Runs git with the simulator's authority and a Bearer token.
pub(crate) async fn git(sim: &Sim, token: &str, dir: &Path, args: &[&str]) -> Output {
    let ca = dir.join("ca.pem");
    tokio::fs::write(&ca, sim.ca_pem()).await.unwrap();
    tokio::process::Command::new("git")
        .args(["-c", &format!("http.extraHeader=Authorization: Bearer {token}")])
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "credential.helper="])
        .args(args)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        // The variable, since one in the surroundings would win over the setting.
        .env("GIT_SSL_CAINFO", &ca)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .current_dir(dir)
        .output()
        .await
        .unwrap()
}
