//! What lives in memory: users, tokens, projects, repositories and what belongs to them. Git objects do not.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::auth::{Permission, TokenSpec};
use crate::build::Build;
use crate::comment::Comment;
use crate::git::{Git, Identity};
use crate::insight::Reports;
use crate::pull::Pull;
use crate::refusal::{Refusal, missing};
use crate::restrict::Restriction;
use crate::rules::Rules;
use crate::version::Version;

/// A repository's number.
pub(crate) type RepoId = u64;

/// Everything in memory.
pub(crate) struct Store {
    pub(crate) base: String,
    pub(crate) version: Version,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) tokens: HashMap<String, Token>,
    pub(crate) projects: BTreeMap<String, Project>,
    pub(crate) repos: BTreeMap<RepoId, Repo>,
    /// Old (project, slug) of repositories that moved.
    pub(crate) moved: HashMap<(String, String), RepoId>,
    pub(crate) pulls: BTreeMap<(RepoId, u64), Pull>,
    /// Build statuses by commit, newest last.
    pub(crate) builds: HashMap<String, Vec<Build>>,
    /// What repositories and projects ask of pull requests.
    pub(crate) rules: Rules,
    /// Comments on commits, by repository and commit.
    pub(crate) commit_comments: HashMap<(RepoId, String), Vec<Comment>>,
    /// The last number of a pull request; it is not given again after a deletion.
    pull_numbers: HashMap<RepoId, u64>,
    /// Code Insights reports.
    pub(crate) reports: Reports,
    /// Branch restrictions, oldest first.
    pub(crate) restrictions: Vec<Restriction>,
    /// Webhooks of repositories, as they came; nothing calls them.
    pub(crate) webhooks: BTreeMap<(RepoId, u64), serde_json::Value>,
    /// What users and groups were granted, by project or repository.
    pub(crate) grants: Grants,
    last_id: u64,
}

/// Grants by place (`PROJECT` or `PROJECT/slug`), and whom to.
pub(crate) type Grants = BTreeMap<(String, Grantee), Permission>;

/// Whom a permission is granted to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grantee {
    User(String),
    Group(String),
}

/// A user with an account.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) password: Option<String>,
    pub(crate) failed_logins: u32,
    pub(crate) project: Permission,
    pub(crate) repo: Permission,
    pub(crate) only: Option<Vec<String>>,
    /// Whether the account has a seat.
    pub(crate) licensed: bool,
}

/// An HTTP access token.
pub(crate) struct Token {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// In milliseconds since 1970.
    pub(crate) created: i64,
    pub(crate) spec: TokenSpec,
}

/// A project; a personal one has an owner.
#[derive(Clone)]
pub(crate) struct Project {
    pub(crate) id: u64,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) owner: Option<String>,
}

/// A repository.
#[derive(Clone)]
pub(crate) struct Repo {
    pub(crate) id: RepoId,
    pub(crate) project: String,
    pub(crate) slug: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) hierarchy: String,
    pub(crate) origin: Option<RepoId>,
    pub(crate) archived: bool,
    pub(crate) dir: PathBuf,
}

impl Repo {
    /// `PROJECT/slug`.
    pub(crate) fn label(&self) -> String {
        format!("{}/{}", self.project, self.slug)
    }

    /// Its git repository.
    pub(crate) fn git(&self) -> Git {
        Git::at(&self.dir)
    }
}

impl User {
    /// The name in addresses: what is not a letter, digit, dot, dash or underscore becomes an underscore.
    pub(crate) fn slug(&self) -> String {
        let kept = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
        self.name.to_lowercase().chars().map(kept).collect()
    }

    /// The e-mail address, made from the slug.
    pub(crate) fn email(&self) -> String {
        format!("{}@example.com", self.slug())
    }

    /// The name that people see: the user's name with a capital.
    pub(crate) fn display(&self) -> String {
        let mut chars = self.name.chars();
        chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
    }
}

impl Store {
    /// An empty store; `base` is the address that links start with.
    pub(crate) fn new(base: String, version: Version) -> Self {
        Self {
            base,
            version,
            users: BTreeMap::new(),
            tokens: HashMap::new(),
            projects: BTreeMap::new(),
            repos: BTreeMap::new(),
            moved: HashMap::new(),
            pulls: BTreeMap::new(),
            builds: HashMap::new(),
            rules: Rules::default(),
            commit_comments: HashMap::new(),
            pull_numbers: HashMap::new(),
            reports: Reports::new(),
            restrictions: Vec::new(),
            webhooks: BTreeMap::new(),
            grants: Grants::new(),
            last_id: 0,
        }
    }

    /// A number that no entity has yet.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The user of this name, made with every permission when there is none.
    pub(crate) fn ensure_user(&mut self, name: &str) -> &mut User {
        let id = self.new_id();
        self.users.entry(name.to_owned()).or_insert_with(|| User {
            id,
            name: name.to_owned(),
            password: None,
            failed_logins: 0,
            project: Permission::Admin,
            repo: Permission::Admin,
            only: None,
            licensed: true,
        })
    }

    /// Makes a project, or gives the one that has this key. A key with `~` is a personal project.
    pub(crate) fn ensure_project(
        &mut self,
        key: &str,
        name: Option<&str>,
        description: Option<String>,
    ) -> Project {
        let upper = key.to_uppercase();
        if let Some(project) = self.projects.get(&upper) {
            return project.clone();
        }
        let owner = key.strip_prefix('~').map(|slug| {
            let known = self.users.values().find(|user| user.slug() == slug.to_lowercase());
            known.map(|user| user.name.clone()).unwrap_or_else(|| self.ensure_user(slug).name.clone())
        });
        let display = owner.as_ref().and_then(|owner| self.users.get(owner)).map(User::display);
        let name = name.map(str::to_owned).or(display).unwrap_or_else(|| upper.clone());
        let project = Project { id: self.new_id(), key: upper.clone(), name, description, owner };
        self.projects.insert(upper, project.clone());
        project
    }

    /// A project by key, in any case.
    pub(crate) fn project(&self, key: &str) -> Result<&Project, Refusal> {
        let no_project =
            || missing("project.NoSuchProjectException", format!("Project {key} does not exist."));
        self.projects.get(&key.to_uppercase()).ok_or_else(no_project)
    }

    /// A repository by project key and slug, in any case.
    pub(crate) fn repo(&self, key: &str, slug: &str) -> Result<&Repo, Refusal> {
        let project = self.project(key)?;
        self.find_repo(&project.key, slug).ok_or_else(|| {
            let message = format!("Repository {}/{slug} does not exist.", project.key);
            missing("repository.NoSuchRepositoryException", message)
        })
    }

    /// A repository, where there is one.
    pub(crate) fn find_repo(&self, key: &str, slug: &str) -> Option<&Repo> {
        let same =
            |repo: &&Repo| repo.project.eq_ignore_ascii_case(key) && repo.slug.eq_ignore_ascii_case(slug);
        self.repos.values().find(same)
    }

    /// Where a repository that was asked for by an old name is now.
    pub(crate) fn moved_repo(&self, key: &str, slug: &str) -> Option<&Repo> {
        let id = self.moved.get(&(key.to_uppercase(), slug.to_lowercase()))?;
        self.repos.get(id)
    }

    /// A pull request of a repository.
    pub(crate) fn pull(&mut self, repo: &Repo, id: &str) -> Result<&mut Pull, Refusal> {
        let message = format!("Pull request {id} does not exist in {}.", repo.label());
        let number: Option<u64> = id.parse().ok();
        number
            .and_then(|number| self.pulls.get_mut(&(repo.id, number)))
            .ok_or_else(|| missing("pull.NoSuchPullRequestException", message))
    }

    /// The number of a repository's next pull request.
    pub(crate) fn next_pull(&mut self, repo: RepoId) -> u64 {
        let number = self.pull_numbers.entry(repo).or_default();
        *number += 1;
        *number
    }

    /// The identity that commits of this user carry, now.
    pub(crate) fn identity(&self, user: &str) -> Identity {
        let known = self.users.get(user);
        Identity {
            name: known.map_or_else(|| user.to_owned(), User::display),
            email: known.map_or_else(String::new, User::email),
            at: now() / 1000,
        }
    }

    /// The user whose slug this is.
    pub(crate) fn user_by_slug(&self, slug: &str) -> Option<&User> {
        self.users.values().find(|user| user.slug() == slug)
    }

    /// The user with this e-mail address.
    pub(crate) fn user_by_email(&self, email: &str) -> Option<&User> {
        self.users.values().find(|user| user.email() == email)
    }
}

/// Now, as every date of the interface is.
pub(crate) fn now() -> i64 {
    millis(SystemTime::now())
}

/// A time in milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
