//! What to tell people about an [`Error`]: one sentence of cause, one of remedy, and where to read on.
//!
//! The phrases that people paste into a search engine stand in the causes: Go's `x509: certificate signed by unknown
//! authority`, a proxy's `Bad Gateway`. The remedies name the setting, and the chart's value for it.

use std::io;
use std::time::Duration;

use http::StatusCode;

use super::{Credentials, Error, Hop, Refusal, TlsFault, WANTS_CERTIFICATE, rejected};
use crate::egress::{Kind, Origin, Scheme};
use crate::ops::Advice;

impl Error {
    /// Says why and what to do. It has no resolved address and no path of this machine.
    pub fn advice(&self) -> Advice {
        match self {
            Self::OtherOrigin { origin, asked } => Advice::new(
                format!("{asked} was asked for, but this connection may only go to {origin}"),
                "check where the server redirects to",
                "address-refused",
            ),
            Self::PlainHttp { origin } => Advice::new(
                format!("{origin} is not this machine, and only there may a connection be without TLS"),
                "use an https:// URL, or set allow_http of the connection if the token may travel in the clear",
                "address-refused",
            ),
            Self::Forbidden { origin, source } => Advice::new(
                format!("{origin} is refused: {source}"),
                "name it in held.allowed_servers, and a special address in held.allowed_addresses, if it is meant",
                "address-refused",
            ),
            Self::ProxyResolve { origin, proxy, .. } => Advice::new(
                format!("the proxy {proxy}, which leads to {origin}, cannot be resolved"),
                "check the proxy's name and the DNS of the agent's host; the proxy's URL is proxy.https (chart: proxy.httpsProxy)",
                "proxy-dns",
            ),
            Self::ProxyConnect { origin, proxy, .. } => Advice::new(
                format!("the proxy {proxy}, which leads to {origin}, cannot be connected to"),
                "check the proxy's port and that no firewall is in between; if the host needs no proxy, add it to \
                 proxy.no_proxy (chart: proxy.noProxy)",
                "proxy-tcp",
            ),
            Self::ProxyTls { proxy, fault, source, .. } => {
                let advice = tls(&format!("TLS with the proxy {proxy} failed"), *fault, source);
                let remedy = for_a_proxy(*fault).map_or(advice.remedy, ToOwned::to_owned);
                Advice { remedy, section: "proxy-tls", ..advice }
            }
            Self::ProxyRefused { origin, proxy, refusal } => refused(origin, proxy, refusal),
            Self::ProxyBroken { origin, proxy, source } if origin.scheme() == Scheme::Http => Advice::new(
                format!("the proxy {proxy} gave no answer to a request to {origin}: {source}"),
                "look at the proxy's log: it hung up, or what stands behind it did; check that an HTTP proxy listens there, \
                 and add a host inside the network to proxy.no_proxy (chart: proxy.noProxy)",
                "proxy-refused",
            ),
            Self::ProxyBroken { origin, proxy, source } => Advice::new(
                format!("the proxy {proxy} gave no tunnel to {origin}: {source}"),
                "check that an HTTP proxy listens there, and whether it wants http:// or https:// in its URL",
                "proxy-refused",
            ),
            Self::Resolve { origin, .. } => Advice::new(
                format!("{origin} cannot be resolved (no such host)"),
                "check the name and the DNS of the agent's host; where only a proxy knows the name, set proxy.https \
                 (chart: proxy.httpsProxy)",
                "dns",
            ),
            Self::Connect { origin, .. } => Advice::new(
                format!("{origin} cannot be connected to"),
                "check that it is up and that no firewall is in between; where only a proxy may leave the network, set \
                 proxy.https (chart: proxy.httpsProxy)",
                "tcp",
            ),
            Self::Timeout { origin, proxy, hop, limit, begun } => {
                timeout(origin, proxy.as_ref(), *hop, *limit, *begun)
            }
            Self::Tls { origin, fault, source } => tls(&format!("TLS with {origin} failed"), *fault, source),
            Self::Secured { origin } => Advice::new(
                format!("{origin} speaks TLS, and was asked without it"),
                "use an https:// URL",
                "not-tls",
            ),
            Self::NoHttp2 { origin, issuer } => no_http2(origin, issuer.as_deref()),
        }
    }
}

fn no_http2(origin: &Origin, issuer: Option<&str>) -> Advice {
    let issuer = issuer.map(|name| format!(" (its certificate was issued by: {name})"));
    Advice::new(
        format!(
            "{origin} does not speak HTTP/2{}; a TLS-inspecting proxy may be in between, or a load balancer without h2 \
             before the gateway",
            issuer.unwrap_or_default()
        ),
        "have it leave this host alone, or pass HTTP/2",
        "no-http2",
    )
}

/// What is wrong, what to do, and the section that tells more.
type Sentences = (&'static str, &'static str, &'static str);

fn tls(what: &str, fault: TlsFault, source: &io::Error) -> Advice {
    let (cause, remedy, section) = match fault {
        TlsFault::Certificate(kind) => certificate(kind),
        TlsFault::ClientCertificate => (
            WANTS_CERTIFICATE,
            "set client_cert_file and client_key_file of the gateway or of the connection to a pair that it accepts",
            "client-certificate",
        ),
        TlsFault::NotTls => {
            ("what answered does not speak TLS", "check scheme and port of the URL", "not-tls")
        }
        TlsFault::Closed => (
            "the connection was closed during the handshake",
            "check the port, and what is in between: a firewall that filters by name looks like this",
            "tls",
        ),
        TlsFault::Other => (
            "no safe connection could be agreed on",
            "look at the agent's log, which has what the TLS library said; the server must speak TLS 1.2 or 1.3",
            "tls",
        ),
    };
    let presented = rejected(source).and_then(|rejected| rejected.chain.first());
    let presented = presented.map(|leaf| format!("; it presented {leaf}")).unwrap_or_default();
    Advice::new(format!("{what}: {cause}{presented}"), remedy, section)
}

/// The remedy where it is another with a proxy than with a server: there, the URL is the proxy's, and the certificate of
/// ours that a server would be shown stays here.
fn for_a_proxy(fault: TlsFault) -> Option<&'static str> {
    match fault {
        TlsFault::NotTls => Some(
            "check whether the proxy's URL (proxy.https; chart: proxy.httpsProxy) should begin with http://",
        ),
        TlsFault::Closed => Some(
            "check the port of the proxy's URL (proxy.https; chart: proxy.httpsProxy), and whether it should begin with \
             http://",
        ),
        TlsFault::ClientCertificate => {
            Some("have the proxy ask for no certificate: a client certificate is shown to servers only")
        }
        TlsFault::Certificate(Kind::WrongHost | Kind::NoHosts) => Some(
            "check the host of the proxy's URL (proxy.https; chart: proxy.httpsProxy), or have a certificate made for the \
             proxy that has this name in its subjectAltName",
        ),
        TlsFault::Certificate(Kind::UnknownIssuerOrMissingIntermediate) => Some(
            "have the proxy send its intermediate certificates too, or add the issuer's certificate to trust.ca_files \
             (chart: customCaCert)",
        ),
        TlsFault::Certificate(Kind::SelfSignedAuthority | Kind::Authority) => {
            Some("have one made for the proxy that says CA:FALSE")
        }
        TlsFault::Certificate(Kind::Expired) => {
            Some("have the proxy's certificate renewed, unless the clock of the agent's host is wrong")
        }
        TlsFault::Certificate(
            Kind::UnknownIssuer
            | Kind::SelfSigned
            | Kind::OtherKeyOfSameName
            | Kind::NotYetValid
            | Kind::Purpose
            | Kind::Other,
        )
        | TlsFault::Other => None,
    }
}

/// The first words of what is not trusted are Go's, because those are what people search for.
fn certificate(kind: Kind) -> Sentences {
    const UNKNOWN: &str = "certificate-unknown-authority";
    const OTHER: &str = "certificate-not-for-servers";
    match kind {
        Kind::UnknownIssuer => (
            "x509: certificate signed by unknown authority, which is not trusted here",
            "add the authority's certificate to trust.ca_files (chart: customCaCert)",
            UNKNOWN,
        ),
        Kind::UnknownIssuerOrMissingIntermediate => (
            "x509: certificate signed by unknown authority; only the server's own certificate was sent",
            "have the server send its intermediate certificates too, or add the issuer's certificate to trust.ca_files \
             (chart: customCaCert)",
            UNKNOWN,
        ),
        Kind::SelfSigned => (
            "x509: certificate signed by unknown authority, namely by itself",
            "have one issued by your authority, or add this very certificate to trust.ca_files (chart: customCaCert)",
            UNKNOWN,
        ),
        Kind::OtherKeyOfSameName => (
            "x509: certificate signed by unknown authority, which has the name of a trusted one and another key",
            "if the authority was renewed, put its new certificate into trust.ca_files (chart: customCaCert); if not, \
             somebody pretends to be it",
            UNKNOWN,
        ),
        Kind::SelfSignedAuthority | Kind::Authority => (
            "its certificate is an authority's (CA:TRUE), which no server may use",
            "have one made for the server that says CA:FALSE",
            OTHER,
        ),
        Kind::WrongHost => (
            "its certificate is for another host",
            "check the URL, or have a certificate made that has this name in its subjectAltName",
            "certificate-wrong-host",
        ),
        Kind::NoHosts => (
            "its certificate names no host (x509: certificate relies on legacy Common Name field)",
            "have a certificate made that has this name in its subjectAltName",
            "certificate-wrong-host",
        ),
        Kind::Expired => (
            "its certificate, or one that it sent along, has expired",
            "have it renewed, unless the clock of the agent's host is wrong",
            "certificate-expired",
        ),
        Kind::NotYetValid => (
            "its certificate, or one that it sent along, is not valid yet",
            "check the clock of the agent's host",
            "certificate-not-yet-valid",
        ),
        Kind::Purpose => (
            "its certificate is not for servers",
            "have one made with the extended key usage serverAuth",
            OTHER,
        ),
        Kind::Other => (
            "its certificate cannot be used",
            "look at the agent's log, which has what the TLS library said",
            OTHER,
        ),
    }
}

fn refused(origin: &Origin, proxy: &Origin, refusal: &Refusal) -> Advice {
    let Refusal { status, reason, schemes, credentials } = refusal;
    let (refused, allow) = match origin.scheme() {
        Scheme::Http => ("refused a request to", "requests"),
        Scheme::Https => ("refused a tunnel to", "CONNECT"),
    };
    let cause = format!("the proxy {proxy} {refused} {origin}: {} {reason}", status.as_u16());
    let cause = cause.trim_end();
    if *status != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        let remedy = match *status {
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
                "the proxy cannot reach the host: check the name from the proxy's side".to_owned()
            }
            _ => format!("have the proxy allow {allow} to this host and port"),
        };
        let inside = "for a host inside the network, add it to proxy.no_proxy (chart: proxy.noProxy)";
        return Advice::new(cause, format!("{remedy}; {inside}"), "proxy-refused");
    }
    let offered = if schemes.is_empty() { "none".to_owned() } else { schemes.join(", ") };
    let basic = schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
    let remedy = match (schemes.is_empty() || basic, credentials) {
        (true, Credentials::None) => {
            "give the proxy's user and password in its URL or in proxy.credentials_file"
        }
        (true, Credentials::Sent) => {
            "the user or password is wrong; percent-encode special characters in the URL, or use proxy.credentials_file"
        }
        (false, _) => {
            "only Basic is supported, so neither NTLM nor Negotiate (Kerberos): have the proxy offer Basic to this client, \
             allow it by its address, or name a local proxy such as cntlm that logs in for it"
        }
    };
    Advice::new(format!("{cause} (schemes offered: {offered})"), remedy, "proxy-authentication")
}

fn timeout(origin: &Origin, proxy: Option<&Origin>, hop: Hop, limit: Duration, begun: bool) -> Advice {
    let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    let cause = match (origin.scheme(), hop) {
        (Scheme::Http, Hop::ProxyTunnel) => {
            format!("a request to {origin}{through} had no answer after {limit:.1?} (stuck at: the proxy)")
        }
        _ => format!("connecting to {origin}{through} took longer than {limit:.1?} (stuck at: {hop})"),
    };
    let (remedy, section) = match hop {
        Hop::ProxyResolve => ("check the DNS of the agent's host", "proxy-dns"),
        Hop::ProxyConnect => (
            "a firewall may drop the packets: check the proxy's address and port, and proxy.no_proxy (chart: proxy.noProxy)",
            "proxy-tcp",
        ),
        Hop::ProxyTls => ("check whether the proxy's URL should begin with http://", "proxy-tls"),
        Hop::ProxyTunnel if begun => (
            "the proxy began to answer and did not finish: look at the proxy's log and at the network before it, which is \
             slow or loses packets; if that cannot be helped, raise egress.hop_timeout",
            "proxy-stalled",
        ),
        Hop::ProxyTunnel => (
            "the proxy took the request and did not answer: look at the proxy's log; it may be overloaded, or unable to \
             reach the host, which may hang itself; egress.hop_timeout is how long it may take",
            "proxy-stalled",
        ),
        Hop::Check | Hop::Resolve => ("check the DNS of the agent's host", "dns"),
        Hop::Connect => (
            "a firewall may drop the packets: have it let them through, or set proxy.https (chart: proxy.httpsProxy)",
            "tcp",
        ),
        Hop::Tls | Hop::Alpn => (
            "what listens there, or what is in between, does not answer TLS: check the port and the firewall",
            "tls",
        ),
    };
    Advice::new(cause, remedy, section)
}
