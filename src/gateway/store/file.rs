//! The store in a TOML file, read again when it changes.
//!
//! ```toml
//! [tenants.acme.agents.head-office]
//! # As `gitproxy-gateway keys new` prints them; two while one replaces the other.
//! keys = [{ id = "…", sha256 = "…" }]
//!
//! [tenants.acme.agents.head-office.connections.main]
//! url = "https://git.example.com/bitbucket"
//! user = "svc-scanner"            # empty or left out for a project or repository token
//! auth = "bearer"                 # or "basic", which needs `user`
//! token_file = "main.token"       # relative to this file; or token_env = "…", or token = "…"
//! projects = ["PROJ", "~alice"]
//!
//! [tenants.acme.callers.scanner]
//! role = "write"                  # read, write or operator
//! tokens = [{ id = "…", sha256 = "…" }]
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tracing::{info, warn};

use super::parse::{self, Environment};
use super::snapshot::Snapshot;
use super::{AgentKey, CallerToken, Held, Problems, Store};
use crate::gateway::name::{AgentId, Name};
use crate::ops::{Tasks, watch as ops_watch};

/// The store in a TOML file.
pub struct FileStore {
    path: PathBuf,
    environment: Box<Environment>,
    content: ArcSwap<Snapshot>,
    changes: watch::Sender<u64>,
}

/// Why a store file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("{}: cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content is wrong.
    #[error("{}:\n{problems}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Problems,
    },
}

impl FileStore {
    /// Reads the file. `environment` answers for `token_env`.
    ///
    /// # Errors
    /// When the file cannot be read or anything in it is wrong.
    pub fn open(
        path: impl Into<PathBuf>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, Unusable> {
        let (path, environment) = (path.into(), Box::new(environment));
        let content = read(&path, &*environment)?;
        Ok(Self {
            path,
            environment,
            content: ArcSwap::from_pointee(content),
            changes: watch::Sender::new(0),
        })
    }

    /// Reads the file now and whenever it changes, until `tasks` drain.
    ///
    /// # Errors
    /// As [`FileStore::open`].
    pub fn follow(
        path: impl Into<PathBuf>,
        environment: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
        every: Duration,
        tasks: &Tasks,
    ) -> Result<Arc<Self>, Unusable> {
        let path = path.into();
        // Looked at first: a change between the two is then seen, not lost.
        let files = ops_watch::Files::new([&path]);
        let store = Arc::new(Self::open(path, environment)?);
        let own = Arc::clone(&store);
        ops_watch::reload(tasks, files, every, move || own.reload());
        Ok(store)
    }

    /// Reads the file again. One that cannot be used is logged, and the last good one stays.
    pub fn reload(&self) {
        match read(&self.path, &*self.environment) {
            Ok(content) => self.replace(content),
            Err(Unusable::Unreadable { path, source }) => {
                warn!(path = %path.display(), error = %source, "the store cannot be read: keeping the last good one");
            }
            Err(Unusable::Wrong { path, problems }) => {
                for problem in problems.iter() {
                    let (path, line, key, what) = (path.display(), problem.line, &problem.key, &problem.what);
                    warn!(%path, line, %key, %what, "the store is wrong: keeping the last good one");
                }
            }
        }
    }

    fn replace(&self, content: Snapshot) {
        let (keys, tokens) = (content.agent_keys.len(), content.caller_tokens.len());
        self.content.store(Arc::new(content));
        self.changes.send_modify(|count| *count += 1);
        info!(path = %self.path.display(), keys, tokens, "store read again");
    }
}

fn read(path: &Path, environment: &Environment) -> Result<Snapshot, Unusable> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Unusable::Unreadable { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse::read(&text, folder, environment)
        .map_err(|problems| Unusable::Wrong { path: path.to_owned(), problems })
}

#[tonic::async_trait]
impl Store for FileStore {
    async fn agent_key(&self, id: &str) -> Result<Option<AgentKey>, super::Error> {
        Ok(self.content.load().agent_keys.get(id).cloned())
    }

    async fn caller_token(&self, id: &str) -> Result<Option<CallerToken>, super::Error> {
        Ok(self.content.load().caller_tokens.get(id).cloned())
    }

    async fn agents(&self, tenant: &Name) -> Result<BTreeSet<Name>, super::Error> {
        Ok(self.content.load().agents(tenant))
    }

    async fn held_names(&self, agent: &AgentId) -> Result<BTreeSet<Name>, super::Error> {
        Ok(self.content.load().held_names(agent))
    }

    async fn held(&self, agent: &AgentId, connection: &Name) -> Result<Option<Held>, super::Error> {
        Ok(self.content.load().held(agent, connection))
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "[tenants.acme.agents.a]\nkeys = [{ id = \"k1\", sha256 = \"";

    #[tokio::test]
    async fn a_changed_file_takes_effect_and_is_told() {
        let (folder, store) = store(&format!("{TENANT}{}\" }}]\n", "0".repeat(64)));
        let mut changes = store.changes();
        std::fs::write(folder.path().join("store.toml"), "[tenants.acme.agents.b]\n").expect("written");
        store.reload();
        assert!(changes.has_changed().expect("alive"));
        assert_eq!(*changes.borrow_and_update(), 1);
        assert_eq!(store.agent_key("k1").await.expect("answers"), None);
        let acme = Name::parse("acme").expect("name");
        assert_eq!(store.agents(&acme).await.expect("answers").len(), 1);
    }

    #[tokio::test]
    async fn a_broken_new_file_keeps_the_last_good_one() {
        let (folder, store) = store(&format!("{TENANT}{}\" }}]\n", "0".repeat(64)));
        for broken in ["[tenants", "[tenants.acme.agents.a]\nkeyz = []\n"] {
            std::fs::write(folder.path().join("store.toml"), broken).expect("written");
            store.reload();
            assert!(store.agent_key("k1").await.expect("answers").is_some());
        }
        std::fs::remove_file(folder.path().join("store.toml")).expect("removed");
        store.reload();
        assert!(store.agent_key("k1").await.expect("answers").is_some());
        assert!(!store.changes().has_changed().expect("alive"));
    }

    #[test]
    fn a_store_that_is_wrong_at_the_start_is_refused_with_path_and_line() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("store.toml");
        std::fs::write(&path, "\n[tenant.acme]\n").expect("written");
        let error = FileStore::open(&path, |_| None).err().expect("refused").to_string();
        assert!(error.contains("store.toml") && error.contains("line 2: `tenant` is not known"), "{error}");
    }

    fn store(text: &str) -> (tempfile::TempDir, FileStore) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("store.toml");
        std::fs::write(&path, text).expect("written");
        let store = FileStore::open(path, |_| None).expect("usable");
        (folder, store)
    }
}
