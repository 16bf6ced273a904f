//! Redirects off the origin, over real sockets: the place that they point to must not even see a connection.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::egress::Settings;
use crate::ops::Tasks;

#[tokio::test]
async fn a_redirect_off_the_origin_sends_not_a_byte_there() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let other = format!("127.0.0.1:{}", elsewhere.local_addr().unwrap().port());
    let resource = "/rest/api/latest/projects/SHOP/repos/web";
    for status in [301, 302, 303, 307, 308] {
        for to in [format!("http://{other}{resource}"), format!("//{other}{resource}")] {
            for request in [read(), write()] {
                let tasks = Tasks::new();
                let base = redirecting(status, &to, &tasks).await;
                let outcome = client(&base).send(request).await;
                tasks.cut();
                let refused = matches!(
                    &outcome,
                    Err(Error::NotBitbucket { stranger: Stranger::Redirect { target }, .. }) if *target == to
                );
                assert!(refused, "{status} to {to}: {:?}", outcome.err());
                // The kernel would have queued a connection, and the answer above came after it.
                let knocked = elsewhere.accept().map_err(|error| error.kind());
                assert!(matches!(knocked, Err(ErrorKind::WouldBlock)), "{status} to {to} was dialed");
            }
        }
    }
}

/// A client of a server without TLS on this machine.
fn client(base: &str) -> Client {
    let egress = Egress::new(&Settings::default(), &Tasks::new()).expect("an egress");
    Client::new(account(base), &egress, &Budgets::default()).expect("a client")
}

/// A server that answers every request so; its base URL.
async fn redirecting(status: u16, to: &str, tasks: &Tasks) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    tasks.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            reply(tcp, &answer).await;
        }
    });
    base
}

/// Answers once a request's head is there, and swallows its body.
async fn reply(mut tcp: TcpStream, answer: &str) {
    let mut got = Vec::new();
    while !got.windows(4).any(|end| end == b"\r\n\r\n") {
        if tcp.read_buf(&mut got).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let _peer_gone = tcp.write_all(answer.as_bytes()).await;
    let _peer_gone = tcp.shutdown().await;
    // Closing with unread bytes would reset the connection and take the answer with it.
    let _peer_gone = tcp.read_to_end(&mut got).await;
}
