//! The doctor of a running agent, for those who ask through the gateway.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Leg, Part, Report, Verdict, examine_within};
use crate::agent::Config;
use crate::agent::instances::Doctor;
use crate::bitbucket::Budgets;
use crate::ops::Tasks;
use crate::proto::agent::v1::{self as pb, DiagnoseResponse, LegKind};

/// The last answer; whoever asks while an examination goes on waits for the lock, and gets that one's.
#[derive(Default)]
struct Shared(Mutex<Option<(Instant, DiagnoseResponse)>>);

/// Answers with what `gitproxy doctor` finds, without what only the operator may see.
///
/// One examination at a time: an answer younger than [`FRESH`] is given again, so that nobody makes the agent dial as
/// often as they like.
pub(in crate::agent) fn remote(config: Config, budgets: Budgets, tasks: Tasks) -> Doctor {
    let (config, shared) = (Arc::new(config), Arc::new(Shared::default()));
    Arc::new(move || {
        let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
        let (budgets, tasks) = (budgets.clone(), tasks.clone());
        Box::pin(async move { shared.answer(async || examine_within(&config, &budgets, &tasks).await).await })
    })
}

impl Shared {
    async fn answer(&self, examine: impl AsyncFnOnce() -> Report) -> DiagnoseResponse {
        let mut last = self.0.lock().await;
        if let Some((at, answer)) = last.as_ref()
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = response(&examine().await);
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

/// The legs that lead somewhere, and the settings where they are not usable any more, since there is no other leg then.
/// That they are usable needs no leg.
fn response(report: &Report) -> DiagnoseResponse {
    DiagnoseResponse { legs: report.legs.iter().filter_map(leg).collect() }
}

fn leg(leg: &Leg) -> Option<pb::Leg> {
    let (kind, name) = match &leg.part {
        Part::Held => return None,
        Part::Settings if leg.verdict() <= Verdict::Passed => return None,
        Part::Settings => (LegKind::Settings, "settings"),
        Part::Gateway => (LegKind::Gateway, "gateway"),
        Part::Bitbucket(name) => (LegKind::Bitbucket, name.as_str()),
    };
    Some(pb::Leg {
        name: name.to_owned(),
        target: leg.target.clone(),
        checks: leg.checks.iter().map(Into::into).collect(),
        kind: kind.into(),
    })
}

const FRESH: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{advance, sleep};

    use super::super::report::tests::{failed, report};
    use super::super::settings;
    use super::*;
    use crate::agent::Error;
    use crate::egress::TrustError;
    use crate::ops::Check;

    #[tokio::test(start_paused = true)]
    async fn who_asks_meanwhile_or_soon_after_gets_the_same_answer() {
        let (shared, count) = (Shared::default(), AtomicUsize::new(0));
        let ask = || {
            shared.answer(async || {
                count.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(10)).await;
                report([(Part::Gateway, Check::passed("tls", "fine"))])
            })
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!((first, count.load(Ordering::Relaxed)), (second, 1));
        advance(FRESH).await;
        ask().await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_cloud_sees_the_legs_and_not_the_detail() {
        let secretive = failed("tcp").detail("10.1.2.3:443");
        let legs = [
            (Part::Settings, Check::passed("settings", "usable")),
            (Part::Gateway, secretive.clone()),
            (Part::Bitbucket("main".to_owned()), secretive),
            (Part::Held, Check::skipped("settings", "none")),
        ];
        let sent = response(&report(legs));
        let seen: Vec<_> = sent.legs.iter().map(|leg| (leg.name.as_str(), leg.kind())).collect();
        assert_eq!(seen, [("gateway", LegKind::Gateway), ("main", LegKind::Bitbucket)]);
        let shown = format!("{sent:?}");
        assert!(shown.contains("it broke") && !shown.contains("10.1.2.3"), "{shown}");
    }

    #[test]
    fn a_file_that_went_bad_is_a_leg_of_its_own_and_its_path_stays_here() {
        let unreadable = TrustError::Source {
            name: "/etc/secret-place/ca.crt".to_owned(),
            what: "has no certificate".to_owned(),
        };
        let sent = response(&settings::bad_files(&Error::from(unreadable)));
        assert_eq!(sent.legs.len(), 1, "{sent:?}");
        assert_eq!((sent.legs[0].name.as_str(), sent.legs[0].kind()), ("settings", LegKind::Settings));
        let shown = format!("{sent:?}");
        assert!(shown.contains("cannot be used any more") && !shown.contains("secret-place"), "{shown}");
    }
}
