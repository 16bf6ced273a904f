use tonic::Code;

use super::super::socket::Folder;
use super::*;
use crate::agent::link;
use crate::agent::recent::{KEPT, Trail};
use crate::ops::Tasks;
use crate::proto::methods::METHODS;
use crate::scm::audit::{Audit as _, Outcome};
use crate::scm::{Caller, Command, Target};

fn teller(state: watch::Receiver<State>) -> Teller {
    Teller {
        instance: "i-1".into(),
        began: Instant::now(),
        state,
        sessions: link::sessions().1,
        tally: Tally::default(),
        recent: Recent::default(),
        options: Options::default(),
        connections: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_live_without_a_gateway_and_ready_only_with_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("status.sock");
    let (link, state) = watch::channel(State::Waiting);
    let tasks = Tasks::new();
    let socket = Socket::bind(&path, Folder::Any).expect("bound");
    tasks.spawn(serve(socket, teller(state)));
    let told = ask(&path).expect("an answer");
    assert_eq!((told.live, told.ready, told.link.as_str()), (true, false, "waiting"));
    let (gateway, agent, session) = ("g".into(), "a".into(), "s".into());
    link.send_replace(State::Attached { gateway, agent, session });
    let told = ask(&path).expect("an answer");
    assert!(told.ready && told.instance == "i-1", "{told:?}");
    link.send_replace(State::Draining);
    let told = ask(&path).expect("an answer");
    assert_eq!((told.live, told.ready), (true, false));
    link.send_replace(State::Ended);
    tasks.finish(Duration::from_secs(5)).await;
    assert!(ask(&path).is_err());
}

/// The largest that it can be is less than what a unix socket takes without a reader (208 KiB on Linux).
#[tokio::test]
async fn the_most_that_there_can_be_to_tell_fits_into_the_buffer_of_a_socket() {
    let long = "é".repeat(5000);
    let mut teller = teller(watch::channel(State::Waiting).1);
    let connection = Connection { name: "n".repeat(64), host: "h".repeat(253) };
    teller.connections = vec![connection; 5000];
    let trail = Trail::new(teller.recent.clone());
    for _ in 0..100 {
        let command = Command {
            method: &METHODS[0],
            caller: Caller { tenant: long.clone(), caller: long.clone() },
            connection: Some(long.clone()),
            target: Target::default(),
            idempotency_key: None,
        };
        let outcome =
            Outcome { code: Code::NotFound, reason: Some(Reason::Busy), lasted: Duration::from_secs(1) };
        trail.end(&command, &outcome);
    }
    let status = teller.status();
    assert_eq!((status.calls.len(), status.connections.len()), (KEPT, MOST_CONNECTIONS));
    assert_eq!(status.connections_total, 5000);
    let line = serde_json::to_vec(&status).expect("JSON");
    assert!(line.len() < 128 * 1024, "{} bytes", line.len());
    assert_eq!(status.calls[0].code, "NOT_FOUND");
    let (stream, reader) = tokio::net::UnixStream::pair().expect("a pair");
    time::timeout(Duration::from_secs(30), tell(stream, &status)).await.expect("nobody need read");
    drop(reader);
}

#[test]
fn memory_is_streams_times_what_each_may_hold() {
    let options = Options { window: 1 << 20, max_streams: 1024, ..Options::default() };
    assert_eq!(options.worst_case(), 1024 * ((1 << 20) + (64 << 10)));
}
