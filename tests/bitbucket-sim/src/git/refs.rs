//! Refs: listing, resolving, moving.

use super::{Error, Git};

/// A branch or tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefInfo {
    /// The full name.
    pub(crate) name: String,
    /// The commit it leads to.
    pub(crate) commit: String,
    /// The tag object of an annotated tag.
    pub(crate) tag_object: Option<String>,
    /// When it changed, in seconds.
    pub(crate) changed: i64,
}

impl Git {
    /// The refs below a prefix such as `refs/heads`, by name.
    pub(crate) async fn refs(&self, prefix: &str) -> Result<Vec<RefInfo>, Error> {
        let format = "--format=%(refname)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)";
        let text = self.text(["for-each-ref", "--sort=refname", format, prefix]).await?;
        text.lines().map(|line| parse(line).ok_or(Error::Output("for-each-ref"))).collect()
    }

    /// The branch that is configured as the default, born or not.
    pub(crate) async fn default_branch(&self) -> Result<String, Error> {
        self.text(["symbolic-ref", "HEAD"]).await
    }

    /// The commit that a full ref, a short name or an id leads to.
    pub(crate) async fn resolve(&self, at: &str) -> Result<Option<String>, Error> {
        // Revision expressions such as HEAD~1 are git's, not Bitbucket's.
        if at.is_empty()
            || at.starts_with('-')
            || at.contains("..")
            || at.contains(|c| "~^:?*[\\@{ ".contains(c))
        {
            return Ok(None);
        }
        let candidates = match at {
            full if full.starts_with("refs/") || full == "HEAD" => vec![full.to_owned()],
            short => vec![format!("refs/heads/{short}"), format!("refs/tags/{short}"), short.to_owned()],
        };
        for name in candidates {
            let hex = name.len() >= 4 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !name.starts_with("refs/") && name != "HEAD" && !hex {
                continue;
            }
            if let Some(id) = self.verify(&format!("{name}^{{commit}}")).await? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// The object that a revision expression names.
    pub(super) async fn verify(&self, expression: &str) -> Result<Option<String>, Error> {
        let output = self.output(["rev-parse", "--verify", "--quiet", expression]).await?;
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.code == 0 && !id.is_empty()).then_some(id))
    }

    /// Whether a name may be a branch's.
    pub(crate) async fn is_branch_name(&self, name: &str) -> Result<bool, Error> {
        let output = self.output(["check-ref-format", "--branch", name]).await?;
        Ok(output.code == 0 && !name.starts_with('-') && !name.contains("@{"))
    }

    /// Moves, makes (`old` all zeros) or deletes (`new` all zeros) a ref, if it still is where it was.
    pub(crate) async fn update_ref(&self, name: &str, new: &str, old: &str) -> Result<bool, Error> {
        let output = match new {
            ZERO => self.output(["update-ref", "-d", name, old]).await?,
            new => self.output(["update-ref", name, new, old]).await?,
        };
        Ok(output.code == 0)
    }

    /// Takes over the commits of a fork's branches, without any ref.
    pub(crate) async fn borrow_commits(&self, from: &Self) -> Result<(), Error> {
        let path = from.dir().to_string_lossy().into_owned();
        // By name: a pattern would need somewhere to put them.
        let branches = from.refs("refs/heads").await?;
        let mut args = vec!["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &path];
        args.extend(branches.iter().map(|branch| branch.name.as_str()));
        self.run(args).await.map(drop)
    }

    /// Sets a ref wherever it was, fetching its commit from another repository.
    pub(crate) async fn fetch(&self, from: &Self, source: &str, target: &str) -> Result<(), Error> {
        let path = from.dir().to_string_lossy().into_owned();
        let spec = format!("+{source}:{target}");
        self.run(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &path, &spec]).await.map(drop)
    }
}

fn parse(line: &str) -> Option<RefInfo> {
    let mut parts = line.split('\0');
    let (name, object, peeled, changed) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (commit, tag_object) =
        if peeled.is_empty() { (object, None) } else { (peeled, Some(object.to_owned())) };
    Some(RefInfo {
        name: name.to_owned(),
        commit: commit.to_owned(),
        tag_object,
        changed: changed.parse().unwrap_or_default(),
    })
}

/// The id of nothing.
pub(crate) const ZERO: &str = "0000000000000000000000000000000000000000";
