//! Which pull requests a list is of.

use crate::call::{Call, Query};
use crate::pull::{Pull, Status};
use crate::refusal::{Refusal, bad_argument};
use crate::store::RepoId;

/// The filters of a query; those it does not name want everything.
pub(super) struct Filter {
    outgoing: bool,
    state: String,
    at: Option<String>,
    text: String,
    draft: Option<bool>,
    people: Vec<Person>,
}

/// `username.N` with what else is asked of the user.
struct Person {
    name: String,
    role: Option<String>,
    approved: Option<bool>,
}

impl Filter {
    /// Reads the filters.
    pub(super) fn of(call: &Call) -> Result<Self, Refusal> {
        let text = |name: &str, default: &str| call.query.get(name).unwrap_or(default).to_uppercase();
        let (state, direction) = (text("state", "OPEN"), text("direction", "INCOMING"));
        if !matches!(state.as_str(), "OPEN" | "MERGED" | "DECLINED" | "ALL") {
            return Err(bad_argument(format!("'{state}' is not a state of pull requests")).about("state"));
        }
        let drafts = call.app.config.version.has_drafts();
        Ok(Self {
            outgoing: direction == "OUTGOING",
            state,
            at: call.query.get("at").map(str::to_owned),
            text: call.query.get("filterText").unwrap_or("").to_lowercase(),
            draft: call.query.get("draft").filter(|_| drafts).map(|draft| draft == "true"),
            people: (1..=MOST_PEOPLE).filter_map(|number| Person::of(&call.query, number)).collect(),
        })
    }

    /// Whether a pull request belongs in the list of a repository.
    pub(super) fn wants(&self, repo: RepoId, pull: &Pull) -> bool {
        let side = if self.outgoing { &pull.from } else { &pull.to };
        let described = pull.description.as_deref().unwrap_or("").to_lowercase();
        side.repo == repo
            // A short name matches nothing.
            && self.at.as_ref().is_none_or(|at| side.name == *at)
            && (self.state == "ALL" || pull.state.name() == self.state)
            && (pull.title.to_lowercase().contains(&self.text) || described.contains(&self.text))
            && self.draft.is_none_or(|draft| draft == pull.draft)
            && self.people.iter().all(|person| person.is_in(pull))
    }
}

impl Person {
    fn of(query: &Query, number: usize) -> Option<Self> {
        let get = |name: &str| query.get(&format!("{name}.{number}"));
        Some(Self {
            name: get("username")?.to_owned(),
            role: get("role").map(str::to_uppercase),
            approved: get("approved").map(|approved| approved == "true"),
        })
    }

    fn is_in(&self, pull: &Pull) -> bool {
        let role = |wanted: &str| self.role.as_deref().is_none_or(|role| role == wanted);
        let approved = |status: Status| self.approved.is_none_or(|is| is == (status == Status::Approved));
        let among = |people: &[crate::pull::Participant]| {
            people.iter().any(|one| one.user == self.name && approved(one.status))
        };
        (role("AUTHOR") && pull.author == self.name && approved(Status::Unapproved))
            || (role("REVIEWER") && among(&pull.reviewers))
            || (role("PARTICIPANT") && among(&pull.participants))
    }
}

/// The product reads `username.1` to `username.10`.
const MOST_PEOPLE: usize = 10;
