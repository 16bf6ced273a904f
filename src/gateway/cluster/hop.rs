//! The mark of a call that has come over from another gateway, and what that gateway is told of its fate.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Status};

use crate::gateway::directory::Session;
use crate::gateway::headers;
use crate::gateway::name::{AgentId, Name};
use crate::proto::{Fault, Reason};
use crate::tunnel::{self, Body, wire};

/// Whose call it is: an instance of an agent. Another instance would not do, since the caller's side has chosen by label.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) agent: AgentId,
    pub(super) instance: String,
}

impl Hop {
    /// The header's value, `TENANT/AGENT/INSTANCE`.
    pub(super) fn mark(session: &(AgentId, String)) -> Result<HeaderValue, Status> {
        let (agent, instance) = session;
        HeaderValue::try_from(format!("{agent}/{instance}"))
            .map_err(|_| Fault::internal("an instance's id is no plain text").into())
    }

    /// Takes the mark out of the headers of a call.
    ///
    /// # Errors
    /// HEADER_RESERVED when there is none or it is malformed: no gateway of ours has sent it.
    pub(super) fn take(headers: &mut HeaderMap) -> Result<Self, Fault> {
        let value = headers.remove(HOP);
        let text = value.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut parts = text.split('/').map(str::to_owned);
        let mut next = || parts.next().unwrap_or_default();
        let (tenant, agent, instance) = (next(), next(), next());
        let parsed = Name::parse(&tenant).and_then(|tenant| Ok((tenant, Name::parse(&agent)?)));
        match parsed {
            Ok((tenant, agent)) if !instance.is_empty() && parts.next().is_none() => {
                Ok(Self { agent: AgentId { tenant, agent }, instance })
            }
            Ok(_) | Err(_) => Err(unmarked()),
        }
    }
}

/// What of a forwarded call goes on to the agent: all but the mark, with the secret marked again, which HPACK does not keep.
pub(super) fn relayed(headers: &mut HeaderMap) {
    headers.remove(HOP);
    if let Some(held) = headers.get_mut(headers::HELD) {
        held.set_sensitive(true);
    }
}

/// Says that no instance has taken the call, so that it may go elsewhere.
pub(super) fn untaken(fault: Fault) -> http::Response<Body> {
    untaken_status(fault.into())
}

/// As [`untaken`], with the words of a session that did not process it.
pub(super) fn untaken_status(status: Status) -> http::Response<Body> {
    let mut answer = wire::status_response(status);
    answer.headers_mut().insert(UNTAKEN, HeaderValue::from_static("1"));
    answer
}

/// Takes what only gateways say to one another out of an agent's answer, and lets one that breaks end with a status.
pub(super) fn cleaned(mut answer: http::Response<Body>) -> http::Response<Body> {
    answer.headers_mut().remove(UNTAKEN);
    answer.map(tunnel::in_words)
}

/// The status of an answer that no instance gave.
pub(super) fn refusal(answer: &http::Response<Body>) -> Option<Status> {
    answer.headers().get(UNTAKEN)?;
    Status::from_header_map(answer.headers())
}

/// No such session is here any more.
pub(super) fn gone(hop: &Hop) -> Fault {
    let message =
        format!("the instance of the agent `{}` has left the gateway that held it", hop.agent.agent);
    Fault::new(Code::Unavailable, Reason::AgentAway, message).with("agent", hop.agent.agent.as_str())
}

/// The gateway that sent the call is in no entry here, yet or any more.
pub(super) fn unknown() -> Fault {
    let message = "the gateway that holds the agent does not know the one that was called; nothing was done";
    Fault::new(Code::Unavailable, Reason::AgentAway, message).retry_after(PAUSE)
}

/// The newest session of each of the `hidden` instances stays out while `sessions` have another.
pub(super) fn without(sessions: &mut Vec<std::sync::Arc<Session>>, leaving: impl Fn(&Session) -> bool) {
    let mut elsewhere: BTreeMap<String, usize> = BTreeMap::new();
    for session in sessions.iter().filter(|session| !session.is_draining() && !leaving(session)) {
        *elsewhere.entry(session.instance.clone()).or_default() += 1;
    }
    sessions.retain(|session| !leaving(session) || !elsewhere.contains_key(&session.instance));
}

fn unmarked() -> Fault {
    let message = format!("a call of another gateway has a `{HOP}` of the form TENANT/AGENT/INSTANCE");
    Fault::new(Code::InvalidArgument, Reason::HeaderReserved, message).with("header", HOP.as_str())
}

pub(super) const HOP: HeaderName = HeaderName::from_static("gitproxy-hop");
/// Entries come with the next beats.
const PAUSE: Duration = Duration::from_secs(1);
const UNTAKEN: HeaderName = HeaderName::from_static("gitproxy-untaken");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::fake;

    #[test]
    fn a_mark_reads_back_and_is_taken_out() {
        let agent = fake::agent_id("acme", "site.1");
        let mark = Hop::mark(&(agent.clone(), "i-1".to_owned())).expect("a mark");
        let mut headers = HeaderMap::from_iter([(HOP, mark)]);
        assert_eq!(Hop::take(&mut headers).expect("read"), Hop { agent, instance: "i-1".to_owned() });
        assert!(headers.is_empty());
    }

    #[test]
    fn what_is_no_mark_is_refused() {
        for text in ["", "a", "a/b", "a/b/", "a/b/c/d", "/b/c", "a b/c/d"] {
            let mut headers = HeaderMap::from_iter([(HOP, HeaderValue::from_str(text).expect("ASCII"))]);
            assert!(Hop::take(&mut headers).is_err(), "{text}");
        }
    }

    #[test]
    fn a_leaving_gateway_is_passed_over_only_where_the_instance_is_elsewhere() {
        let (here, there, only) = (fake::session("one", 0), fake::session("one", 0), fake::session("two", 0));
        let mut sessions = vec![here.clone(), there, only.clone()];
        without(&mut sessions, |session| session.id != here.id);
        let left: Vec<_> = sessions.iter().map(|session| &session.id).collect();
        assert_eq!(left, [&here.id, &only.id]);
    }
}
