//! Who is asking, and what they may (FACTS.md 1.7).

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};

use crate::refusal::{Refusal, api};
use crate::store::{Store, Token, User};

/// What a user or token may do in a project or repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Nothing.
    None,
    /// `PROJECT_READ`, `REPO_READ`.
    Read,
    /// `PROJECT_WRITE`, `REPO_WRITE`.
    Write,
    /// `PROJECT_ADMIN`, `REPO_ADMIN`.
    Admin,
}

/// An access token to make.
#[derive(Clone, Debug)]
pub struct TokenSpec {
    pub(crate) user: Option<String>,
    pub(crate) project: Permission,
    pub(crate) repo: Permission,
    pub(crate) only: Option<Vec<String>>,
    pub(crate) expires_at: Option<SystemTime>,
}

impl TokenSpec {
    /// A personal token with all that its owner may; the owner is made when missing.
    #[must_use]
    pub fn personal(user: &str) -> Self {
        let (project, repo) = (Permission::Admin, Permission::Admin);
        Self { user: Some(user.to_owned()), project, repo, only: None, expires_at: None }
    }

    /// A token of a project: no human user, and good as a Bearer only.
    #[must_use]
    pub fn project(key: &str) -> Self {
        let (project, repo) = (Permission::Admin, Permission::Admin);
        Self { user: None, project, repo, only: Some(vec![key.to_uppercase()]), expires_at: None }
    }

    /// Lowers the project permission.
    #[must_use]
    pub fn project_permission(self, project: Permission) -> Self {
        Self { project, ..self }
    }

    /// Lowers the repository permission.
    #[must_use]
    pub fn repo_permission(self, repo: Permission) -> Self {
        Self { repo, ..self }
    }

    /// Limits the token to these projects.
    #[must_use]
    pub fn only(self, projects: &[&str]) -> Self {
        Self { only: Some(projects.iter().map(|key| key.to_uppercase()).collect()), ..self }
    }

    /// Ends the token then; a time in the past makes an expired one.
    #[must_use]
    pub fn expires_at(self, at: SystemTime) -> Self {
        Self { expires_at: Some(at), ..self }
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// The account; a project's token has none.
    pub(crate) user: Option<String>,
    /// The name that `X-AUSERNAME` says.
    pub(crate) label: String,
    pub(crate) id: u64,
    /// By a token, which is honoured only under `/rest` and `/scm`.
    pub(crate) by_token: bool,
    project: Permission,
    repo: Permission,
    only: Vec<Vec<String>>,
}

impl Permission {
    /// The name as a token's permission; none for nothing.
    pub(crate) fn word(self, scope: &str) -> Option<String> {
        let level = match self {
            Self::None => return None,
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Admin => "ADMIN",
        };
        Some(format!("{scope}_{level}"))
    }
}

impl Actor {
    /// What the actor may do with a project itself.
    pub(crate) fn project(&self, key: &str) -> Permission {
        if self.enters(key) { self.project } else { Permission::None }
    }

    /// What the actor may do with the repositories of a project.
    pub(crate) fn repo(&self, key: &str) -> Permission {
        if self.enters(key) { self.repo.max(self.project) } else { Permission::None }
    }

    /// Whether the actor administers the instance: a user with everything everywhere.
    pub(crate) fn administers_all(&self) -> bool {
        self.user.is_some() && self.only.is_empty() && self.project == Permission::Admin
    }

    fn enters(&self, key: &str) -> bool {
        self.only.iter().all(|projects| projects.iter().any(|project| project.eq_ignore_ascii_case(key)))
    }
}

/// Which credentials a request has.
enum Credentials {
    None,
    Bearer(String),
    Basic(String, String),
}

/// Whether Basic is accepted here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Basic {
    /// It is.
    Accepted,
    /// It is off (10.x).
    Refused,
}

/// Tells who sent a request: none without credentials, a refusal with bad ones.
pub(crate) fn identify(
    store: &mut Store,
    headers: &HeaderMap,
    basic: Basic,
) -> Result<Option<Actor>, Refusal> {
    match credentials(headers) {
        Credentials::None => Ok(None),
        Credentials::Bearer(token) => by_token(store, &token, None).map(Some),
        Credentials::Basic(..) if basic == Basic::Refused => {
            let message = "Basic Authentication has been disabled on this instance.".to_owned();
            Err(Refusal::Text(StatusCode::UNAUTHORIZED, "text/plain", message))
        }
        Credentials::Basic(name, secret) => by_password(store, &name, &secret).map(Some),
    }
}

fn credentials(headers: &HeaderMap) -> Credentials {
    let Some((scheme, rest)) = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_once(' '))
    else {
        return Credentials::None;
    };
    if scheme.eq_ignore_ascii_case("bearer") {
        return Credentials::Bearer(rest.trim().to_owned());
    }
    let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((name, secret)) if scheme.eq_ignore_ascii_case("basic") => {
            Credentials::Basic(name.to_owned(), secret.to_owned())
        }
        _ => Credentials::None,
    }
}

fn by_token(store: &Store, text: &str, user: Option<&str>) -> Result<Actor, Refusal> {
    let Some(Token { id, spec, .. }) = store.tokens.get(text) else { return Err(wrong()) };
    if spec.expires_at.is_some_and(|at| at <= SystemTime::now())
        || (user.is_some() && user != spec.user.as_deref())
    {
        return Err(wrong());
    }
    let owner = spec.user.as_ref().and_then(|name| store.users.get(name));
    owner.map_or(Ok(()), seated)?;
    let at_most = |granted: Permission, own: fn(&User) -> Permission| {
        owner.map_or(granted, |user| granted.min(own(user)))
    };
    let limits = [spec.only.clone(), owner.and_then(|user| user.only.clone())];
    Ok(Actor {
        user: spec.user.clone(),
        // What name a token without a user has is not known; this one is not a user's, and needs percent-decoding.
        label: spec.user.clone().unwrap_or_else(|| format!("access-token-user/1/{id}")),
        id: owner.map_or(*id, |user| user.id),
        by_token: true,
        project: at_most(spec.project, |user| user.project),
        repo: at_most(spec.repo, |user| user.repo),
        only: limits.into_iter().flatten().collect(),
    })
}

fn by_password(store: &mut Store, name: &str, secret: &str) -> Result<Actor, Refusal> {
    // A personal token is as good as the password, and its failures are not a login's.
    if store.tokens.contains_key(secret) {
        return by_token(store, secret, Some(name));
    }
    let captcha = store.version.captcha_status();
    let Some(user) = store.users.get_mut(name) else { return Err(wrong()) };
    if user.failed_logins >= LOGINS_BEFORE_CAPTCHA {
        let status = StatusCode::from_u16(captcha).unwrap_or(StatusCode::UNAUTHORIZED);
        let message = "CAPTCHA required. Your Bitbucket account has been locked.";
        return Err(api(status, "auth.CaptchaRequiredAuthenticationException", message));
    }
    if user.password.as_deref() != Some(secret) {
        user.failed_logins += 1;
        return Err(wrong());
    }
    user.failed_logins = 0;
    seated(user)?;
    Ok(Actor {
        user: Some(user.name.clone()),
        label: user.name.clone(),
        id: user.id,
        by_token: false,
        project: user.project,
        repo: user.repo,
        only: user.only.clone().into_iter().collect(),
    })
}

/// Refuses an account without a seat, although the credentials are right.
fn seated(user: &User) -> Result<(), Refusal> {
    if user.licensed {
        return Ok(());
    }
    let message = "You do not have permission to access Bitbucket.";
    Err(api(StatusCode::UNAUTHORIZED, "auth.NoAccessAuthenticationException", message))
}

fn wrong() -> Refusal {
    let message = "Authentication failed. Please check your credentials and try again.";
    api(StatusCode::UNAUTHORIZED, "auth.IncorrectPasswordAuthenticationException", message)
}

/// The product's default.
const LOGINS_BEFORE_CAPTCHA: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    fn store() -> Store {
        let mut store = Store::new("https://localhost".to_owned(), Version::V9_4);
        store.ensure_user("alice").password = Some("right".to_owned());
        store
    }

    fn basic(name: &str, secret: &str) -> HeaderMap {
        let value = format!("Basic {}", STANDARD.encode(format!("{name}:{secret}")));
        [(header::AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
    }

    fn exception(refusal: &Refusal) -> String {
        format!("{refusal:?}")
    }

    #[test]
    fn five_wrong_passwords_need_a_captcha_even_for_the_right_one() {
        let mut store = store();
        for _ in 0..5 {
            let refusal = identify(&mut store, &basic("alice", "wrong"), Basic::Accepted).unwrap_err();
            assert!(exception(&refusal).contains("IncorrectPassword"));
        }
        let refusal = identify(&mut store, &basic("alice", "right"), Basic::Accepted).unwrap_err();
        assert!(exception(&refusal).contains("CaptchaRequired"));
    }

    #[test]
    fn a_personal_token_is_its_owners_password_and_nobody_elses() {
        let mut store = store();
        store.tokens.insert(
            "t0".to_owned(),
            Token { id: 9, name: "t".to_owned(), created: 0, spec: TokenSpec::personal("alice") },
        );
        assert!(identify(&mut store, &basic("alice", "t0"), Basic::Accepted).is_ok());
        assert!(identify(&mut store, &basic("bob", "t0"), Basic::Accepted).is_err());
    }

    #[test]
    fn a_projects_token_is_no_password() {
        let mut store = store();
        store.tokens.insert(
            "t1".to_owned(),
            Token { id: 9, name: "t".to_owned(), created: 0, spec: TokenSpec::project("SHOP") },
        );
        assert!(identify(&mut store, &basic("alice", "t1"), Basic::Accepted).is_err());
    }

    #[test]
    fn a_token_may_at_most_what_its_owner_may() {
        let mut store = store();
        store.ensure_user("alice").repo = Permission::Read;
        store.ensure_user("alice").project = Permission::Read;
        store.tokens.insert(
            "t2".to_owned(),
            Token {
                id: 9,
                name: "t".to_owned(),
                created: 0,
                spec: TokenSpec::personal("alice").only(&["SHOP"]),
            },
        );
        let bearer = [(header::AUTHORIZATION, "Bearer t2".parse().unwrap())].into_iter().collect();
        let actor = identify(&mut store, &bearer, Basic::Accepted).unwrap().unwrap();
        assert_eq!(actor.repo("shop"), Permission::Read);
        assert_eq!(actor.repo("OTHER"), Permission::None);
    }
}
