use std::collections::VecDeque;
use std::sync::Mutex;

use http::StatusCode;

use super::*;
use crate::bitbucket::Refusal;
use crate::bitbucket::account::tests::account;
use crate::bitbucket::error::{Doubt, Recovery};
use crate::bitbucket::transport::Transport;
use crate::ops::Call;
use crate::proto::Reason;

/// Gives one after the other.
struct Script<T>(Mutex<VecDeque<Result<T, Error>>>);

impl<T> Script<T> {
    fn new(outcomes: impl IntoIterator<Item = Result<T, Error>>) -> Self {
        Self(Mutex::new(outcomes.into_iter().collect()))
    }

    async fn next(&self) -> Result<T, Error> {
        self.0.lock().unwrap().pop_front().expect("no more was to be asked")
    }

    fn left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn client() -> Client {
    let nowhere = tower::service_fn(|_| async { panic!("nothing is to be sent") });
    Client::with(account("https://git.example"), Transport::new(nowhere)).expect("a client")
}

fn lost() -> Error {
    Error::Uncertain { doubt: Doubt::Cut, source: None }
}

fn refused() -> Error {
    let (exception, message, facts) = (String::new(), String::new(), Vec::new());
    Error::Refused(Box::new(Refusal {
        reason: Reason::BranchExists,
        status: StatusCode::BAD_REQUEST,
        exception,
        message,
        facts,
    }))
}

fn unsent() -> Error {
    let (hop, recovery) = (Reason::EgressConnect, Recovery::Retry);
    Error::Unreachable { says: String::new(), hop, recovery, source: "no".into() }
}

async fn once(
    tries: impl IntoIterator<Item = Result<u8, Error>>,
    looks: impl IntoIterator<Item = Result<Option<u8>, Error>>,
) -> (Result<u8, Error>, usize, usize) {
    let (tries, looks) = (Script::new(tries), Script::new(looks));
    let done = client().once_only(|| tries.next(), || looks.next()).await;
    (done, tries.left(), looks.left())
}

#[tokio::test(start_paused = true)]
async fn a_lost_write_that_is_found_is_not_repeated() {
    assert!(matches!(once([Err(lost())], [Ok(None), Err(unsent()), Ok(Some(7))]).await, (Ok(7), 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_or_was_not_sent_is_not_looked_for() {
    assert!(matches!(once([Err(refused())], []).await, (Err(Error::Refused(_)), 0, 0)));
    assert!(matches!(once([Err(unsent())], []).await, (Err(Error::Unreachable { .. }), 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_lost_write_without_a_trace_is_repeated_once() {
    let none = || Ok(None);
    let looks = [none(), none(), none(), none()];
    assert!(matches!(once([Err(lost()), Ok(8)], looks).await, (Ok(8), 0, 0)));
    let looks = [none(), none(), none(), none(), Ok(Some(7))];
    assert!(matches!(once([Err(lost()), Err(refused())], looks).await, (Ok(7), 0, 0)));
    let looks = [none(), none(), none(), none(), none()];
    assert!(matches!(once([Err(lost()), Err(refused())], looks).await, (Err(Error::Refused(_)), 0, 0)));
    let looks = [none(), none(), none(), none()];
    let again = once([Err(lost()), Err(unsent())], looks).await;
    assert!(matches!(again, (Err(Error::Uncertain { .. }), 0, 0)), "the first stays in doubt");
    let looks: Vec<_> = (0..8).map(|_| none()).collect();
    assert!(matches!(once([Err(lost()), Err(lost())], looks).await, (Err(Error::Uncertain { .. }), 0, 0)));
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_past_the_deadline() {
    let deadline = Some(Instant::now() + Duration::from_millis(100));
    let client = client().during(Call { deadline, ..Call::default() });
    let looks = Script::new([Ok(None::<u8>), Ok(Some(7))]);
    assert_eq!(client.look_again(|| looks.next()).await, None);
    assert_eq!(looks.left(), 1);
}
