use super::*;
use crate::proto::tunnel::v1::HeldConnection;
use crate::scm::HeldSecret;
use crate::scm::testing::Recorder;

fn settings(token: &str, project: &str) -> Settings {
    let held = HeldConnection {
        name: "cloud".into(),
        url: "https://git.example/bitbucket".into(),
        token: token.into(),
        projects: vec![project.into()],
        ..Default::default()
    };
    HeldSecret::from(held).settings().expect("usable")
}

/// Makes recorders in place of clients, and notes for which account.
fn held(made: &Recorder, allowance: usize) -> impl HeldBackends {
    let made = made.clone();
    let make = move |account: Account| {
        made.note(format!("{} {}", account.name, account.base));
        Ok(made.clone())
    };
    Held::new(make, Allowance(allowance))
}

#[test]
fn a_client_is_made_once_for_each_token() {
    let made = Recorder::new();
    let held = held(&made, 1);
    for token in ["one", "one", "two", "one"] {
        held.backend(&settings(token, "SHOP")).map(drop).expect("a client");
    }
    assert_eq!(made.take(), ["cloud https://git.example/bitbucket"; 2]);
}

#[test]
fn a_project_key_that_is_none_makes_the_connection_invalid() {
    let made = Recorder::new();
    let refused = held(&made, 1).backend(&settings("one", "a/b")).err().expect("refused");
    assert_eq!(refused.reason(), Reason::ConnectionInvalid);
    assert!(made.take().is_empty());
}

#[test]
fn a_server_beyond_the_allowance_gets_no_client() {
    let made = Recorder::new();
    let refused = held(&made, 0).backend(&settings("one", "SHOP")).err().expect("refused");
    assert_eq!(refused.reason(), Reason::OriginRefused);
    assert!(made.take().is_empty());
}
