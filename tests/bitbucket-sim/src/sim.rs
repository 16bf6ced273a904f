//! The simulator as tests hold it.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::app::App;
use crate::auth::{Permission, TokenSpec};
use crate::config::Config;
use crate::git::{self, Git};
use crate::journal::{Request, Write};
use crate::knobs::Knobs;
use crate::relocate::relocate;
use crate::seed::Commit;
use crate::server;
use crate::store::{self, Repo, Token};
use crate::tls::Identity;

/// Why a simulator did not start, or was seeded in vain.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder, file or socket.
    #[error("the simulator's files or its socket failed")]
    Io(#[from] io::Error),
    /// A certificate could not be made.
    #[error("the simulator's certificates could not be made")]
    Certificate(#[from] rcgen::Error),
    /// TLS does not accept the certificate.
    #[error("the simulator's TLS could not be set up")]
    Tls(#[from] rustls::Error),
    /// The git program failed, or is missing.
    #[error("git failed: {0}")]
    Git(String),
    /// A repository that was named does not exist.
    #[error("there is no repository {0}")]
    NoRepo(String),
    /// A repository of that name exists.
    #[error("the repository {0} exists")]
    Exists(String),
}

impl From<git::Error> for Error {
    fn from(error: git::Error) -> Self {
        Self::Git(error.to_string())
    }
}

/// A running Bitbucket. It ends when dropped, and a temporary folder goes with it.
pub struct Sim {
    app: Arc<App>,
    ca_pem: String,
    accept: tokio::task::JoinSet<()>,
    stop: tokio::sync::watch::Sender<bool>,
    _temporary: Option<TempDir>,
}

impl Sim {
    /// Starts a simulator where the settings say, with a certificate authority of its own.
    ///
    /// # Errors
    /// When the port is taken, the folder cannot be made, or TLS cannot be set up.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let temporary = if config.dir.is_none() { Some(tempfile::tempdir()?) } else { None };
        let dir = match (&config.dir, &temporary) {
            (Some(dir), _) => dir.clone(),
            (None, Some(temporary)) => temporary.path().to_path_buf(),
            (None, None) => PathBuf::new(),
        };
        tokio::fs::create_dir_all(&dir).await?;
        let dir = tokio::fs::canonicalize(dir).await?;
        let identity = Identity::create(&config)?;
        let tls = config.tls.then_some(identity.server);
        let listener = TcpListener::bind((config.address, config.port)).await?;
        let base = config.base(listener.local_addr()?.port());
        let app = Arc::new(App::new(config, base, dir));
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut accept = tokio::task::JoinSet::new();
        accept.spawn(server::accept(Arc::clone(&app), listener, tls, stopped));
        Ok(Self { app, ca_pem: identity.ca_pem, accept, stop, _temporary: temporary })
    }

    /// The base address with the context path, such as `https://localhost:40123/bitbucket`; `http:` without TLS.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.app.base
    }

    /// The certificate that clients must trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The folder of the bare repositories, `DIR/<project>/<slug>.git`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.app.dir
    }

    /// The switches for faults and limits.
    #[must_use]
    pub fn knobs(&self) -> &Knobs {
        &self.app.knobs
    }

    /// The requests so far, oldest first (the last 100,000).
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.app.journal.requests()
    }

    /// How many requests arrived.
    #[must_use]
    pub fn request_count(&self) -> u64 {
        self.app.journal.request_count()
    }

    /// The writes so far, in the order in which they were performed.
    #[must_use]
    pub fn writes(&self) -> Vec<Write> {
        self.app.journal.writes()
    }

    /// Waits until at least this many writes were performed.
    pub async fn written(&self, count: usize) {
        self.app.journal.written(count).await;
    }

    /// Adds a user with every permission, or changes a user's password.
    pub fn add_user(&self, name: &str, password: &str) {
        self.app.store().ensure_user(name).password = Some(password.to_owned());
    }

    /// Limits a user (made when missing), with all tokens, to these permissions; `only` names projects, none for all.
    pub fn limit_user(&self, name: &str, project: Permission, repo: Permission, only: Option<&[&str]>) {
        let mut store = self.app.store();
        let user = store.ensure_user(name);
        (user.project, user.repo) = (project, repo);
        user.only = only.map(|keys| keys.iter().map(|key| key.to_uppercase()).collect());
    }

    /// Forgives a user the failed logins, so that no CAPTCHA is asked for.
    pub fn reset_captcha(&self, name: &str) {
        self.app.store().ensure_user(name).failed_logins = 0;
    }

    /// Takes a user's seat away: the account is known and may do nothing.
    pub fn unlicense_user(&self, name: &str) {
        self.app.store().ensure_user(name).licensed = false;
    }

    /// Makes an access token and gives its text.
    #[must_use]
    pub fn add_token(&self, spec: TokenSpec) -> String {
        new_token(&self.app, None, spec)
    }

    /// Revokes a token.
    pub fn revoke_token(&self, token: &str) {
        self.app.store().tokens.remove(token);
    }

    /// Makes a project; `~name` is the personal project of a user, who is made when missing.
    ///
    /// # Errors
    /// None yet: a project that exists stays as it is.
    pub fn add_project(&self, key: &str) -> Result<(), Error> {
        self.app.store().ensure_project(key, None, None);
        Ok(())
    }

    /// Makes a repository with these commits (none: an empty one), and its project when missing.
    ///
    /// # Errors
    /// When the repository exists or git fails.
    pub async fn add_repo(&self, project: &str, slug: &str, commits: &[Commit]) -> Result<(), Error> {
        self.add_project(project)?;
        let repo = create_repo(&self.app, project, slug, None).await?;
        repo.git().import(commits).await?;
        Ok(())
    }

    /// Adds commits to a repository, behind the server's back as an administrator could.
    ///
    /// # Errors
    /// When there is no such repository or git fails.
    pub async fn add_commits(&self, project: &str, slug: &str, commits: &[Commit]) -> Result<(), Error> {
        self.git(project, slug)?.import(commits).await?;
        Ok(())
    }

    /// The commit that a branch, tag or id of a repository names.
    ///
    /// # Errors
    /// When there is no such repository or ref.
    pub async fn commit_of(&self, project: &str, slug: &str, at: &str) -> Result<String, Error> {
        let found = self.git(project, slug)?.resolve(at).await?;
        found.ok_or_else(|| Error::Git(format!("{project}/{slug} has no {at}")))
    }

    /// Renames a repository: its old address answers 307 from now on.
    ///
    /// # Errors
    /// When there is no such repository or its folder cannot be moved.
    pub async fn rename_repo(&self, project: &str, slug: &str, name: &str) -> Result<(), Error> {
        self.move_repo(project, slug, project, name).await
    }

    /// Moves a repository to a project that exists, under this name: its old address answers 307 from now on.
    ///
    /// # Errors
    /// When there is no such repository, the name is taken there, or its folder cannot be moved.
    pub async fn move_repo(&self, project: &str, slug: &str, to: &str, name: &str) -> Result<(), Error> {
        let found = self.app.store().find_repo(project, slug).map(|repo| repo.id);
        let id = found.ok_or_else(|| Error::NoRepo(format!("{project}/{slug}")))?;
        relocate(&self.app, id, to, name).await
    }

    /// Tags what a branch, tag or id names; with a message the tag is annotated.
    ///
    /// # Errors
    /// When there is no such repository or commit, or the tag exists.
    pub async fn add_tag(
        &self,
        project: &str,
        slug: &str,
        name: &str,
        at: &str,
        message: Option<&str>,
    ) -> Result<(), Error> {
        let (git, commit) = (self.git(project, slug)?, self.commit_of(project, slug, at).await?);
        let tagger = git::Identity {
            name: "Jane Citizen".to_owned(),
            email: "jane.citizen@example.com".to_owned(),
            at: store::now() / 1000,
        };
        let tag = git::NewTag { name, commit: &commit, message, tagger: &tagger, force: false };
        if git.make_tag(&tag).await? { Ok(()) } else { Err(Error::Exists(format!("tag {name}"))) }
    }

    /// Archives a repository: reads work, writes do not.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn archive_repo(&self, project: &str, slug: &str) -> Result<(), Error> {
        let mut store = self.app.store();
        let id = store.find_repo(project, slug).map(|repo| repo.id);
        let repo = id.and_then(|id| store.repos.get_mut(&id));
        repo.ok_or_else(|| Error::NoRepo(format!("{project}/{slug}")))?.archived = true;
        Ok(())
    }

    /// Stops accepting, lets requests in flight end for a second, and ends.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.accept.join_next().await.is_some() {}
    }

    fn git(&self, project: &str, slug: &str) -> Result<Git, Error> {
        let store = self.app.store();
        let repo =
            store.find_repo(project, slug).ok_or_else(|| Error::NoRepo(format!("{project}/{slug}")))?;
        Ok(repo.git())
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Tasks hold the app and the app holds the tasks; this cuts the ring.
        self.app.abort();
    }
}

/// Makes an access token, named by its number when it has no name, and gives its text.
pub(crate) fn new_token(app: &App, name: Option<String>, spec: TokenSpec) -> String {
    let mut store = app.store();
    if let Some(user) = &spec.user {
        store.ensure_user(user);
    }
    let id = FIRST_TOKEN + store.new_id();
    let text = token_text(id);
    let name = name.unwrap_or_else(|| format!("Token {id}"));
    store.tokens.insert(text.clone(), Token { id, name, created: store::now(), spec });
    text
}

/// A token's text as the official document shows it: the number, a colon and 20 random bytes, in base64.
fn token_text(id: u64) -> String {
    let random = std::iter::repeat_with(|| RandomState::new().hash_one(id).to_be_bytes()).flatten();
    STANDARD.encode(format!("{id}:").bytes().chain(random.take(20)).collect::<Vec<_>>())
}

/// Where the numbers of tokens begin, so that they have twelve digits as the product's have.
const FIRST_TOKEN: u64 = 252_973_000_000;

/// Makes an empty bare repository in a project that exists, or a copy of another as its fork.
pub(crate) async fn create_repo(
    app: &App,
    project: &str,
    name: &str,
    origin: Option<&Repo>,
) -> Result<Repo, Error> {
    let slug = slug_of(name);
    let dir = app.dir.join(project.to_lowercase()).join(format!("{slug}.git"));
    let repo = {
        let mut store = app.store();
        if store.find_repo(project, &slug).is_some() {
            return Err(Error::Exists(format!("{project}/{slug}")));
        }
        let id = store.new_id();
        let hierarchy = origin.map_or_else(|| format!("{id:020x}"), |origin| origin.hierarchy.clone());
        let repo = Repo {
            id,
            project: project.to_uppercase(),
            slug,
            name: name.to_owned(),
            description: None,
            hierarchy,
            origin: origin.map(|origin| origin.id),
            archived: false,
            dir,
        };
        store.repos.insert(id, repo.clone());
        repo
    };
    let made = match origin {
        Some(origin) => Git::copy(&origin.dir, &repo.dir).await,
        None => Git::create(&repo.dir).await,
    };
    if let Err(error) = made {
        app.store().repos.remove(&repo.id);
        return Err(error.into());
    }
    Ok(repo)
}

/// A slug from a name: lower case, and a dash for what an address cannot have.
pub(crate) fn slug_of(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    name.to_lowercase().chars().map(kept).collect()
}
