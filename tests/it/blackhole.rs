//! A way to the gateway that swallows everything, in real time and with both programs: what the kernel's sockets do then is
//! part of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitbucket_sim::{Fault, Rule};
use gitproxy::ops::Tasks;
use gitproxy::proto::Reason;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Code;

use crate::processes::house::House;

#[tokio::test]
async fn it_is_bypassed_in_two_to_three_seconds_and_its_calls_fail_by_the_tenth() {
    let house = House::new().await;
    let relay = Relay::to(house.gateway_addr()).await;
    let agent = house.start_agent(&[("GATEWAY_URL", &relay.url())]);
    let caller = house.caller().await;
    caller.get_repo_soon().await;
    house.sim.knobs().add(Rule::new(Fault::Stall).path("/archive"));
    let seen = house.sim.request_count();
    let (failed, ()) = tokio::join!(caller.archive(), async {
        while house.sim.request_count() == seen {
            tokio::task::yield_now().await;
        }
        relay.swallow();
        let start = Instant::now();
        agent.says_times("life: attached", 2).await;
        let took = start.elapsed();
        assert!((Duration::from_secs(1)..Duration::from_secs(4)).contains(&took), "{took:?}");
        // It is the newest, so what comes now goes there.
        house.gateway.says_times("agent attached", 2).await;
        let answer = timeout(Duration::from_secs(2), caller.get_repo()).await.expect("no wait");
        assert!(answer.expect("an answer").repo.is_some());
        house.gateway.says("agent left").await;
        assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    });
    let failed = failed.expect_err("its session is dead");
    assert_eq!((failed.code(), Reason::of(&failed)), (Code::Unavailable, Some(Reason::TunnelLost)));
    let ended = agent.says("the session ended").await;
    assert!(ended.contains("the peer sent nothing for 10s"), "{ended}");
    assert!(!agent.log().contains("not attached"), "{}", agent.log());
}

/// Stands before the gateway, and passes bytes on until it is told to swallow them.
struct Relay {
    addr: SocketAddr,
    /// The connections before this one are dark.
    dark: watch::Sender<usize>,
    taken: watch::Receiver<usize>,
    tasks: Tasks,
}

impl Relay {
    async fn to(gateway: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        let (dark, darkness) = watch::channel(0);
        let (count, taken) = watch::channel(0);
        let (tasks, inner) = (Tasks::new(), Tasks::new());
        tasks.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let own = *count.borrow();
                count.send_replace(own + 1);
                let far = dial(gateway).await;
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                inner.spawn(carry(near_read, far_write, own, darkness.clone()));
                inner.spawn(carry(far_read, near_write, own, darkness.clone()));
            }
        });
        Self { addr, dark, taken, tasks }
    }

    fn url(&self) -> String {
        crate::world::url(self.addr)
    }

    /// From now on nothing passes on the connections that there are, and nobody is told; new ones work.
    fn swallow(&self) {
        self.dark.send_replace(*self.taken.borrow());
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

#[expect(clippy::disallowed_methods, reason = "the network between the programs, not a part of them")]
async fn dial(gateway: SocketAddr) -> TcpStream {
    TcpStream::connect(gateway).await.expect("the gateway listens")
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    own: usize,
    darkness: watch::Receiver<usize>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        if own >= *darkness.borrow() && to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
    if own < *darkness.borrow() {
        // Not even its end gets through.
        std::future::pending::<()>().await;
    }
}
