//! Reads the text of a store file.

use std::collections::BTreeMap;
use std::path::Path;

use toml::de::DeTable;
use url::Url;

use super::document::{Section, Text};
use super::problem::Problems;
use super::snapshot::{Connection, Connections, Snapshot};
use super::{AgentKey, Auth, Caller, CallerToken};
use crate::gateway::name::{AgentId, Name};
use crate::gateway::role::Role;
use crate::ops::secret;

/// Looks up a variable of the process environment.
pub(super) type Environment = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Reads a whole store file. Secrets' paths are relative to `folder`.
///
/// # Errors
/// Everything that is wrong, at once.
pub(super) fn read(text: &str, folder: &Path, environment: &Environment) -> Result<Snapshot, Problems> {
    let mut problems = Problems::of(text);
    let (document, broken) = DeTable::parse_recoverable(text);
    for error in broken {
        // Its Display would quote the line, which may hold a token.
        problems.note(error.span().map_or(0, |span| span.start), "", error.message());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let reader = Reader { folder, environment, problems, ids: BTreeMap::new(), found: Snapshot::default() };
    reader.read(document.get_ref())
}

struct Reader<'e> {
    folder: &'e Path,
    environment: &'e Environment,
    problems: Problems,
    /// The line of each key's and token's id: they share one space, so that a log line's id names one thing.
    ids: BTreeMap<String, usize>,
    found: Snapshot,
}

impl Reader<'_> {
    fn read(mut self, document: &DeTable<'_>) -> Result<Snapshot, Problems> {
        let root = Section::root(document, &["tenants"], &mut self.problems);
        for (name, section) in root.named("tenants", &["agents", "callers"], &mut self.problems) {
            if let Some(tenant) = name.parse(&mut self.problems, Name::parse) {
                self.tenant(&tenant, &section);
            }
        }
        if self.problems.is_empty() { Ok(self.found) } else { Err(self.problems) }
    }

    fn tenant(&mut self, tenant: &Name, section: &Section<'_>) {
        self.found.tenants.entry(tenant.clone()).or_default();
        for (name, agent) in section.named("agents", &["keys", "connections"], &mut self.problems) {
            if let Some(agent_name) = name.parse(&mut self.problems, Name::parse) {
                let id = AgentId { tenant: tenant.clone(), agent: agent_name };
                self.agent(id, &agent);
            }
        }
        for (name, caller) in section.named("callers", &["role", "tokens"], &mut self.problems) {
            if let Some(caller_name) = name.parse(&mut self.problems, Name::parse) {
                self.caller(tenant, caller_name, &caller);
            }
        }
    }

    fn agent(&mut self, id: AgentId, section: &Section<'_>) {
        let keys = self.digests("keys", section);
        if keys.len() > MOST_KEYS {
            section.note(
                format!("has {} keys; at most {MOST_KEYS} may live at once", keys.len()),
                &mut self.problems,
            );
        }
        for (key, digest) in keys {
            self.found.agent_keys.insert(key, AgentKey { agent: id.clone(), digest });
        }
        let mut connections = Connections::new();
        for (name, connection) in section.named("connections", CONNECTION_KEYS, &mut self.problems) {
            let name = name.parse(&mut self.problems, Name::parse);
            if let (Some(name), Some(connection)) = (name, self.connection(&connection)) {
                connections.insert(name, connection);
            }
        }
        self.found.tenants.entry(id.tenant).or_default().insert(id.agent, connections);
    }

    fn caller(&mut self, tenant: &Name, name: Name, section: &Section<'_>) {
        let role = section
            .required("role", &mut self.problems)
            .and_then(|text| text.parse(&mut self.problems, str::parse::<Role>));
        let tokens = self.digests("tokens", section);
        let Some(role) = role else { return };
        let caller = Caller { tenant: tenant.clone(), name, role };
        for (id, digest) in tokens {
            self.found.caller_tokens.insert(id, CallerToken { caller: caller.clone(), digest });
        }
    }

    /// The `{ id, sha256 }` rows of `key`.
    fn digests(&mut self, key: &str, section: &Section<'_>) -> Vec<(String, String)> {
        let mut digests = Vec::new();
        for row in section.rows(key, &["id", "sha256"], &mut self.problems) {
            let id = row.required("id", &mut self.problems);
            let digest = row.required("sha256", &mut self.problems);
            let (Some(id), Some(digest)) = (id, digest) else { continue };
            let id = self.key_id(&id);
            let digest = digest.parse(&mut self.problems, hexadecimal_digest);
            digests.extend(id.zip(digest));
        }
        digests
    }

    fn key_id(&mut self, text: &Text<'_>) -> Option<String> {
        let id = text.parse(&mut self.problems, plain_id)?;
        match self.ids.insert(id.clone(), text.line(&self.problems)) {
            None => Some(id),
            Some(line) => {
                text.note(format!("is used in line {line} already"), &mut self.problems);
                None
            }
        }
    }

    fn connection(&mut self, section: &Section<'_>) -> Option<Connection> {
        let url = section
            .required("url", &mut self.problems)
            .and_then(|text| text.parse(&mut self.problems, base_url));
        let user = section.text("user", &mut self.problems).map_or("", |text| text.value()).to_owned();
        let auth = match section.text("auth", &mut self.problems) {
            None => Some(Auth::Bearer),
            Some(text) => text.parse(&mut self.problems, auth),
        };
        if auth == Some(Auth::Basic) && user.is_empty() {
            section.note("lacks `user`, which `auth = \"basic\"` needs", &mut self.problems);
        }
        let token = self.token(section);
        let projects = self.projects(section);
        Some(Connection { url: url?, user, token: token?, projects, auth: auth? })
    }

    fn projects(&mut self, section: &Section<'_>) -> Vec<String> {
        let mut projects = Vec::new();
        for text in section.texts("projects", &mut self.problems) {
            projects.extend(text.parse(&mut self.problems, project_key));
        }
        if projects.is_empty() {
            section.note("names no `projects`, so it could touch nothing", &mut self.problems);
        }
        projects
    }

    /// The one of `token`, `token_file` and `token_env` that is there.
    fn token(&mut self, section: &Section<'_>) -> Option<secret::Source> {
        let [fixed, file, variable] =
            ["token", "token_file", "token_env"].map(|key| section.text(key, &mut self.problems));
        match (fixed, file, variable) {
            (Some(text), None, None) => text.parse(&mut self.problems, fixed_secret),
            (None, Some(text), None) => {
                let path = self.folder.join(text.value());
                // Behind the folder, a token would read as a path.
                let misplaced = |raw: &str| !path.exists() && secret::is_misplaced(Path::new(raw));
                let open = |raw: &str| match misplaced(raw) {
                    true => Err(secret::Error::Misplaced),
                    false => secret::SecretFile::open(&path),
                };
                text.parse(&mut self.problems, open).map(secret::Source::File)
            }
            (None, None, Some(text)) => {
                let environment = self.environment;
                text.parse(&mut self.problems, |name| match environment(name) {
                    Some(value) => fixed_secret(&value),
                    None => Err("names an environment variable that is not set"),
                })
            }
            (None, None, None) => {
                section.note("lacks `token_file`, `token_env` or `token`", &mut self.problems);
                None
            }
            _ => {
                section
                    .note("must have only one of `token_file`, `token_env` and `token`", &mut self.problems);
                None
            }
        }
    }
}

fn fixed_secret(text: &str) -> Result<secret::Source, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("is empty") } else { Ok(secret::Source::Fixed(text.into())) }
}

fn plain_id(text: &str) -> Result<String, &'static str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| text.to_owned()).ok_or("must be the id that `keys new` printed")
}

fn hexadecimal_digest(text: &str) -> Result<String, &'static str> {
    let plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain
        .then(|| text.to_ascii_lowercase())
        .ok_or("must be the 64 hexadecimal digits that `keys new` printed")
}

/// The agent has the last word on a URL; this finds what can work nowhere.
fn base_url(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no URL")?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("must begin with https:// and a host");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not contain a user or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have neither `?` nor `#`");
    }
    Ok(text.to_owned())
}

fn auth(text: &str) -> Result<Auth, &'static str> {
    match text {
        "bearer" => Ok(Auth::Bearer),
        "basic" => Ok(Auth::Basic),
        _ => Err("must be `bearer` or `basic`"),
    }
}

/// Bitbucket's project keys are letters, digits, `_`, `-`; a personal project is `~` and a user's slug.
fn project_key(text: &str) -> Result<String, &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let key = text.strip_prefix('~').unwrap_or(text);
    let good = !key.is_empty() && key.bytes().all(plain);
    good.then(|| text.to_owned())
        .ok_or("must be a project key such as `PROJ`, or `~user` for a personal project")
}

/// One that is in use and one that replaces it.
const MOST_KEYS: usize = 2;
const CONNECTION_KEYS: &[&str] = &["url", "user", "token", "token_file", "token_env", "projects", "auth"];

#[cfg(test)]
mod tests;
