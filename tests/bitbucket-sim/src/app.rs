//! What every request shares.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;

use crate::config::Config;
use crate::journal::Journal;
use crate::knobs::Knobs;
use crate::store::{RepoId, Store};

/// The running simulator, seen from inside.
pub(crate) struct App {
    pub(crate) config: Config,
    /// The context path, with a leading slash or empty.
    pub(crate) context: String,
    /// `https://localhost:PORT/context`.
    pub(crate) base: String,
    pub(crate) dir: PathBuf,
    pub(crate) journal: Journal,
    pub(crate) knobs: Arc<Knobs>,
    store: Mutex<Store>,
    tasks: Mutex<JoinSet<()>>,
    locks: Mutex<HashMap<RepoId, Arc<tokio::sync::Mutex<()>>>>,
}

impl App {
    /// An empty simulator that answers as `base`.
    pub(crate) fn new(config: Config, base: String, dir: PathBuf) -> Self {
        Self {
            context: config.context_path(),
            store: Mutex::new(Store::new(base.clone(), config.version)),
            config,
            base,
            dir,
            journal: Journal::new(),
            knobs: Arc::default(),
            tasks: Mutex::default(),
            locks: Mutex::default(),
        }
    }

    /// What lives in memory; never held across an await.
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a task until it ends or the simulator does: the one place where tasks start.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Ends every task.
    pub(crate) fn abort(&self) {
        self.tasks().abort_all();
    }

    /// The lock that lets one write at a time change a repository's refs, as the product does.
    pub(crate) async fn write_lock(&self, repo: RepoId) -> tokio::sync::OwnedMutexGuard<()> {
        let lock =
            Arc::clone(self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(repo).or_default());
        lock.lock_owned().await
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
