//! A cloud service's connection to a balancer, kept as gRPC clients keep theirs, and without retries.
//!
//! A gateway that leaves says GOAWAY: what is in flight goes on, and new calls need a new connection. A call that the client
//! itself still has in its hands then has never been made, and goes on the new connection (gRPC's "Retry Design", transparent
//! retries, the first case); hyper hands such a call back. What has left is never sent again.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gitproxy::ops::Tasks;
use gitproxy::tunnel;
use tokio::sync::Mutex;
use tonic::Status;

use super::house::{Caller, Way};

/// See the module. Clones share the connection.
#[derive(Clone)]
pub(crate) struct Line(Arc<Inner>);

struct Inner {
    way: Way,
    open: Mutex<(u64, Option<Caller>)>,
    handed_back: AtomicU64,
}

impl Line {
    /// It dials with the first call.
    pub(crate) fn new(way: Way) -> Self {
        Self(Arc::new(Inner { way, open: Mutex::new((0, None)), handed_back: AtomicU64::new(0) }))
    }

    /// Calls that the client got back unsent, and made on its next connection.
    pub(crate) fn handed_back(&self) -> u64 {
        self.0.handed_back.load(Ordering::Relaxed)
    }

    /// Where tasks of callers run.
    pub(crate) fn tasks(&self) -> &Tasks {
        self.0.way.tasks()
    }

    /// Makes a call, on a new connection where the last one takes none any more.
    pub(crate) async fn call<A, F>(&self, call: impl Fn(Caller) -> F) -> Result<A, Status>
    where
        F: Future<Output = Result<A, Status>>,
    {
        loop {
            let (number, caller) = self.caller().await?;
            match call(caller).await {
                Err(status) if tunnel::is_unprocessed(&status) => {
                    self.0.handed_back.fetch_add(1, Ordering::Relaxed);
                    self.gone(number).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn caller(&self) -> Result<(u64, Caller), Status> {
        // Who comes while another dials waits for that one's outcome.
        let mut open = self.0.open.lock().await;
        if let (number, Some(caller)) = &*open
            && !caller.channel.is_closed()
        {
            return Ok((*number, caller.clone()));
        }
        let number = open.0 + 1;
        let caller = self.0.way.caller().await.map_err(Status::unavailable)?;
        *open = (number, Some(caller.clone()));
        Ok((number, caller))
    }

    /// The connection of this number takes no more calls.
    async fn gone(&self, number: u64) {
        let mut open = self.0.open.lock().await;
        if open.0 == number {
            open.1 = None;
        }
    }
}
