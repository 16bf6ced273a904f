//! HTTP/2 by hand: what no client library would send (RFC 9113 and RFC 7541).

use std::net::SocketAddr;

use gitproxy::egress::{self, Alpn, Egress, Roots, Stream};
use gitproxy::ops::Tasks;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How the server took a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It answered, with headers that are not looked into here.
    Answered,
    /// It reset the stream, with this error code.
    Reset(u32),
    /// It ended the connection.
    Gone,
}

/// Sends one request with exactly these header fields, pseudo-headers among them, and an empty gRPC message.
pub(crate) async fn send(addr: SocketAddr, roots: &Roots, fields: &[(&str, &str)]) -> Taken {
    let mut stream = connect(addr, roots).await;
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, END_HEADERS, 1, &block(fields)));
    bytes.extend(frame(DATA, END_STREAM, 1, &[0; 5]));
    stream.write_all(&bytes).await.expect("sent");
    stream.flush().await.expect("sent");
    loop {
        let Some((kind, id, payload)) = read(&mut stream).await else { return Taken::Gone };
        match (kind, id) {
            (HEADERS, 1) => return Taken::Answered,
            (RST_STREAM, 1) => return Taken::Reset(number(&payload)),
            (GO_AWAY, _) => return Taken::Gone,
            _ => {}
        }
    }
}

async fn connect(addr: SocketAddr, roots: &Roots) -> Stream {
    let egress = Egress::new(&egress::Settings { roots: roots.clone(), ..Default::default() }, &Tasks::new());
    let origin = super::url(addr).parse().expect("an origin");
    egress.expect("trust").connector(origin, Alpn::Http2Only).connect().await.expect("connected")
}

async fn read(stream: &mut Stream) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; number(&head[..3]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], number(&head[5..]), payload))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Every field as a literal that is not indexed and not coded (RFC 7541, 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

/// A length with a prefix of seven bits (RFC 7541, 5.1), then the octets.
fn text(bytes: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()).expect("short") {
        short @ ..127 => bytes.push(short),
        long => bytes.extend([127, long - 127]),
    }
    bytes.extend(text.as_bytes());
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GO_AWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
