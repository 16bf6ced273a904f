//! Merging, decided by git.

use super::{CommitInfo, Error, Git, Identity, LogQuery};

/// How to merge, by the names of `R/settings/pull-requests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Always a merge commit.
    NoFf,
    /// A merge commit only where needed.
    Ff,
    /// Never a merge commit.
    FfOnly,
    /// The commits anew on the target, then a merge commit.
    RebaseNoFf,
    /// The commits anew on the target, and no merge commit.
    RebaseFfOnly,
    /// One commit with all changes.
    Squash,
    /// The same, but only when the target has not moved on.
    SquashFfOnly,
}

/// What to merge, where to and how.
pub(crate) struct Merge<'a> {
    /// The full name of the branch that moves.
    pub(crate) target: &'a str,
    /// The commit where it must be.
    pub(crate) into: &'a str,
    pub(crate) from: &'a str,
    pub(crate) strategy: Strategy,
    pub(crate) message: &'a str,
    pub(crate) author: &'a Identity,
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

impl Strategy {
    /// All, in the order of the settings.
    pub(crate) const ALL: [Self; 7] = [
        Self::NoFf,
        Self::Ff,
        Self::FfOnly,
        Self::RebaseNoFf,
        Self::RebaseFfOnly,
        Self::Squash,
        Self::SquashFfOnly,
    ];

    /// As the interface writes it.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::NoFf => "no-ff",
            Self::Ff => "ff",
            Self::FfOnly => "ff-only",
            Self::RebaseNoFf => "rebase-no-ff",
            Self::RebaseFfOnly => "rebase-ff-only",
            Self::Squash => "squash",
            Self::SquashFfOnly => "squash-ff-only",
        }
    }

    /// The strategy with this id.
    pub(crate) fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.id() == id)
    }
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

    /// Merges a commit into a branch, if the branch still is where it was.
    pub(crate) async fn merge(&self, merge: &Merge<'_>) -> Result<MergeOutcome, Error> {
        let Merge { into, from, strategy, .. } = *merge;
        let forward = self.is_ancestor(into, from).await?;
        let made = match strategy {
            Strategy::Ff | Strategy::FfOnly if forward => Some(from.to_owned()),
            Strategy::FfOnly => return Ok(MergeOutcome::NotFastForward),
            Strategy::SquashFfOnly if !forward => return Ok(MergeOutcome::NotFastForward),
            Strategy::Ff | Strategy::NoFf => self.merge_commit(merge, from).await?,
            Strategy::Squash | Strategy::SquashFfOnly => self.squash_commit(merge).await?,
            Strategy::RebaseFfOnly => self.rebased(into, from, merge.author).await?,
            Strategy::RebaseNoFf => match self.rebased(into, from, merge.author).await? {
                Some(tip) => self.merge_commit(merge, &tip).await?,
                None => None,
            },
        };
        let Some(commit) = made else { return Ok(MergeOutcome::Conflicted) };
        let moved = self.update_ref(merge.target, &commit, into).await?;
        Ok(if moved { MergeOutcome::Merged(commit) } else { MergeOutcome::Moved })
    }

    async fn merge_commit(&self, merge: &Merge<'_>, from: &str) -> Result<Option<String>, Error> {
        let Some(tree) = self.merged_tree(merge.into, from).await? else { return Ok(None) };
        self.commit_tree(&tree, &[merge.into, from], merge.message, merge.author).await.map(Some)
    }

    async fn squash_commit(&self, merge: &Merge<'_>) -> Result<Option<String>, Error> {
        let Some(tree) = self.merged_tree(merge.into, merge.from).await? else { return Ok(None) };
        self.commit_tree(&tree, &[merge.into], merge.message, merge.author).await.map(Some)
    }

    /// The commits of `from` that `into` lacks, made anew on top of it: their last, or none when one conflicts.
    pub(crate) async fn rebased(
        &self,
        into: &str,
        from: &str,
        committer: &Identity,
    ) -> Result<Option<String>, Error> {
        if self.is_ancestor(into, from).await? {
            return Ok(Some(from.to_owned()));
        }
        let query = LogQuery {
            until: from,
            since: Some(into),
            merges: Some("--no-merges"),
            limit: MOST_REBASED,
            ..LogQuery::default()
        };
        let mut tip = into.to_owned();
        for commit in self.log(&query).await?.iter().rev() {
            let Some(tree) = self.picked_tree(&tip, commit, committer).await? else { return Ok(None) };
            tip = self.commit_by(&tree, &[&tip], &commit.message, &commit.author, committer).await?;
        }
        Ok(Some(tip))
    }

    /// The tree of `tip` with what one commit changed.
    async fn picked_tree(
        &self,
        tip: &str,
        commit: &CommitInfo,
        committer: &Identity,
    ) -> Result<Option<String>, Error> {
        let Some(parent) = commit.parents.first() else { return self.merged_tree(tip, &commit.id).await };
        // A stand-in for the tip that parted at the commit's parent, so that a merge takes over this commit only.
        let stand_in = self.commit_tree(&format!("{tip}^{{tree}}"), &[parent], "Stand-in", committer).await?;
        self.merged_tree(&stand_in, &commit.id).await
    }
}

/// More commits than any pull request of a test has.
const MOST_REBASED: usize = 10_000;
