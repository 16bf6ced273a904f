//! One file changed, as one commit, without a working tree.

use super::{Error, Git, Identity, ZERO};

/// A file to change.
pub(crate) struct Edit<'a> {
    /// The full name of the branch that moves.
    pub(crate) branch: &'a str,
    /// Where it starts: the branch's commit, another's when the branch is new, none in an empty repository.
    pub(crate) parent: Option<&'a str>,
    /// The branch's commit now, none when it is to be made.
    pub(crate) tip: Option<&'a str>,
    pub(crate) path: &'a str,
    pub(crate) content: &'a [u8],
    pub(crate) message: &'a str,
    pub(crate) author: &'a Identity,
}

/// What became of an edit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EditOutcome {
    /// This commit was made.
    Committed(String),
    /// The bytes are the same.
    Unchanged,
    /// The path is impossible, a folder's for instance.
    Refused(String),
    /// The branch moved meanwhile.
    Moved,
}

impl Git {
    /// Makes a commit with one file changed and moves the branch to it, if it still is where it was.
    pub(crate) async fn edit(&self, edit: &Edit<'_>) -> Result<EditOutcome, Error> {
        let mut hash = self.command();
        hash.args(["hash-object", "-w", "--stdin"]);
        let blob = id(&self.feed(hash, edit.content).await?);
        let old = match edit.parent {
            Some(parent) => self.verify(&format!("{parent}:{}", edit.path)).await?,
            None => None,
        };
        if old.as_ref() == Some(&blob) {
            return Ok(EditOutcome::Unchanged);
        }
        let tree = match self.tree_with(edit, &blob).await? {
            Ok(tree) => tree,
            Err(reason) => return Ok(EditOutcome::Refused(reason)),
        };
        let parents: Vec<&str> = edit.parent.into_iter().collect();
        let commit = self.commit_tree(&tree, &parents, edit.message, edit.author).await?;
        let moved = self.update_ref(edit.branch, &commit, edit.tip.unwrap_or(ZERO)).await?;
        Ok(if moved { EditOutcome::Committed(commit) } else { EditOutcome::Moved })
    }

    /// Writes the parent's tree with one blob replaced; the file's mode stays.
    async fn tree_with(&self, edit: &Edit<'_>, blob: &str) -> Result<Result<String, String>, Error> {
        let scratch = tempfile::tempdir()?;
        let index = scratch.path().join("index");
        let command = || {
            let mut command = self.command();
            command.env("GIT_INDEX_FILE", &index);
            command
        };
        let mut mode = "100644".to_owned();
        if let Some(parent) = edit.parent {
            command().args(["read-tree", parent]).output().await?;
            let listed = self.text(["ls-tree", parent, "--", &format!(":(literal){}", edit.path)]).await;
            let old = listed.ok().and_then(|line| line.split_whitespace().next().map(str::to_owned));
            mode = old.filter(|mode| mode.starts_with("10")).unwrap_or(mode);
        }
        let entry = format!("{mode},{blob},{}", edit.path);
        let added = command().args(["update-index", "--add", "--cacheinfo", &entry]).output().await?;
        if !added.status.success() {
            return Ok(Err(String::from_utf8_lossy(&added.stderr).trim().to_owned()));
        }
        let mut write = command();
        write.arg("write-tree");
        Ok(Ok(id(&self.feed(write, b"").await?)))
    }

    /// Makes a commit of a tree.
    pub(super) async fn commit_tree(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: &Identity,
    ) -> Result<String, Error> {
        self.commit_by(tree, parents, message, author, author).await
    }

    /// Makes a commit of a tree for an author who is not the committer.
    pub(super) async fn commit_by(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: &Identity,
        committer: &Identity,
    ) -> Result<String, Error> {
        let mut command = self.command();
        command.args(["commit-tree", tree]);
        for parent in parents {
            command.args(["-p", parent]);
        }
        for (role, who) in [("AUTHOR", author), ("COMMITTER", committer)] {
            command.env(format!("GIT_{role}_NAME"), &who.name).env(format!("GIT_{role}_EMAIL"), &who.email);
            command.env(format!("GIT_{role}_DATE"), format!("{} +0000", who.at));
        }
        Ok(id(&self.feed(command, message.as_bytes()).await?))
    }
}

fn id(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().to_owned()
}
