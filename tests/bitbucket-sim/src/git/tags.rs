//! Tags: making them.

use super::{Error, Git, Identity};

/// A tag to make.
pub(crate) struct NewTag<'a> {
    /// The name without `refs/tags/`.
    pub(crate) name: &'a str,
    /// The commit that it leads to.
    pub(crate) commit: &'a str,
    /// What an annotated tag says; none for a lightweight one.
    pub(crate) message: Option<&'a str>,
    pub(crate) tagger: &'a Identity,
    /// Whether it may take the place of another.
    pub(crate) force: bool,
}

impl Git {
    /// Whether a name may be a tag's.
    pub(crate) async fn is_tag_name(&self, name: &str) -> Result<bool, Error> {
        let output = self.output(["check-ref-format", &format!("refs/tags/{name}")]).await?;
        Ok(output.code == 0 && !name.starts_with('-'))
    }

    /// Makes a tag; false when there is one, or when its name overlaps another's.
    pub(crate) async fn make_tag(&self, tag: &NewTag<'_>) -> Result<bool, Error> {
        let mut command = self.command();
        command.arg("tag");
        if tag.force {
            command.arg("--force");
        }
        if let Some(message) = tag.message {
            command.args(["--annotate", "--message", message]);
        }
        command
            .args(["--", tag.name, tag.commit])
            .env("GIT_COMMITTER_NAME", &tag.tagger.name)
            .env("GIT_COMMITTER_EMAIL", &tag.tagger.email)
            .env("GIT_COMMITTER_DATE", format!("{} +0000", tag.tagger.at));
        Ok(command.output().await?.status.success())
    }
}
