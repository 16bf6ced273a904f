//! Which session of an agent takes a call.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Place, Session};
use crate::gateway::dice::Dice;
use crate::gateway::headers::Label;

/// What a call wants of the session that takes it.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::gateway) struct Wanted<'a> {
    /// All of these must be the instance's.
    pub(in crate::gateway) labels: &'a [Label],
    /// Sessions, by their ids, that have had their chance.
    pub(in crate::gateway) tried: &'a [String],
}

/// The session that takes the next call; `None` where none fits.
///
/// It must take new calls and have the labels. Of those that do: not a sick one if another is well; not one at another
/// gateway if one is here; of an instance only the newest, since an instance that dials again has doubts about its first;
/// and of two at random the one with fewer calls in flight. Two, not all: what is in flight is known late, and everybody
/// running to the least loaded one would overrun it.
pub(in crate::gateway) fn choose<'a>(
    sessions: &'a [Arc<Session>],
    wanted: &Wanted<'_>,
    dice: &Dice,
) -> Option<&'a Arc<Session>> {
    let mut fit: Vec<_> = sessions.iter().filter(|session| wanted.fits(session)).collect();
    prefer(&mut fit, |session| !session.upstream.is_sick());
    prefer(&mut fit, |session| session.place == Place::Here);
    keep_newest(&mut fit);
    let (one, other) = dice.two_of(fit.len())?;
    Some(if fit[other].upstream.in_flight() < fit[one].upstream.in_flight() { fit[other] } else { fit[one] })
}

/// The newest session here that is still open though its instance asked for no more calls: what a gateway that drains
/// tries before it gives a call up. The instance takes the call, or says that it did not process it.
pub(in crate::gateway) fn choose_leaving<'a>(
    sessions: &'a [Arc<Session>],
    wanted: &Wanted<'_>,
) -> Option<&'a Arc<Session>> {
    sessions.iter().rev().find(|session| session.place == Place::Here && wanted.may_have(session))
}

impl Wanted<'_> {
    fn fits(&self, session: &Session) -> bool {
        !session.is_draining() && self.may_have(session)
    }

    fn may_have(&self, session: &Session) -> bool {
        let labelled = self.labels.iter().all(|label| session.labels.get(&label.key) == Some(&label.value));
        labelled && !self.tried.contains(&session.id)
    }
}

/// Keeps those that are good, unless none is.
fn prefer(sessions: &mut Vec<&Arc<Session>>, good: impl Fn(&Session) -> bool) {
    if sessions.iter().any(|session| good(session)) {
        sessions.retain(|session| good(session));
    }
}

/// Keeps the last session of each instance.
fn keep_newest(sessions: &mut Vec<&Arc<Session>>) {
    if sessions.len() > 1 {
        let mut seen = HashSet::new();
        sessions.reverse();
        sessions.retain(|session| seen.insert(session.instance.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake;

    const ANY: Wanted<'static> = Wanted { labels: &[], tried: &[] };

    fn chosen(sessions: &[Arc<Session>], wanted: &Wanted<'_>) -> Vec<String> {
        let dice = Dice::seeded(7);
        (0..200).filter_map(|_| choose(sessions, wanted, &dice)).map(|it| it.instance.clone()).collect()
    }

    fn only(sessions: &[Arc<Session>], wanted: &Wanted<'_>, instance: &str) -> bool {
        chosen(sessions, wanted).iter().all(|it| it == instance) && !chosen(sessions, wanted).is_empty()
    }

    #[test]
    fn of_two_the_one_with_fewer_calls_is_chosen() {
        assert!(only(&[fake::session("one", 3), fake::session("two", 1)], &ANY, "two"));
    }

    #[test]
    fn the_most_loaded_of_three_gets_nothing_and_the_least_loaded_most() {
        let sessions = [fake::session("one", 3), fake::session("two", 1), fake::session("three", 2)];
        let chosen = chosen(&sessions, &ANY);
        let count = |instance| chosen.iter().filter(|it| *it == instance).count();
        assert_eq!(count("one"), 0);
        assert!(count("two") > count("three") && count("three") > 0, "{} {}", count("two"), count("three"));
    }

    #[test]
    fn equals_share_the_calls() {
        let sessions = [fake::session("one", 0), fake::session("two", 0)];
        let ones = chosen(&sessions, &ANY).iter().filter(|it| *it == "one").count();
        assert!((60..=140).contains(&ones), "{ones} of 200");
    }

    #[test]
    fn a_draining_session_gets_nothing_new() {
        let sessions = [fake::session("one", 0), fake::session("two", 9)];
        sessions[0].drain();
        assert!(only(&sessions, &ANY, "two"));
        sessions[1].drain();
        assert!(choose(&sessions, &ANY, &Dice::seeded(7)).is_none());
    }

    #[test]
    fn the_second_session_of_an_instance_takes_over_from_the_first() {
        let sessions = [fake::session("one", 0), fake::session("one", 5)];
        let chosen =
            |wanted: &Wanted<'_>| choose(&sessions, wanted, &Dice::seeded(7)).expect("one").id.clone();
        assert_eq!(chosen(&ANY), sessions[1].id);
        let tried = [sessions[1].id.clone()];
        assert_eq!(chosen(&Wanted { tried: &tried, ..ANY }), sessions[0].id);
        sessions[1].drain();
        assert_eq!(chosen(&ANY), sessions[0].id);
    }

    #[test]
    fn a_sick_session_is_passed_over_while_another_is_well() {
        let sessions = [fake::sick("one"), fake::session("two", 9)];
        assert!(only(&sessions, &ANY, "two"));
        // The older session of the same instance is better than its sick newest one.
        assert!(only(&[fake::session("one", 9), fake::sick("two")], &ANY, "one"));
        assert!(only(&[fake::sick("one")], &ANY, "one"), "a sick one is better than none");
    }

    #[test]
    fn a_session_here_goes_before_one_at_a_peer_unless_it_is_sick() {
        let sessions = [fake::at_peer("one", 0), fake::session("two", 9)];
        assert!(only(&sessions, &ANY, "two"));
        assert!(only(&[fake::at_peer("one", 0), fake::sick("two")], &ANY, "one"));
    }

    #[test]
    fn only_an_instance_with_every_label_is_chosen() {
        let label = |key: &str, value: &str| Label { key: key.into(), value: value.into() };
        let sessions = [
            fake::labelled("one", &[("zone", "a"), ("disk", "big")]),
            fake::labelled("two", &[("zone", "b"), ("disk", "big")]),
        ];
        let both = [label("zone", "b"), label("disk", "big")];
        assert!(only(&sessions, &Wanted { labels: &both, ..ANY }, "two"));
        let none = [label("zone", "a"), label("disk", "small")];
        assert!(choose(&sessions, &Wanted { labels: &none, ..ANY }, &Dice::seeded(7)).is_none());
    }
}
