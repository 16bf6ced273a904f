//! The leg of a connection, from here to what its token may do.

use tokio::time::{Instant, timeout_at};

use super::{Leg, Part, unfinished};
use crate::bitbucket::{Account, Budgets, Client};
use crate::egress::Egress;
use crate::ops::{Advice, Check};

/// Asks one Bitbucket all that its client knows to ask.
pub(super) async fn leg(account: &Account, egress: &Egress, budgets: &Budgets, deadline: Instant) -> Leg {
    let started = Instant::now();
    let checks = match Client::new(account.clone(), egress, budgets) {
        Ok(client) => timeout_at(deadline, client.probe())
            .await
            .unwrap_or_else(|_| vec![unfinished("status", "bitbucket-unavailable", started.elapsed())]),
        Err(error) => vec![unfit(&error)],
    };
    Leg { part: Part::Bitbucket(account.name.clone()), target: account.base.to_string(), checks }
}

/// What there is to say where the settings have no connection.
pub(super) fn held() -> Leg {
    let why = "the settings have no connection: the cloud holds them, and TestConnection examines each";
    Leg { part: Part::Held, target: String::new(), checks: vec![Check::skipped("settings", why)] }
}

fn unfit(error: &crate::bitbucket::Error) -> Check {
    let remedy = "correct the url of this connection, such as https://git.example.com/bitbucket";
    Check::failed("settings", "no client", Advice::new(error.to_string(), remedy, "settings"))
}
