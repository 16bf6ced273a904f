//! What is not the gateway, does not let the agent in, or stands before it and has its own mind.

use crate::tools::nginx::Block;
use crate::tools::{Nginx, free_port};
use crate::world::tls::{Ca, Oddity};

use super::super::visit::Visit;
use super::{Diagnosis, GATEWAY};

#[tokio::test]
async fn a_port_that_refuses() {
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "tcp",
        section: "tcp",
        cause: &["https://localhost", "cannot be connected to"],
        remedy: "firewall",
    }
    .of(&Visit::new().await.unreachable_gateway())
    .await;
}

#[tokio::test]
async fn a_revoked_access_key() {
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "access-key",
        cause: &["access key"],
        remedy: "ACCESS_KEY",
    }
    .of(&Visit::new().await.access_key(&crate::world::new_key()))
    .await;
}

#[tokio::test]
async fn nginx_with_its_own_limit_of_a_body() {
    let pass = |visit: &Visit| format!("location / {{ grpc_pass grpcs://{}; }}", gateway(visit));
    let Some((visit, _nginx)) = behind("ssl http2", pass).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "transfer",
        section: "body-limit",
        cause: &["1 MiB", "client_max_body_size"],
        remedy: "client_max_body_size 0",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn nginx_whose_gateway_is_gone() {
    let nobody = free_port([127, 0, 0, 1].into());
    let pass = |_: &Visit| format!("location / {{ grpc_pass grpcs://127.0.0.1:{nobody}; }}");
    let Some((visit, _nginx)) = behind("ssl http2", pass).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "bad-gateway",
        cause: &["502 Bad Gateway", "nginx"],
        remedy: "reverse proxy before the gateway",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn a_web_server_in_place_of_a_gateway() {
    let Some((visit, _nginx)) = behind("ssl http2", |_| "return 200 'It works!';".to_owned()).await else {
        return;
    };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "not-grpc",
        cause: &["HTTP 200 OK", "nginx", "a gitproxy gateway should answer with gRPC"],
        remedy: "gateway.url",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn a_login_page_in_place_of_a_gateway() {
    let page = "return 302 https://sso.example.com/login?next=secret;";
    let Some((visit, _nginx)) = behind("ssl http2", |_| page.to_owned()).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "not-grpc",
        cause: &["redirects to sso.example.com", "login"],
        remedy: "let this host through",
    }
    .of(&visit.secret("next=secret"))
    .await;
}

#[tokio::test]
async fn a_load_balancer_without_http2() {
    let Some((visit, _nginx)) = behind("ssl", |_| "return 200;".to_owned()).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "alpn",
        section: "no-http2",
        cause: &["does not speak HTTP/2", "issued by", "Internal root", "a load balancer without h2"],
        remedy: "HTTP/2",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn a_port_that_speaks_no_tls() {
    let Some((visit, _nginx)) = behind("", |_| "return 200;".to_owned()).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "tls",
        section: "not-tls",
        cause: &["TLS with https://localhost", "does not speak TLS"],
        remedy: "scheme and port",
    }
    .of(&visit)
    .await;
}

#[tokio::test]
async fn nginx_that_wants_a_client_certificate_before_the_gateway() {
    let clients = Ca::new("Clients");
    let lines = |visit: &Visit| {
        let clients = visit.file("clients.crt", clients.pem());
        let pass = format!("location / {{ grpc_pass grpcs://{}; }}", gateway(visit));
        format!("ssl_client_certificate {clients};\nssl_verify_client on;\n{pass}")
    };
    let Some((visit, _nginx)) = behind("ssl http2", lines).await else { return };
    Diagnosis {
        code: 4,
        leg: GATEWAY,
        check: "attach",
        section: "client-certificate",
        cause: &["wants a client certificate", "nginx"],
        remedy: "gateway.client_cert_file",
    }
    .of(&visit)
    .await;
}

/// A visit whose gateway is behind an nginx with these lines, which is trusted.
async fn behind(flags: &'static str, lines: impl Fn(&Visit) -> String) -> Option<(Visit, Nginx)> {
    let (root, visit) = (Ca::new("Internal root"), Visit::new().await);
    let block = Block::tls(flags, &root.issue(&["localhost"], &Oddity::None)).lines(&lines(&visit));
    let nginx = Nginx::start(&block).await?;
    Some((visit.trusting(root.pem()).set("GATEWAY_URL", &nginx.url()), nginx))
}

/// `HOST:PORT` of the world's gateway.
fn gateway(visit: &Visit) -> String {
    visit.world.agents_url().trim_start_matches("https://").to_owned()
}
