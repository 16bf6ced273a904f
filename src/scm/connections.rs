//! Which Bitbucket a call is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonic::metadata::MetadataMap;
use tonic::{Code, Request};

use super::Scm;
use super::held::{Credential, HeldSecret, Settings};
use super::projects::Projects;
use crate::proto::{Fault, Reason};

/// A Bitbucket that the agent serves.
#[derive(Clone)]
pub struct Connection {
    /// The name, unique within the agent.
    pub name: String,
    /// The base URL, without credentials.
    pub url: String,
    /// The user whom a connection that came with a call names. Two such connections may share a name, one after the other:
    /// they are told apart by URL and user, but not by the token, which is renewed under the same write.
    pub user: Option<String>,
    /// What it may touch.
    pub projects: Projects,
    /// What does its commands.
    pub backend: Arc<dyn Scm>,
}

/// The connections in the agent's own settings, and the way to serve one that comes with a call.
pub struct Connections {
    local: BTreeMap<String, Arc<Connection>>,
    held: Arc<dyn HeldBackends>,
}

/// Makes the backend of a connection that comes with a call.
pub trait HeldBackends: Send + Sync + 'static {
    /// Makes or finds it.
    ///
    /// # Errors
    /// A fault for the cloud, such as ORIGIN_REFUSED.
    fn backend(&self, settings: &Settings) -> Result<Arc<dyn Scm>, Fault>;
}

/// The metadata that names a connection.
pub const METADATA: &str = "gitproxy-connection";

impl Connections {
    /// Makes the set of local connections; the last one of a name wins, so the settings must see to it that there is only one.
    pub fn new(local: impl IntoIterator<Item = Connection>, held: Arc<dyn HeldBackends>) -> Self {
        let local = local.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect();
        Self { local, held }
    }

    /// The local connections, in the order of their names.
    pub fn local(&self) -> impl Iterator<Item = &Connection> {
        self.local.values().map(Arc::as_ref)
    }

    /// Chooses the connection of a call: the one that it names, of either kind, else the only one that there is.
    ///
    /// A name that stands for both kinds, a name that is not that of the connection that came along, and no name where
    /// one came along and there are local ones too, are refused as CONNECTION_AMBIGUOUS: to guess would be to send one
    /// server's command to another.
    pub(super) fn choose<T>(&self, request: &Request<T>) -> Result<Arc<Connection>, Fault> {
        let named = name_in(request.metadata())?;
        match (request.extensions().get::<HeldSecret>(), named) {
            (Some(held), named) => self.held(held, named),
            (None, Some(name)) => self.local.get(name).cloned().ok_or_else(|| unknown(name)),
            (None, None) => self.only(),
        }
    }

    fn held(&self, held: &HeldSecret, named: Option<&str>) -> Result<Arc<Connection>, Fault> {
        let name = held.name();
        if self.local.contains_key(name) {
            let problem =
                format!("both the cloud and the agent's settings have a connection `{name}`; rename one");
            return Err(ambiguous(problem).with("connection", name));
        }
        if let Some(other) = named.filter(|named| *named != name) {
            let problem = format!("the call names connection `{other}` and came with `{name}`; send one");
            return Err(ambiguous(problem).with("connection", other));
        }
        if named.is_none() && !self.local.is_empty() {
            let names = self.local.keys().map(String::as_str).chain([name]).collect::<Vec<_>>().join(", ");
            return Err(unnamed(names));
        }
        let settings = held.settings()?;
        let backend = self.held.backend(&settings)?;
        let Settings { name, base, credential, user, projects } = settings;
        let login = match credential {
            Credential::Bearer(_) => None,
            Credential::Basic { user, .. } => Some(user),
        };
        Ok(Arc::new(Connection { name, url: base.into(), user: user.or(login), projects, backend }))
    }

    fn only(&self) -> Result<Arc<Connection>, Fault> {
        let mut local = self.local.values();
        match (local.next(), local.next()) {
            (Some(only), None) => Ok(Arc::clone(only)),
            (None, _) => Err(Fault::new(
                Code::NotFound,
                Reason::ConnectionUnknown,
                "the agent has no connection and none came with the call; add one to its settings",
            )),
            (Some(_), Some(_)) => {
                let names = self.local.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(unnamed(names))
            }
        }
    }
}

/// The name that a call asks for; HEADER_RESERVED for one that is not printable ASCII.
pub(super) fn name_in(metadata: &MetadataMap) -> Result<Option<&str>, Fault> {
    let value = metadata.get(METADATA).map(|value| value.to_str()).transpose();
    value.map_err(|_| {
        let message = format!("`{METADATA}` must be a name in printable ASCII");
        Fault::new(Code::InvalidArgument, Reason::HeaderReserved, message).with("header", METADATA)
    })
}

fn ambiguous(problem: String) -> Fault {
    Fault::new(Code::InvalidArgument, Reason::ConnectionAmbiguous, problem)
}

fn unnamed(names: String) -> Fault {
    ambiguous(format!("name one in `{METADATA}`: the agent has several connections ({names})"))
        .with("connections", names)
}

fn unknown(name: &str) -> Fault {
    let message = format!("the agent has no connection `{name}`; ListConnections names those that it has");
    Fault::new(Code::NotFound, Reason::ConnectionUnknown, message)
        .with("connection", name)
        .about("connection", name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::tunnel::v1::HeldConnection;
    use crate::scm::testing::{NoHeld, OneHeld, Recorder, connection};

    fn choose(local: &[&str], named: Option<&'static str>, held: Option<&str>) -> Result<String, Reason> {
        let recorder = Recorder::new();
        let local = local.iter().map(|name| connection(name, &recorder));
        let connections = Connections::new(local, Arc::new(OneHeld(recorder.clone())));
        let mut request = Request::new(());
        if let Some(name) = named {
            request.metadata_mut().insert(METADATA, name.parse().unwrap());
        }
        if let Some(name) = held {
            let (name, token) = (name.to_owned(), "c4nary".to_owned());
            let url = "https://cloud.example".to_owned();
            let held = HeldConnection { name, url, token, ..HeldConnection::default() };
            request.extensions_mut().insert(HeldSecret::from(held));
        }
        let chosen = connections.choose(&request);
        chosen.map(|it| format!("{} {}", it.name, it.url)).map_err(|fault| fault.reason())
    }

    #[test]
    fn the_only_local_connection_needs_no_name() {
        assert_eq!(choose(&["a"], None, None), Ok("a https://a.example/".into()));
        assert_eq!(choose(&[], None, None), Err(Reason::ConnectionUnknown));
    }

    #[test]
    fn one_of_several_must_be_named() {
        assert_eq!(choose(&["a", "b"], None, None), Err(Reason::ConnectionAmbiguous));
        assert_eq!(choose(&["a", "b"], Some("b"), None), Ok("b https://b.example/".into()));
        assert_eq!(choose(&["a", "b"], Some("c"), None), Err(Reason::ConnectionUnknown));
    }

    #[test]
    fn several_are_listed_in_the_refusal() {
        let recorder = Recorder::new();
        let local = ["b", "a"].map(|name| connection(name, &recorder));
        let fault = Connections::new(local, Arc::new(NoHeld)).choose(&Request::new(())).err().unwrap();
        assert_eq!(fault.fact("connections"), Some("a, b"));
    }

    #[test]
    fn a_connection_that_came_along_is_taken() {
        assert_eq!(choose(&[], None, Some("c")), Ok("c https://cloud.example/".into()));
        assert_eq!(choose(&["a"], Some("c"), Some("c")), Ok("c https://cloud.example/".into()));
    }

    #[test]
    fn a_call_with_both_kinds_is_refused() {
        assert_eq!(choose(&["a"], Some("a"), Some("a")), Err(Reason::ConnectionAmbiguous));
        assert_eq!(choose(&["a"], None, Some("a")), Err(Reason::ConnectionAmbiguous));
        assert_eq!(choose(&["a"], Some("a"), Some("c")), Err(Reason::ConnectionAmbiguous));
        assert_eq!(choose(&["a"], Some("x"), Some("c")), Err(Reason::ConnectionAmbiguous));
    }

    #[test]
    fn nobody_guesses_between_a_local_connection_and_one_that_came_along() {
        assert_eq!(choose(&["a"], None, Some("c")), Err(Reason::ConnectionAmbiguous));
    }
}
