use super::*;
use crate::bitbucket::names::ProjectKey;
use crate::bitbucket::watch::testing::{Bitbucket, HEAD, OTHER, web};

fn watch(bitbucket: &Bitbucket, of: Of) -> Builds {
    let projects = [ProjectKey::parse("SHOP").expect("a key")].into_iter().collect();
    let repo = RepoId::parse("repo", web().as_ref(), &projects).expect("inside");
    let place = Place::new("WatchBuildStatus", &repo, "x");
    Builds::new(bitbucket.client(), repo, of, place)
}

fn of_commit() -> Of {
    Of::Commit(CommitId::parse(HEAD).expect("a commit"))
}

async fn look(builds: &Builds) -> Looked<pb::WatchBuildStatusResponse> {
    builds.status().await.expect("it could look")
}

#[tokio::test(start_paused = true)]
async fn a_look_is_two_requests() {
    for (of, first) in [(of_commit(), HEAD), (Of::PullRequest(7), "7")] {
        let bitbucket = Bitbucket::default();
        let builds = watch(&bitbucket, of);
        for _ in 0..3 {
            look(&builds).await;
            assert_eq!(bitbucket.asked(), [first, HEAD]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_build_is_another_state_and_what_stays_is_the_same() {
    let bitbucket = Bitbucket::default();
    let builds = watch(&bitbucket, of_commit());
    let mut last = look(&builds).await;
    for states in [vec!["INPROGRESS"], vec!["FAILED"], vec!["FAILED", "SUCCESSFUL"], vec![]] {
        bitbucket.lock().builds = states.clone();
        let now = look(&builds).await;
        assert_ne!((now.state, &now.message.resume_token), (last.state, &last.message.resume_token));
        assert_eq!(now.message.builds.len(), states.len());
        let again = look(&builds).await;
        assert_eq!((again.state, &again.message), (now.state, &now.message), "{states:?}");
        last = now;
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_pull_request_it_follows_the_head_until_the_end() {
    let bitbucket = Bitbucket::default();
    let builds = watch(&bitbucket, Of::PullRequest(7));
    let first = look(&builds).await;
    assert_eq!((first.message.commit_id.as_str(), first.end), (HEAD, End::NotYet));
    // The same builds on another commit are news.
    bitbucket.lock().head = OTHER;
    let second = look(&builds).await;
    assert_eq!((second.message.commit_id.as_str(), second.end), (OTHER, End::NotYet));
    assert_ne!(second.state, first.state);
    for state in ["MERGED", "DECLINED"] {
        bitbucket.lock().state = state;
        assert_eq!(look(&builds).await.end, End::Reached, "{state}");
    }
    let of_commit = watch(&bitbucket, of_commit());
    assert_eq!(look(&of_commit).await.end, End::NotYet, "a commit has no end");
}

#[tokio::test(start_paused = true)]
async fn it_is_busy_while_a_build_runs_or_none_has_begun() {
    let bitbucket = Bitbucket::default();
    let builds = watch(&bitbucket, of_commit());
    for (states, mood) in [
        (vec![], Mood::Busy),
        (vec!["INPROGRESS", "SUCCESSFUL"], Mood::Busy),
        (vec!["SUCCESSFUL"], Mood::Calm),
        (vec!["FAILED"], Mood::Calm),
        (vec!["SOMETHING_NEW"], Mood::Calm),
    ] {
        bitbucket.lock().builds = states.clone();
        assert_eq!(look(&builds).await.mood, mood, "{states:?}");
    }
}
