//! A comment posted once: what was posted already is found rather than posted again.

use std::future::Future;

use tokio::time::Instant;

use crate::bitbucket::comments::find::Wanted;
use crate::bitbucket::names::RepoId;
use crate::bitbucket::writes::{Bearings, Since};
use crate::bitbucket::{Client, Error};
use crate::proto::scm::v1 as pb;

/// Which attempt posted a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// This one.
    Now,
    /// An earlier one under the same key.
    Earlier,
}

impl Client {
    /// Posts a comment by `attempt`, unless an earlier attempt under the same key has; one whose answer is lost is looked
    /// for.
    ///
    /// With a key it is looked for before anything is posted, also on what seems the first attempt: an earlier one may have
    /// gone through another process. It is never repeated, since Bitbucket takes a second one: what is not found stays in
    /// doubt, and the caller's key makes the next attempt look again. None of `taken` is found: an equal part of the same
    /// text is another comment.
    ///
    /// # Errors
    /// Those of `attempt`; with a key, also those of looking.
    pub(super) async fn post_once<A>(
        &self,
        (repo, pr_id): (&RepoId, i64),
        wanted: &Wanted<'_>,
        taken: &[i64],
        attempt: impl Fn() -> A + Send + Sync,
    ) -> Result<(pb::Comment, Origin), Error>
    where
        A: Future<Output = Result<pb::Comment, Error>> + Send,
    {
        let since = self.since(Instant::now());
        let (claims, key) = (&self.writes().claims, self.call().key);
        // Between the look and the claim, two that post the same would each take the other's comment for their own.
        let _turn = self.writes().turns.take(repo, &["comment", &pr_id.to_string(), wanted.text]).await;
        let look = |from: fn(&Bearings, Since) -> i64| async move {
            let bearings = self.bearings().await?;
            // Whose comments cannot be told from another's are not looked for.
            let Some(author) = bearings.user.as_deref() else { return Ok(None) };
            let wanted = Wanted { author, ..*wanted };
            let but_not = [&claims.of_others(key), taken].concat();
            self.equal_comment(repo, pr_id, &wanted, from(&bearings, since), &but_not).await
        };
        let earlier = if key.is_some() { look(Bearings::key_made).await? } else { None };
        let (comment, origin) = match earlier {
            Some(comment) => (comment, Origin::Earlier),
            None => match attempt().await {
                Ok(comment) => (comment, Origin::Now),
                Err(doubt @ Error::Uncertain { .. }) => {
                    (self.look_again(|| look(Bearings::attempt)).await.ok_or(doubt)?, Origin::Now)
                }
                Err(error) => return Err(error),
            },
        };
        claims.claim(comment.id, key);
        Ok((comment, origin))
    }
}
