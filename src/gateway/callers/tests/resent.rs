//! What is sent to another session, and what never is. The peers speak HTTP/2, frame by frame.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;
use crate::tunnel::{Channel, Options};

/// What a peer does with a call that it has read to its end.
#[derive(Debug, Clone, Copy)]
enum Does {
    Reset(u32),
    /// Names the last stream that it has processed, and why it goes.
    Goes(u32, u32),
    Cuts,
}

const NO_ERROR: u32 = 0;
const INTERNAL: u32 = 2;
const REFUSED: u32 = 7;
const CANCEL: u32 = 8;

#[tokio::test]
async fn what_was_provably_not_processed_goes_to_another_session_with_its_whole_body() {
    for does in [Does::Reset(REFUSED), Does::Goes(0, NO_ERROR), Does::Goes(0, INTERNAL)] {
        let scene = Scene::new(does).await;
        let status = scene.house.call(READ, &scene.house.token, &[]).await;
        assert_eq!(status.code(), Code::Ok, "{does:?}: {status:?}");
        let seen = scene.other.seen.lock().expect("lock");
        assert_eq!(seen.len(), 1, "{does:?}");
        assert_eq!((seen[0].path.as_str(), seen[0].body.as_slice()), (READ, &b"body"[..]));
        assert_eq!(seen[0].headers["gitproxy-caller"], "s");
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_processed_is_never_sent_again() {
    let table = [
        (Does::Cuts, Code::Unavailable, Reason::TunnelLost),
        (Does::Goes(1, NO_ERROR), Code::Unavailable, Reason::TunnelLost),
        (Does::Goes(1, INTERNAL), Code::Unavailable, Reason::TunnelLost),
        (Does::Reset(INTERNAL), Code::Internal, Reason::Internal),
        (Does::Reset(CANCEL), Code::Cancelled, Reason::Unspecified),
        (Does::Reset(NO_ERROR), Code::Internal, Reason::Internal),
    ];
    for (does, code, expected) in table {
        let scene = Scene::new(does).await;
        let status = scene.house.call(READ, &scene.house.token, &[]).await;
        assert_eq!((status.code(), reason(&status)), (code, expected), "{does:?}: {status:?}");
        assert!(scene.other.seen.lock().expect("lock").is_empty(), "{does:?}");
    }
}

#[tokio::test]
async fn a_call_whose_pipe_has_ended_before_it_goes_elsewhere() {
    let scene = Scene::new(Does::Cuts).await;
    scene.tasks.cut();
    // The session has not left the directory yet, as in the moment after a pipe broke.
    assert_eq!(scene.house.call(READ, &scene.house.token, &[]).await.code(), Code::Ok);
    assert_eq!(scene.other.seen.lock().expect("lock").len(), 1);
}

#[tokio::test]
async fn a_body_that_is_too_long_to_keep_is_not_sent_again() {
    for (size, sent) in [(kept::MOST, 1), (kept::MOST + 1, 0)] {
        let scene = Scene::new(Does::Reset(REFUSED)).await;
        let body = Body::new(Full::from(vec![7; size]).map_err(|never| match never {}));
        let mut request = http::Request::post(READ).body(body).expect("a request");
        request.headers_mut().insert(header::AUTHORIZATION, bearer(&scene.house.token));
        let answer = scene.house.stack.clone().oneshot(request).await.expect("an answer");
        let seen = scene.other.seen.lock().expect("lock");
        assert_eq!(seen.len(), sent, "{size}");
        if sent == 0 {
            let status = Status::from_header_map(answer.headers()).expect("a status");
            assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::Draining));
        } else {
            assert_eq!(seen[0].body.len(), size);
        }
    }
}

#[tokio::test]
async fn with_no_other_session_the_caller_hears_what_the_first_said() {
    let scene = Scene::new(Does::Reset(REFUSED)).await;
    scene.house.directory.leave(&scene.house.directory.sessions(&fake::agent_id("acme", "a"))[1]);
    let status = scene.house.call(READ, &scene.house.token, &[]).await;
    assert_eq!((status.code(), reason(&status)), (Code::Unavailable, Reason::Draining));
}

/// Cuts the pipe after each number of bytes in turn, from before the preface to after the request: whatever the moment,
/// the call must not be executed twice.
#[tokio::test]
async fn wherever_the_pipe_is_cut_nothing_is_executed_twice() {
    let (mut moved, mut failed) = (0, 0);
    for bytes in 0..700 {
        let executed = Arc::new(AtomicUsize::new(0));
        let (near, far) = duplex(1 << 16);
        let tasks = Tasks::new();
        tasks.spawn(agent_behind_a_cut(far, bytes, Arc::clone(&executed), tasks.clone()));
        let channel = tunnel::channel(near, &Options::default(), &tasks).await.expect("a channel");
        let scene = Scene::with(channel, tasks);
        let status = scene.house.call(READ, &scene.house.token, &[]).await;
        // What the agent has received it may still work on.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        let (here, there) = (executed.load(Ordering::Relaxed), scene.other.seen.lock().expect("lock").len());
        assert!(here + there <= 1, "executed {here} and {there} times, cut after {bytes} bytes: {status:?}");
        assert!(here + there == 1 || status.code() != Code::Ok, "{bytes}: {status:?}");
        moved += there;
        failed += usize::from(reason(&status) == Reason::TunnelLost);
    }
    assert!(moved > 0 && failed > 0, "the cuts miss the call: {moved} {failed}");
}

/// A session here at a peer that does so with each call, and one elsewhere that answers.
struct Scene {
    house: House,
    other: Echo,
    tasks: Tasks,
}

impl Scene {
    async fn new(does: Does) -> Self {
        let (near, far) = duplex(1 << 20);
        let tasks = Tasks::new();
        let channel = tunnel::channel(near, &Options::default(), &tasks).await.expect("a channel");
        tasks.spawn(peer(far, does));
        Self::with(channel, tasks)
    }

    fn with(channel: Channel, tasks: Tasks) -> Self {
        let (house, agent) = (House::new(), fake::agent_id("acme", "a"));
        house.store.agent_key("acme", "a");
        let other = Echo::default();
        house.directory.enter(fake::attached(&agent, "here", channel), 16).expect("room");
        // At a peer, so that the other is tried first.
        house.directory.enter(fake::attached_at_peer(&agent, other.clone()), 16).expect("room");
        Self { house, other, tasks }
    }
}

/// Speaks just enough HTTP/2 (RFC 9113, 4.1).
async fn peer(mut io: DuplexStream, does: Does) {
    let mut preface = [0; 24];
    io.read_exact(&mut preface).await.expect("the preface");
    write(&mut io, 4, 0, &[]).await;
    // Room for a large body on the connection; a stream has 64 KiB less a byte.
    write(&mut io, 8, 0, &(1_u32 << 20).to_be_bytes()).await;
    loop {
        let Some((kind, flags, stream)) = frame(&mut io).await else { return };
        let opens = kind == 1;
        if opens {
            write(&mut io, 8, stream, &(1_u32 << 20).to_be_bytes()).await;
        }
        // DATA or HEADERS with END_STREAM: the call is here as a whole.
        if matches!(kind, 0 | 1) && flags & 1 == 1 {
            match does {
                Does::Reset(code) => write(&mut io, 3, stream, &code.to_be_bytes()).await,
                Does::Goes(last, code) => {
                    let gone = [last.to_be_bytes(), code.to_be_bytes()].concat();
                    write(&mut io, 7, 0, &gone).await;
                    if last > 0 {
                        return;
                    }
                }
                Does::Cuts => return,
            }
        }
    }
}

async fn frame(io: &mut DuplexStream) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    io.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    io.read_exact(&mut vec![0; length]).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

async fn write(io: &mut DuplexStream, kind: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [&length[1..], &[kind, 0], &stream.to_be_bytes()].concat();
    io.write_all(&[&head, payload].concat()).await.expect("open");
}

/// An agent that counts what it executes, behind a pipe that carries so many bytes towards it.
async fn agent_behind_a_cut(far: DuplexStream, bytes: u64, executed: Arc<AtomicUsize>, tasks: Tasks) {
    let service = service_fn(move |request: http::Request<Body>| {
        let executed = Arc::clone(&executed);
        async move {
            let body = request.into_body().collect().await;
            if body.is_ok_and(|body| !body.to_bytes().is_empty()) {
                executed.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, std::convert::Infallible>(Status::ok("").into_http())
        }
    });
    let (near, agent) = duplex(1 << 16);
    let own = tasks.clone();
    tasks.spawn(async move {
        tunnel::serve(agent, tunnel::Service::new(service), &Options::default(), &own).await;
    });
    let (from_gateway, mut to_gateway) = tokio::io::split(far);
    let (mut from_agent, mut to_agent) = tokio::io::split(near);
    let mut from_gateway = from_gateway.take(bytes);
    tokio::select! {
        _ = tokio::io::copy(&mut from_gateway, &mut to_agent) => {}
        _ = tokio::io::copy(&mut from_agent, &mut to_gateway) => {}
    }
}
