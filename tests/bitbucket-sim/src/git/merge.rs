//! Merging, decided by git.

use super::{Error, Git, Identity};

/// How to merge, by the names of `R/settings/pull-requests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Always a merge commit.
    NoFf,
    /// A merge commit only where needed.
    Ff,
    /// Never a merge commit.
    FfOnly,
    /// One commit with all changes.
    Squash,
}

/// What became of a merge.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MergeOutcome {
    /// The target is at this commit now.
    Merged(String),
    /// The two sides conflict.
    Conflicted,
    /// A merge commit would be needed, and the strategy forbids one.
    NotFastForward,
    /// The target moved meanwhile.
    Moved,
}

impl Git {
    /// The best common ancestor, where there is one.
    pub(crate) async fn merge_base(&self, a: &str, b: &str) -> Result<Option<String>, Error> {
        let output = self.output(["merge-base", a, b]).await?;
        Ok((output.code == 0).then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    }

    /// Whether `ancestor` is in the history of `commit`.
    pub(crate) async fn is_ancestor(&self, ancestor: &str, commit: &str) -> Result<bool, Error> {
        Ok(self.output(["merge-base", "--is-ancestor", ancestor, commit]).await?.code == 0)
    }

    /// The tree of a merge; none when the sides conflict.
    pub(crate) async fn merged_tree(&self, into: &str, from: &str) -> Result<Option<String>, Error> {
        let args = ["merge-tree", "--write-tree", "--no-messages", "--allow-unrelated-histories", into, from];
        let output = self.output(args).await?;
        match output.code {
            0 => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
            1 => Ok(None),
            _ => output.success("merge-tree").map(|_| None),
        }
    }

    /// Merges commit `from` into branch `target`, which must be at `into`.
    pub(crate) async fn merge(
        &self,
        target: &str,
        into: &str,
        from: &str,
        strategy: Strategy,
        message: &str,
        author: &Identity,
    ) -> Result<MergeOutcome, Error> {
        let forward = self.is_ancestor(into, from).await?;
        let commit = match strategy {
            Strategy::Ff | Strategy::FfOnly if forward => from.to_owned(),
            Strategy::FfOnly => return Ok(MergeOutcome::NotFastForward),
            Strategy::Ff | Strategy::NoFf | Strategy::Squash => {
                let Some(tree) = self.merged_tree(into, from).await? else {
                    return Ok(MergeOutcome::Conflicted);
                };
                let parents: &[&str] = if strategy == Strategy::Squash { &[into] } else { &[into, from] };
                self.commit_tree(&tree, parents, message, author).await?
            }
        };
        let moved = self.update_ref(target, &commit, into).await?;
        Ok(if moved { MergeOutcome::Merged(commit) } else { MergeOutcome::Moved })
    }
}
