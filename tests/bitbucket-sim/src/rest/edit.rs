//! `PUT R/browse/{path}`: one file changed as one commit, sent as a form (FACTS.md 3).

use std::collections::HashMap;

use bytes::Bytes;
use http::{StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyDataStream, BodyExt, Full, LengthLimitError, Limited};

use super::{clean_path, commit_named, commits, identity, no_path, repo, restricted, route};
use crate::call::{Answer, Call};
use crate::git::{Edit, EditOutcome, Git, ZERO};
use crate::journal::WriteKind;
use crate::refusal::{Refusal, api, bad_argument, conflict, invalid, missing};
use crate::route::Route;
use crate::store::Repo;
use crate::{build, pull};

pub(super) const ROUTES: &[Route] = &[route!(PUT, repo!("/browse/{path*}"), Write, Json, later put)];

async fn put(mut call: Call) -> Answer {
    let user = call.user()?.to_owned();
    let form = Form::read(&mut call).await?;
    let (repo, git, path) = (call.repo()?.clone(), call.git()?, clean_path(&call)?);
    if path.is_empty() {
        return Err(bad_argument("A path is required"));
    }
    let content = form.parts.get("content").ok_or_else(|| invalid("content", "A content is required."))?;
    let branch = form.text("branch").ok_or_else(|| invalid("branch", "A branch is required."))?;
    let short = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
    let full = format!("refs/heads/{short}");

    let _alone = call.app.write_lock(repo.id).await;
    let tip = git.resolve(&full).await?;
    let parent = parent(&repo, &git, &form, short, tip.as_ref()).await?;
    check_source(&repo, &git, &form, parent.as_deref(), &path).await?;
    let may = restricted(&call, &full, tip.as_deref().unwrap_or(ZERO), EDITED);
    may.map_err(|refusal| refused_by_hook(&refusal))?;
    let message = form.text("message").unwrap_or_else(|| format!("{path} edited online with Bitbucket"));
    let author = identity(&call, &user);
    let edit = Edit {
        branch: &full,
        parent: parent.as_deref(),
        tip: tip.as_deref(),
        path: &path,
        content,
        message: &message,
        author: &author,
    };
    let commit = outcome(git.edit(&edit).await?, &path)?;
    let facts = [("branch", short), ("path", path.as_str()), ("commit", &commit)];
    call.app.journal.wrote(WriteKind::EditFile, &repo.label(), &facts);
    build::start(&call.app, &repo, &commit, &full);
    pull::refresh(&call.app, repo.id).await?;
    commits::answer(&call, &commit).await
}

/// The commit to build on: the branch's, or `sourceBranch`'s when the branch is to be made.
async fn parent(
    repo: &Repo,
    git: &Git,
    form: &Form,
    short: &str,
    tip: Option<&String>,
) -> Result<Option<String>, Refusal> {
    if let Some(tip) = tip {
        return Ok(Some(tip.clone()));
    }
    if !git.is_branch_name(short).await? {
        let message = format!("'{short}' is not a valid branch name");
        return Err(api(StatusCode::BAD_REQUEST, "repository.InvalidRefNameException", message));
    }
    if let Some(source) = form.text("sourceBranch") {
        return commit_named(repo, git, &source).await.map(Some);
    }
    if git.refs("refs/heads").await?.is_empty() {
        return Ok(None);
    }
    let message = format!("Branch \"{short}\" does not exist in repository \"{}\".", repo.slug);
    Err(missing("repository.NoSuchBranchException", message))
}

/// A file that exists may be changed only by who read it as it is now.
async fn check_source(
    repo: &Repo,
    git: &Git,
    form: &Form,
    parent: Option<&str>,
    path: &str,
) -> Result<(), Refusal> {
    let now = match parent {
        Some(parent) => git.object(parent, path).await?,
        None => None,
    };
    let Some(source) = form.text("sourceCommitId") else {
        let message = format!("The file '{path}' could not be created because it already exists.");
        return match now {
            Some(_) => Err(conflict("content.FileAlreadyExistsException", message)),
            None => Ok(()),
        };
    };
    let source = commit_named(repo, git, &source).await?;
    let then = git.object(&source, path).await?;
    let message =
        format!("The file '{path}' could not be edited because it has been changed since it was read.");
    match (&then, &now) {
        (None, None) => Err(no_path(path, &source)),
        (then, now) if then == now => Ok(()),
        _ => Err(conflict("content.FileOutOfDateException", message)),
    }
}

/// A restriction stops an edit as it stops a push, by the hook: 409.
fn refused_by_hook(refusal: &Refusal) -> Refusal {
    conflict("content.EditFileFailedException", refusal.message())
}

fn outcome(outcome: EditOutcome, path: &str) -> Result<String, Refusal> {
    let same = "The content provided is the same as what already exists. No change was committed.";
    let moved =
        format!("The file '{path}' could not be edited because the branch has been changed meanwhile.");
    match outcome {
        EditOutcome::Committed(commit) => Ok(commit),
        EditOutcome::Unchanged => Err(conflict("content.FileContentUnmodifiedException", same)),
        EditOutcome::Refused(reason) => Err(conflict("content.EditFileFailedException", reason)),
        EditOutcome::Moved => Err(conflict("content.FileOutOfDateException", moved)),
    }
}

/// The parts of the form; whether a part has a file name makes no difference.
struct Form {
    parts: HashMap<String, Vec<u8>>,
}

impl Form {
    async fn read(call: &mut Call) -> Result<Self, Refusal> {
        let kind = call.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let boundary =
            multer::parse_boundary(kind).map_err(|_| Refusal::Bare(StatusCode::UNSUPPORTED_MEDIA_TYPE))?;
        let body = call.body.take().ok_or(Refusal::Bare(StatusCode::BAD_REQUEST))?;
        Self::of(body, boundary, call.app.config.max_upload as u64).await
    }

    /// Reads a form whose parts have at most `limit` bytes each.
    async fn of<B>(body: B, boundary: String, limit: u64) -> Result<Self, Refusal>
    where
        B: HttpBody<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        // multer calls a whole form incomplete when its last byte arrives between two looks of one poll: it gets all at once.
        let whole = usize::try_from(limit + ROOM_FOR_THE_REST).unwrap_or(usize::MAX);
        let body = Limited::new(body, whole).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { too_large(limit) } else { unreadable(&*error) }
        })?;
        let sizes = multer::SizeLimit::new().per_field(limit);
        let constraints = multer::Constraints::new().size_limit(sizes);
        let body = BodyDataStream::new(Full::new(body.to_bytes()));
        let mut form = multer::Multipart::with_constraints(body, boundary, constraints);
        let refused = |error| {
            let large = matches!(error, multer::Error::FieldSizeExceeded { .. });
            if large { too_large(limit) } else { unreadable(&error) }
        };
        let mut parts = HashMap::new();
        while let Some(field) = form.next_field().await.map_err(refused)? {
            let name = field.name().unwrap_or("").to_owned();
            let bytes = field.bytes().await.map_err(refused)?;
            parts.insert(name, bytes.to_vec());
        }
        Ok(Self { parts })
    }

    /// A part as text; an empty one counts as absent.
    fn text(&self, name: &str) -> Option<String> {
        let bytes = self.parts.get(name)?;
        Some(String::from_utf8_lossy(bytes).into_owned()).filter(|text| !text.is_empty())
    }
}

fn too_large(limit: u64) -> Refusal {
    invalid("content", format!("The content must not be larger than {limit} bytes."))
}

fn unreadable(error: &dyn std::error::Error) -> Refusal {
    bad_argument(format!("The form cannot be read: {error}"))
}

/// Stands for the commit that an edit would make; it grows from the branch, so it rewrites nothing.
const EDITED: &str = "edited";

/// The other parts and the form's own lines.
const ROOM_FOR_THE_REST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;

    use super::*;

    /// A body that is not there at the first look, and all of it at the next.
    struct Late {
        looked: bool,
        all: Option<Bytes>,
    }

    impl HttpBody for Late {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if !std::mem::replace(&mut self.looked, true) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.all.take().map(|all| Ok(Frame::data(all))))
        }
    }

    async fn read(form: &'static str) -> Result<Form, Refusal> {
        let late = Late { looked: false, all: Some(Bytes::from_static(form.as_bytes())) };
        Form::of(late, "edge".to_owned(), 10).await
    }

    const FORM: &str =
        "--edge\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n0123456789\r\n--edge--";

    #[tokio::test]
    async fn a_form_that_arrives_late_and_at_once_is_whole() {
        let form = read(FORM).await.ok().unwrap();
        assert_eq!(form.parts["content"], b"0123456789");
    }

    #[tokio::test]
    async fn a_form_that_is_cut_anywhere_is_refused() {
        for end in 0..FORM.len() {
            assert!(read(&FORM[..end]).await.is_err(), "{end}");
        }
    }

    #[tokio::test]
    async fn a_part_above_the_limit_is_refused() {
        let longer = FORM.replace("0123456789", "0123456789+").leak();
        assert!(read(longer).await.is_err());
    }
}
