use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};

use super::*;
use crate::gateway::fake;
use crate::gateway::store::Auth;

#[test]
fn each_reserved_header_of_a_caller_is_refused_by_name() {
    let strangers =
        ["gitproxy-tenant", "gitproxy-caller", "gitproxy-connection-bin", "gitproxy-agents", "gitproxy-x"];
    for stranger in strangers {
        let headers = map(&[(stranger, "x"), ("gitproxy-agent", "a")]);
        let fault = Destination::of(&headers).expect_err("refused");
        assert_eq!((fault.code(), fault.reason()), (Code::InvalidArgument, Reason::HeaderReserved));
        assert_eq!(fault.fact("header"), Some(stranger));
    }
}

#[test]
fn agent_and_connection_are_accepted_once_and_only_as_names() {
    let both = Destination::of(&map(&[("gitproxy-agent", "a"), ("gitproxy-connection", "c")])).expect("good");
    assert_eq!((both.agent, both.connection), (Name::parse("a").ok(), Name::parse("c").ok()));
    assert_eq!(Destination::of(&HeaderMap::new()).expect("good"), Destination::default());
    for header in ["gitproxy-agent", "gitproxy-connection"] {
        for bad in
            [&[(header, "a"), (header, "a")][..], &[(header, "")], &[(header, "a b")], &[(header, "ä")]]
        {
            let fault = Destination::of(&map(bad)).expect_err("refused");
            assert_eq!(fault.fact("header"), Some(header), "{bad:?}");
        }
    }
}

#[test]
fn labels_may_repeat_and_each_is_a_key_and_a_value() {
    let sent = map(&[("gitproxy-label", "zone=b"), ("gitproxy-label", "url=a=b")]);
    let labels = Destination::of(&sent).expect("good").labels;
    let told: Vec<_> = labels.iter().map(|label| (label.key.as_str(), label.value.as_str())).collect();
    assert_eq!(told, [("zone", "b"), ("url", "a=b")]);
    let long = format!("zone={}", "b".repeat(64));
    for bad in ["", "zone", "=b", "zone=", "zone=ä", &long] {
        let fault = Destination::of(&map(&[("gitproxy-label", bad)])).expect_err("refused");
        assert_eq!(fault.fact("header"), Some("gitproxy-label"), "{bad}");
    }
    let many: Vec<_> = (0..17).map(|_| ("gitproxy-label", "zone=b")).collect();
    assert!(Destination::of(&map(&many)).is_err());
    assert!(Destination::of(&map(&many[1..])).is_ok());
}

#[test]
fn a_call_waits_only_where_it_says_so() {
    let patience = |pairs: &[(&'static str, &str)]| {
        Destination::of(&map(pairs)).map(|destination| destination.patience).ok()
    };
    assert_eq!(patience(&[]), Some(Patience::None));
    assert_eq!(patience(&[("gitproxy-wait", "false")]), Some(Patience::None));
    assert_eq!(patience(&[("gitproxy-wait", "true")]), Some(Patience::Waits));
    for bad in ["", "1", "TRUE", "yes"] {
        assert_eq!(patience(&[("gitproxy-wait", bad)]), None, "{bad}");
    }
    assert_eq!(patience(&[("gitproxy-wait", "true"), ("gitproxy-wait", "true")]), None);
}

#[test]
fn only_the_named_headers_reach_the_agent() {
    let dropped = [
        ("authorization", "Bearer gpk_x"),
        ("cookie", "a=b"),
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-authorization", "Basic x"),
        ("proxy-connection", "close"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("forwarded", "for=x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "h"),
        ("x-real-ip", "10.0.0.1"),
        ("host", "h"),
        ("content-length", "1"),
        ("gitproxy-agent", "a"),
        ("gitproxy-connection", "c"),
        ("gitproxy-label", "zone=b"),
        ("gitproxy-wait", "true"),
        ("gitproxy-connection-bin", "x"),
        ("x-atlassian-token", "no-check"),
    ];
    for (name, value) in dropped {
        assert!(forwarded(&map(&[(name, value)])).is_empty(), "{name}: {value}");
    }
    let passed = [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "1S"),
        ("grpc-encoding", "gzip"),
        ("grpc-accept-encoding", "gzip"),
        ("user-agent", "u"),
        ("traceparent", "00-"),
        ("tracestate", "x=y"),
        ("idempotency-key", "018f"),
    ];
    assert_eq!(forwarded(&map(&passed)), map(&passed));
}

#[test]
fn the_agent_learns_tenant_and_caller() {
    let mut headers = HeaderMap::new();
    sign(&mut headers, &fake::caller("acme", "scanner"));
    assert_eq!(headers, map(&[("gitproxy-tenant", "acme"), ("gitproxy-caller", "scanner")]));
}

#[test]
fn a_held_connection_is_handed_over_in_a_sensitive_header() {
    let mut headers = HeaderMap::new();
    let name = Name::parse("main").expect("name");
    entrust(&mut headers, held(&name));
    let value = &headers["gitproxy-connection-bin"];
    assert!(value.is_sensitive());
    let message =
        HeldConnection::decode(STANDARD.decode(value).expect("base64").as_slice()).expect("decodes");
    assert_eq!(
        (message.name.as_str(), message.token.as_str(), message.auth.as_str()),
        ("main", "s3cret", "basic")
    );
}

#[tokio::test]
async fn only_grpc_and_our_own_headers_and_trailers_come_back() {
    let shown = [("content-type", "application/grpc"), ("grpc-status", "0"), ("gitproxy-request", "r")];
    let hidden = [("set-cookie", "a=b"), ("server", "s"), ("x-asessionid", "1"), ("connection", "close")];
    let all: Vec<_> = shown.into_iter().chain(hidden).collect();
    let trailers = http_body::Frame::<Bytes>::trailers(map(&all));
    let frames = [http_body::Frame::data(Bytes::from_static(b"data")), trailers];
    let body = StreamBody::new(tokio_stream::iter(frames.map(Ok::<_, std::convert::Infallible>)));
    let mut answer = http::Response::new(Body::new(body));
    *answer.headers_mut() = map(&all);

    let answer = returned(answer);

    assert_eq!(answer.headers(), &map(&shown));
    let collected = answer.into_body().collect().await.expect("whole");
    assert_eq!(collected.trailers(), Some(&map(&shown)));
    assert_eq!(collected.to_bytes(), "data");
}

fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("value"));
    }
    headers
}

fn held(name: &Name) -> Held {
    Held {
        name: name.clone(),
        url: "https://git.example.com".into(),
        user: "svc".into(),
        token: "s3cret".into(),
        projects: vec!["PROJ".into()],
        auth: Auth::Basic,
    }
}
