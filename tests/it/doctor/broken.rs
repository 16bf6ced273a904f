//! Set-ups that are broken in one place each: the doctor names the place, in time, with the cause and a remedy that helps.
//!
//! What is expected is a [`Diagnosis`]: the first check of a leg that fails, which is where the way ends.

mod bitbucket;
mod certificates;
mod gateway;
mod proxies;
mod silent;

use std::time::Duration;

use serde_json::Value;

use super::visit::{Told, Visit};

/// What the doctor must say of a set-up.
struct Diagnosis {
    /// The exit code.
    code: i32,
    /// The leg that is broken.
    leg: &'static str,
    /// The check that names the place.
    check: &'static str,
    /// Of docs/troubleshooting.md.
    section: &'static str,
    /// Parts of the cause.
    cause: &'static [&'static str],
    /// A part of the remedy.
    remedy: &'static str,
}

#[tokio::test]
async fn an_authority_that_is_no_certificate_is_a_bad_setting_and_nothing_is_dialed() {
    let visit = Visit::new().await.trusting("-----BEGIN NONSENSE-----");
    let told = visit.doctor(&["--json"]).await;
    Diagnosis {
        code: 3,
        leg: "settings",
        check: "settings",
        section: "settings",
        cause: &["trust.ca_files", "more.pem is not sound PEM", "no line `-----END CERTIFICATE-----`"],
        remedy: "paths to PEM files",
    }
    .is_told_by(&told);
    assert_eq!((told.legs(), visit.world.sim.request_count()), (vec!["settings".to_owned()], 0));
}

impl Diagnosis {
    /// Runs the doctor and compares what it says.
    async fn of(self, visit: &Visit) {
        self.is_told_by(&visit.doctor(&["--json"]).await);
    }

    #[track_caller]
    fn is_told_by(&self, told: &Told) {
        let all = told.all();
        assert_eq!(told.code, self.code, "{all}");
        let failed = told.failed(self.leg);
        assert_eq!(failed.first().map(String::as_str), Some(self.check), "{all}");
        let check = told.check(self.leg, self.check);
        assert_eq!(check["docs"], format!("docs/troubleshooting.md#{}", self.section), "{all}");
        let [cause, remedy] = ["cause", "remedy"].map(|name| check[name].as_str().expect("a sentence"));
        for part in self.cause {
            assert!(cause.contains(part), "no `{part}` in `{cause}`");
        }
        assert!(remedy.contains(self.remedy), "no `{}` in `{remedy}`", self.remedy);
        // The agent may go on; an examination does not.
        assert!(!format!("{cause} {remedy}").contains("goes on trying"), "{cause}; {remedy}");
        in_time(told);
    }
}

/// Fails unless the whole and each part of it were through within the limit.
#[track_caller]
fn in_time(told: &Told) {
    assert!(told.took <= LIMIT, "it took {:?}: {}", told.took, told.all());
    let report = told.json();
    let parts = ["/took_ms".to_owned()].into_iter().chain(
        (0..told.legs().len())
            .flat_map(|leg| (0..).map(move |check| format!("/legs/{leg}/checks/{check}/took_ms")).take(40)),
    );
    for took in parts.filter_map(|part| report.pointer(&part).and_then(Value::as_u64)) {
        assert!(Duration::from_millis(took) <= LIMIT, "{took} ms: {}", told.all());
    }
}

/// What the issue promises for a whole examination.
const LIMIT: Duration = Duration::from_secs(15);

const GATEWAY: &str = "gateway";
const BITBUCKET: &str = "bitbucket main";
