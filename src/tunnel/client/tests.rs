use h2::server;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{DuplexStream, duplex};
use tokio_stream::wrappers::ReceiverStream;

use super::*;

type Server = server::Connection<DuplexStream, Bytes>;
type Taken = (http::Request<h2::RecvStream>, server::SendResponse<Bytes>);

/// A client, and a server that takes `streams` at once; the client's connection runs until it is dropped.
async fn pair(streams: u32, tasks: &Tasks) -> (Client, Server) {
    let (near, far) = duplex(1 << 16);
    let (client, driver) = open(near, &Options::default(), tasks).await.expect("a client");
    tasks.spawn(async move {
        let _ended = driver.run(&Pulse::default(), Duration::from_secs(5)).await;
    });
    let mut builder = server::Builder::new();
    let server = builder.max_concurrent_streams(streams).handshake(far).await.expect("a server");
    (client, server)
}

fn request(path: &str, body: Body) -> http::Request<Body> {
    http::Request::post(format!("http://tunnel{path}")).body(body).expect("a request")
}

/// A body that goes on until the sender is dropped.
fn endless() -> (mpsc::Sender<Result<Frame<Bytes>, Status>>, Body) {
    let (sender, frames) = mpsc::channel(4);
    (sender, Body::new(StreamBody::new(ReceiverStream::new(frames))))
}

async fn next(server: &mut Server) -> Taken {
    server.accept().await.expect("a request").expect("a good one")
}

fn answer(to: &mut server::SendResponse<Bytes>, ends: bool) -> h2::SendStream<Bytes> {
    to.send_response(http::Response::new(()), ends).expect("sent")
}

#[tokio::test]
async fn what_is_given_up_before_its_turn_never_leaves() {
    let tasks = Tasks::new();
    let (client, mut server) = pair(1, &tasks).await;
    let client = std::sync::Arc::new(client);
    let call = |path: &'static str| {
        let client = std::sync::Arc::clone(&client);
        Box::pin(async move { client.send(request(path, Body::empty())).await })
    };
    let mut first = call("/first");
    let (_, mut held) = tokio::select! {
        taken = next(&mut server) => taken,
        _ = &mut first => panic!("nobody has answered"),
    };
    let (mut second, mut third, mut fourth) = (call("/second"), call("/third"), call("/fourth"));
    // The second is with h2 now; the others wait.
    assert!(futures_util::poll!(&mut second).is_pending());
    tokio::task::yield_now().await;
    assert!(futures_util::poll!(&mut third).is_pending());
    assert!(futures_util::poll!(&mut fourth).is_pending());
    drop(third);
    answer(&mut held, true);
    let mut seen = Vec::new();
    let serving = async {
        while seen.len() < 2 {
            let (request, mut to) = next(&mut server).await;
            seen.push(request.uri().path().to_owned());
            answer(&mut to, true);
        }
        // So that the last answer leaves.
        let _ended = server.accept().await;
    };
    tokio::select! {
        () = serving => panic!("the connection lives"),
        answers = async { tokio::join!(first, second, fourth) } => {
            assert!(answers.0.is_ok() && answers.1.is_ok() && answers.2.is_ok());
        }
    }
    assert_eq!(seen, ["/second", "/fourth"]);
}

#[tokio::test]
async fn a_response_comes_while_the_request_goes_on_and_who_drops_it_ends_both() {
    let tasks = Tasks::new();
    let (client, mut server) = pair(8, &tasks).await;
    let (sender, body) = endless();
    let serving = async {
        let (request, mut to) = next(&mut server).await;
        let mut response = answer(&mut to, false);
        let mut upload = request.into_body();
        let reset = async {
            let part = upload.data().await.expect("a part").expect("good");
            response.send_data(part, false).expect("open");
            upload.data().await.expect("an end").expect_err("given up")
        };
        tokio::select! {
            reset = reset => reset.reason(),
            _ = server.accept() => panic!("the connection lives"),
        }
    };
    let calling = async {
        let mut response = client.send(request("/both", body)).await.expect("a response").into_body();
        sender.send(Ok(Frame::data(Bytes::from_static(b"later")))).await.expect("it still goes");
        let part = response.frame().await.expect("a part").expect("good").into_data().expect("data");
        assert_eq!(part, "later");
        drop(response);
        sender.closed().await;
    };
    let (reason, ()) = tokio::join!(serving, calling);
    assert_eq!(reason, Some(h2::Reason::CANCEL));
}

#[tokio::test]
async fn what_waits_when_the_connection_ends_was_not_sent() {
    let tasks = Tasks::new();
    let (client, mut server) = pair(1, &tasks).await;
    let first = client.send(request("/first", Body::empty()));
    tokio::pin!(first);
    tokio::select! {
        _ = next(&mut server) => {}
        _ = &mut first => panic!("nobody has answered"),
    }
    let (second, third) =
        (client.send(request("/second", Body::empty())), client.send(request("/third", Body::empty())));
    tokio::pin!(second, third);
    assert!(futures_util::poll!(&mut second).is_pending());
    tokio::task::yield_now().await;
    assert!(futures_util::poll!(&mut third).is_pending());
    drop(server);
    assert!(matches!(first.await, Err(Failed::Sent(_))));
    assert!(matches!(third.await, Err(Failed::Unsent(_))));
    assert!(client.is_closed());
    assert!(matches!(client.send(request("/late", Body::empty())).await, Err(Failed::Unsent(_))));
}
