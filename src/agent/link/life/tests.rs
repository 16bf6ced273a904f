//! Whole links in paused time, over wires in memory that the tests spoil.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{Notify, watch};
use tonic::Code;

use super::super::sessions::sessions;
use super::super::tests::{Seat, call, link, named};
use super::super::{SessionStatus, Sessions};
use super::*;
use crate::proto::Reason;
use crate::tunnel::{self, Options, Service};

/// What happens to bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    Fair,
    /// In packets, at most this many bytes a second.
    Slow(u32),
    /// They wait.
    Held,
    /// They vanish, and nobody is told.
    Blackhole,
}

/// A link, and the wires of its dials in their order.
struct Scene {
    seats: mpsc::Receiver<Seat>,
    wires: Arc<Mutex<Vec<watch::Sender<Weather>>>>,
    sessions: Sessions,
    state: watch::Receiver<State>,
    go: Arc<Notify>,
    tasks: Tasks,
}

impl Scene {
    /// The first dial reaches the first of these gateways, and so on in turns.
    fn new(gateways: &'static [(&'static str, u32)]) -> Self {
        let (tasks, go) = (Tasks::new(), Arc::<Notify>::default());
        let (mut link, state) = link(SocketAddr::from(([127, 0, 0, 1], 1)), &go, &tasks);
        let (published, sessions) = sessions();
        link.sessions = published;
        let (taken, seats) = mpsc::channel(16);
        let wires = Arc::<Mutex<Vec<_>>>::default();
        let doors: Vec<_> =
            gateways.iter().map(|name| named(*name, None, taken.clone(), &Tasks::new())).collect();
        let known = Arc::clone(&wires);
        tasks.spawn(async move {
            let way = || -> Dial<'_> {
                let mut wires = known.lock().expect("whole");
                let door = doors[wires.len() % doors.len()].clone();
                let (near, weather) = wire(door);
                wires.push(weather);
                Box::pin(link.greet(near))
            };
            Life::new(&link, &way).run().await;
        });
        Self { seats, wires, sessions, state, go, tasks }
    }

    async fn seat(&mut self) -> Seat {
        self.seats.recv().await.expect("attached")
    }

    fn spoil(&self, wire: usize, weather: Weather) {
        self.wires.lock().expect("whole")[wire].send_replace(weather);
    }

    fn dials(&self) -> usize {
        self.wires.lock().expect("whole").len()
    }

    fn phases(&self) -> Vec<Phase> {
        self.sessions.list().iter().map(|session| session.phase).collect()
    }

    async fn until(&mut self, phases: &[Phase]) {
        while self.phases() != phases {
            self.sessions.changed().await;
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

/// A wire to a gateway.
fn wire(door: Service) -> (DuplexStream, watch::Sender<Weather>) {
    let ((near, near_inside), (far, far_inside)) = (duplex(SOCKET), duplex(SOCKET));
    let (weather, forecast) = watch::channel(Weather::Fair);
    let (near_read, near_write) = tokio::io::split(near_inside);
    let (far_read, far_write) = tokio::io::split(far_inside);
    // Not those of the agent: what it drops must not tidy up the gateway.
    let tasks = Tasks::new();
    tasks.spawn(carry(near_read, far_write, forecast.clone()));
    tasks.spawn(carry(far_read, near_write, forecast));
    let inner = tasks.clone();
    // As the gateway's listener has it.
    let options = Options { ping_every: Duration::from_secs(20), ..Options::default() };
    tasks.spawn(async move { drop(tunnel::serve(far, door, &options, &inner).await) });
    (near, weather)
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
) {
    let mut packet = vec![0; PACKET];
    while let Ok(len @ 1..) = from.read(&mut packet).await {
        let Ok(now) = weather.wait_for(|now| *now != Weather::Held).await.map(|now| *now) else { return };
        match now {
            Weather::Blackhole => continue,
            Weather::Slow(rate) => {
                time::sleep(Duration::from_secs_f64(len as f64 / f64::from(rate))).await;
            }
            Weather::Fair | Weather::Held => {}
        }
        if to.write_all(&packet[..len]).await.is_err() {
            return;
        }
    }
}

async fn pass(seconds: u64) {
    time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_bypassed_in_about_two_seconds_and_its_calls_fail_by_the_tenth() {
    let mut scene = Scene::new(&[("g1", 1)]);
    let (old, _control) = scene.seat().await;
    let mut slow = Box::pin(call(&old, "/slow"));
    assert!(futures_util::poll!(&mut slow).is_pending());
    pass(20).await;
    scene.spoil(0, Weather::Blackhole);
    let start = Instant::now();
    let (new, _control) = scene.seat().await;
    assert!(start.elapsed() <= Duration::from_millis(2500), "{:?}", start.elapsed());
    assert_eq!(call(&new, "/any").await.expect("an answer"), 200);
    assert!(old.pulse().is_doubtful(), "the gateway knows too");
    assert_eq!(scene.phases(), [Phase::Doubted, Phase::Open]);
    assert!(scene.state.borrow().is_attached());
    let failed = slow.await.expect_err("its pipe is dead");
    assert_eq!((failed.code(), Reason::of(&failed)), (Code::Unavailable, Some(Reason::TunnelLost)));
    assert!(start.elapsed() <= Duration::from_secs(10), "{:?}", start.elapsed());
    scene.until(&[Phase::Open]).await;
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
    assert_eq!(scene.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn when_the_doubted_one_lives_again_it_finishes_its_calls_and_goes() {
    let mut scene = Scene::new(&[("g1", 1)]);
    let (old, mut control) = scene.seat().await;
    let mut slow = Box::pin(call(&old, "/slow"));
    assert!(futures_util::poll!(&mut slow).is_pending());
    pass(20).await;
    scene.spoil(0, Weather::Held);
    let (_new, _control) = scene.seat().await;
    scene.until(&[Phase::Doubted, Phase::Open]).await;
    scene.spoil(0, Weather::Fair);
    assert!(control.draining().await.cause.contains("another session"));
    scene.until(&[Phase::Leaving, Phase::Open]).await;
    assert_eq!(scene.sessions.list()[0].in_flight, 1);
    scene.go.notify_one();
    assert_eq!(slow.await.expect("an answer"), 200);
    scene.until(&[Phase::Open]).await;
    assert_eq!(scene.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_is_neither_cut_nor_doubted() {
    // Below that a message of 64 KiB alone takes two seconds.
    for rate in [250_000, 40_000] {
        let mut scene = Scene::new(&[("g1", 1)]);
        let (channel, _control) = scene.seat().await;
        pass(20).await;
        scene.spoil(0, Weather::Slow(rate));
        let downloads = (0..4).map(|_| call(&channel, "/large"));
        let (agent_end, gateway_end) = (scene.doubted(), channel.pulse().doubtful());
        tokio::select! {
            biased;
            () = agent_end => panic!("{rate}: the agent doubts"),
            () = gateway_end => panic!("{rate}: the gateway doubts"),
            done = futures_util::future::join_all(downloads) => {
                assert!(done.iter().all(Result::is_ok), "{rate}: {done:?}");
            }
            () = pass(600) => assert_eq!(rate, 40_000, "it takes its time"),
        }
        assert_eq!((scene.dials(), scene.phases()), (1, vec![Phase::Open]));
    }
}

#[tokio::test(start_paused = true)]
async fn two_gateways_get_a_session_each_and_the_loss_of_one_leaves_the_other_alone() {
    let mut scene = Scene::new(&[("g1", 2), ("g2", 2)]);
    let (first, _control) = scene.seat().await;
    let (second, _control) = scene.seat().await;
    scene.until(&[Phase::Open, Phase::Open]).await;
    pass(20).await;
    assert_eq!(scene.dials(), 2);
    scene.spoil(0, Weather::Blackhole);
    assert_eq!(call(&second, "/any").await.expect("an answer"), 200);
    first.closed().await;
    let rest = scene.sessions.list();
    let phase = rest.iter().find(|session| session.gateway == "g2").map(|session| session.phase);
    assert_eq!((second.is_closed(), phase), (false, Some(Phase::Open)));
    assert!(scene.state.borrow().is_attached());
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_tells_who_how_long_and_how_many() {
    let mut scene = Scene::new(&[("g1", 1)]);
    let (channel, _control) = scene.seat().await;
    let mut slow = Box::pin(call(&channel, "/slow"));
    assert!(futures_util::poll!(&mut slow).is_pending());
    assert_eq!(call(&channel, "/any").await.expect("an answer"), 200, "the slow call is under way");
    let [SessionStatus { id, gateway, quiet_for, in_flight, phase, .. }] = &scene.sessions.list()[..] else {
        panic!("one session")
    };
    assert_eq!((id.as_str(), gateway.as_str(), *in_flight, *phase), ("s-1", "g1", 1, Phase::Open));
    assert!(*quiet_for < Duration::from_secs(2));
}

impl Scene {
    /// Waits until a session is doubted.
    async fn doubted(&self) {
        let mut sessions = self.sessions.clone();
        while sessions.list().iter().all(|session| session.phase != Phase::Doubted) {
            sessions.changed().await;
        }
    }
}

const SOCKET: usize = 64 * 1024;
const PACKET: usize = 1500;
