use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

#[tokio::test]
async fn a_200_opens_the_tunnel() {
    let (asked, result) =
        ask("http://proxy.corp:3128", TARGET, b"HTTP/1.1 200 Connection established\r\n\r\n").await;
    assert!(result.is_ok(), "{result:?}");
    let agent = concat!("User-Agent: gitproxy/", env!("CARGO_PKG_VERSION"));
    let expected =
        format!("CONNECT git.example.com:443 HTTP/1.1\r\nHost: git.example.com:443\r\n{agent}\r\n\r\n");
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn the_credentials_are_one_header_of_the_request() {
    let (asked, result) = ask("http://user:p%40ss@proxy.corp", TARGET, b"HTTP/1.0 200 OK\r\n\r\n").await;
    assert!(result.is_ok(), "{result:?}");
    assert!(asked.ends_with("\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n\r\n"), "{asked}");
    assert_eq!(asked.matches("\r\n\r\n").count(), 1, "{asked}");
}

#[tokio::test]
async fn the_port_is_always_there_and_ipv6_is_in_brackets() {
    let targets = [
        ("https://git.example.com:7990", "git.example.com:7990"),
        ("http://git.example.com", "git.example.com:80"),
        ("https://[fd00::1]", "[fd00::1]:443"),
        ("https://10.1.2.3", "10.1.2.3:443"),
    ];
    for (target, authority) in targets {
        let (asked, _) = ask("http://proxy.corp", target, b"HTTP/1.1 200\r\n\r\n").await;
        assert!(
            asked.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n")),
            "{asked}"
        );
    }
}

#[tokio::test]
async fn bytes_behind_the_head_are_in_the_tunnel() {
    let answers: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\n\r\n\r\nSSH-2.0",
        b"HTTP/1.1 200 OK\n\n\r\nSSH-2.0",
        b"HTTP/1.1 200 OK\r\nVia: 1.1 squid\r\nContent-Length: 3\r\n\r\n\r\nSSH-2.0",
        b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 204 Fine\r\n\r\n\r\nSSH-2.0",
    ];
    for answer in answers {
        let (_, result) = ask("http://proxy.corp", TARGET, answer).await;
        let mut rest = String::new();
        result.unwrap().read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "\r\nSSH-2.0");
    }
}

#[tokio::test]
async fn a_407_lists_the_schemes_of_every_header() {
    let answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nServer: squid\r\nproxy-authenticate: Negotiate, NTLM\r\n\
        WWW-Authenticate: Bearer\r\nProxy-Authenticate: Basic realm=\"a, b\"\r\nContent-Length: 9\r\n\r\n<html>...";
    let (status, reason, schemes) = refused(answer).await;
    assert_eq!((status, reason.as_str()), (407, "Proxy Authentication Required"));
    assert_eq!(schemes, ["Negotiate", "NTLM", "Basic"]);
}

#[tokio::test]
async fn status_and_reason_are_kept_and_cleaned() {
    let long = format!("HTTP/1.1 502 {}\r\n\r\n", "x".repeat(500));
    let cases: [(&[u8], u16, &str); 8] = [
        (b"HTTP/1.1 403 Forbidden\r\nX-Squid-Error: ERR_ACCESS_DENIED 0\r\n\r\n", 403, "Forbidden"),
        (b"HTTP/1.1 502 Bad Gateway (no such host)\r\n\r\n", 502, "Bad Gateway (no such host)"),
        (b"HTTP/1.1 503\r\n\r\n", 503, ""),
        (b"HTTP/1.1 503 \r\n\r\n", 503, ""),
        (b"HTTP/1.0 302 Found\r\nLocation: http://login.corp/\r\n\r\n", 302, "Found"),
        (b"HTTP/1.1 504 Zeit\xfcberschreitung\r\n\r\n", 504, ""),
        (b"HTTP/1.1 500 Oops\r\nno header at all\r\n\r\n", 500, "Oops"),
        (b"HTTP/1.1 403 a\tb\r\n\r\n", 403, "ab"),
    ];
    for (answer, status, reason) in cases {
        let text = String::from_utf8_lossy(answer);
        assert_eq!(refused(answer).await, (status, reason.to_owned(), Vec::new()), "{text}");
    }
    assert_eq!(refused(long.as_bytes()).await.1.len(), 100);
}

#[tokio::test]
async fn what_is_not_http_is_told_at_its_first_odd_byte() {
    // The connection stays open behind them: an answer that waited for an empty line would never come.
    let answers: [&[u8]; 6] = [
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/2 200\r\n",
        b"http/1.1 200 OK\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
    ];
    for answer in answers {
        let (ours, mut theirs) = duplex(64 * 1024);
        theirs.write_all(answer).await.unwrap();
        let result =
            open(ours, &"proxy.corp:3128".parse().unwrap(), &TARGET.parse().unwrap(), &Progress::default())
                .await;
        assert!(matches!(result, Err(Refused::NotHttp)), "{result:?}");
    }
}

#[tokio::test]
async fn words_that_give_our_credentials_back_are_left_out() {
    // printf '%s' 'robot:c4nary-pass' | base64
    for words in
        ["Bad Basic cm9ib3Q6YzRuYXJ5LXBhc3M=", "robot:c4nary-pass", &format!("{}c4nary-pass", "x".repeat(95))]
    {
        let answer = format!(
            "HTTP/1.1 407 {words}\r\nProxy-Authenticate: Basic realm=x, cm9ib3Q6YzRuYXJ5LXBhc3M\r\n\r\n"
        );
        let (_, result) = ask("http://robot:c4nary-pass@proxy.corp", TARGET, answer.as_bytes()).await;
        let Err(Refused::Status { reason, schemes, .. }) = result else { panic!("{result:?}") };
        assert_eq!((reason.as_str(), schemes), ("", vec!["Basic".to_owned()]));
    }
}

#[tokio::test]
async fn a_head_without_an_end_is_cut_off() {
    let line = [b"HTTP/1.1 200 ", "x".repeat(20_000).as_bytes()].concat();
    let headers = [b"HTTP/1.1 200 OK\r\n", "Via: 1.1 squid\r\n".repeat(2_000).as_bytes()].concat();
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1_000);
    let many = [b"HTTP/1.1 200 OK\r\n", "A: b\r\n".repeat(200).as_bytes(), b"\r\n"].concat();
    for answer in [line, headers, interim, many] {
        let (_, result) = ask("http://proxy.corp", TARGET, &answer).await;
        assert!(matches!(result, Err(Refused::TooLong)), "{result:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_hangs_up_is_told_from_one_that_refuses() {
    for answer in [&b""[..], b"HTT", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nVia: x\r\n"] {
        let (_, result) = ask("http://proxy.corp", TARGET, answer).await;
        assert!(matches!(result, Err(Refused::Closed)), "{result:?}");
    }
    let (ours, theirs) = duplex(1024);
    drop(theirs);
    let result =
        open(ours, &"proxy.corp".parse().unwrap(), &TARGET.parse().unwrap(), &Progress::default()).await;
    let Err(Refused::Io(error)) = result else { panic!("{result:?}") };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_is_read() {
    // A pipe that holds one byte.
    let (ours, mut theirs) = duplex(1);
    let proxy_side = async {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(theirs.read_u8().await.unwrap());
        }
        theirs.write_all(b"HTTP/1.1 200 OK\r\nVia: 1.1 squid\r\n\r\nrest").await.unwrap();
        drop(theirs);
    };
    let our_side = async {
        let mut tunnel =
            open(ours, &"proxy.corp".parse().unwrap(), &TARGET.parse().unwrap(), &Progress::default())
                .await
                .unwrap();
        let mut rest = String::new();
        tunnel.read_to_string(&mut rest).await.unwrap();
        rest
    };
    let (rest, ()) = tokio::join!(our_side, proxy_side);
    assert_eq!(rest, "rest");
}

#[tokio::test]
async fn no_error_shows_a_credential() {
    let echo = b"HTTP/1.1 407 Denied\r\nProxy-Authenticate: Basic realm=\"cm9ib3Q6aHVudGVyMg==\"\r\n\r\n";
    for answer in [&echo[..], b"", b"garbage", b"HTTP/1.1 403 No\r\n\r\n"] {
        let (asked, result) = ask("http://robot:hunter2@proxy.corp", TARGET, answer).await;
        assert!(asked.contains("cm9ib3Q6aHVudGVyMg=="), "{asked}");
        let error = result.unwrap_err();
        for shown in [format!("{error}"), format!("{error:?}")] {
            assert!(!shown.contains("hunter2") && !shown.contains("cm9ib3Q6"), "{shown}");
        }
    }
}

const TARGET: &str = "https://git.example.com";

/// What a proxy was asked that answers so and hangs up, and what came of it.
async fn ask(proxy: &str, target: &str, answer: &[u8]) -> (String, Result<DuplexStream, Refused>) {
    let (ours, mut theirs) = duplex(64 * 1024);
    theirs.write_all(answer).await.unwrap();
    theirs.shutdown().await.unwrap();
    let result = open(ours, &proxy.parse().unwrap(), &target.parse().unwrap(), &Progress::default()).await;
    let mut asked = vec![0; 4096];
    let length = theirs.read(&mut asked).await.unwrap();
    asked.truncate(length);
    (String::from_utf8(asked).unwrap(), result)
}

async fn refused(answer: &[u8]) -> (u16, String, Vec<String>) {
    match ask("http://proxy.corp", TARGET, answer).await.1 {
        Err(Refused::Status { status, reason, schemes }) => (status.as_u16(), reason, schemes),
        other => panic!("{other:?}"),
    }
}
