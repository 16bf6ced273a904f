//! Whatever gRPC can say passes unchanged.

use bytes::Bytes;
use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use gitproxy::proto::scm::v1::GetFileResponse as Message;
use gitproxy::tunnel::Body;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};
use tower::ServiceExt as _;

use super::echo::{Caller, Echo, FAIL, UNARY, failure, text};
use super::ends::{Carrier, open};

super::over_both! {
    a_unary_call_is_answered
    a_client_stream_arrives_whole
    a_server_stream_arrives_whole_and_in_order
    both_sides_of_a_bidirectional_stream_take_turns
    metadata_survives_both_ways
    a_status_keeps_its_details_and_trailers
    messages_of_a_mebibyte_pass
    empty_data_frames_do_not_end_the_tunnel
}

async fn caller(carrier: Carrier) -> Caller {
    Caller::new(open(carrier, Echo::default().stack(), &Tasks::new()).await)
}

async fn a_unary_call_is_answered(carrier: Carrier) {
    let answer = caller(carrier).await.unary(UNARY, text("hello")).await.expect("an answer");
    assert_eq!(answer.into_inner(), text("hello"));
}

async fn a_client_stream_arrives_whole(carrier: Carrier) {
    let messages = tokio_stream::iter((0..300).map(|_| Message { data: Bytes::from(vec![1; 10_000]) }));
    let sum = caller(carrier).await.sum(messages).await.expect("a sum");
    assert_eq!(sum.data, "3000000");
}

async fn a_server_stream_arrives_whole_and_in_order(carrier: Carrier) {
    let mut messages = caller(carrier).await.download(text("80")).await.expect("a stream");
    let mut bytes = 0;
    while let Some(message) = messages.message().await.expect("no failure") {
        assert!(message.data.iter().all(|byte| *byte == 7));
        bytes += message.data.len();
    }
    assert_eq!(bytes, 80 * 64 * 1024);
}

async fn both_sides_of_a_bidirectional_stream_take_turns(carrier: Carrier) {
    let (say, said) = mpsc::channel(1);
    let mut heard = caller(carrier).await.chat(ReceiverStream::new(said)).await.expect("a stream");
    for turn in ["one", "two", "three"] {
        say.send(text(turn)).await.expect("open");
        assert_eq!(heard.message().await.expect("no failure"), Some(text(turn)));
    }
    drop(say);
    assert_eq!(heard.message().await.expect("a clean end"), None);
}

async fn metadata_survives_both_ways(carrier: Carrier) {
    let mut request = Request::new(text("x"));
    request.metadata_mut().insert("x-text", MetadataValue::from_static("a b c"));
    request.metadata_mut().insert_bin("x-data-bin", MetadataValue::from_bytes(&[0, 255, 10, 13]));
    let answer = caller(carrier).await.unary(UNARY, request).await.expect("an answer");
    assert_eq!(answer.metadata().get("x-text").expect("kept"), "a b c");
    let bytes = answer.metadata().get_bin("x-data-bin").expect("kept").to_bytes().expect("base64");
    assert_eq!(bytes.as_ref(), [0, 255, 10, 13]);
}

async fn a_status_keeps_its_details_and_trailers(carrier: Carrier) {
    let status = caller(carrier).await.unary(FAIL, text("")).await.expect_err("it fails");
    let sent = failure();
    assert_eq!(
        (status.code(), status.message(), status.details()),
        (Code::AlreadyExists, sent.message(), sent.details())
    );
    assert_eq!(Reason::of(&status), Some(Reason::PrExists));
    assert_eq!(status.metadata().get("x-trailer").expect("kept"), "kept");
}

async fn messages_of_a_mebibyte_pass(carrier: Carrier) {
    let large = Message { data: Bytes::from(vec![9; 1 << 20]) };
    let answer = caller(carrier).await.unary(UNARY, large.clone()).await.expect("an answer");
    assert!(answer.into_inner() == large, "changed on the way");
}

/// h2 ends a connection after 100 empty DATA frames, whoever's body they were in.
async fn empty_data_frames_do_not_end_the_tunnel(carrier: Carrier) {
    let tasks = Tasks::new();
    let channel = open(carrier, Echo::default().stack(), &tasks).await;
    for _ in 0..3 {
        let frames = (0..60).map(|_| Ok::<_, tonic::Status>(http_body::Frame::data(Bytes::new())));
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        let request = http::Request::post(UNARY)
            .header("content-type", "application/grpc")
            .body(body)
            .expect("a request");
        let response = channel.clone().oneshot(request).await.expect("the tunnel lives");
        response.into_body().collect().await.expect("a whole answer");
    }
    Caller::new(channel).unary(UNARY, text("still here")).await.expect("an answer");
}
