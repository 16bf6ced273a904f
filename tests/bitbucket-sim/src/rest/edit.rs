//! `PUT R/browse/{path}`: one file changed as one commit, sent as a form (FACTS.md 3).

use std::collections::HashMap;

use http::{StatusCode, header};
use http_body_util::BodyDataStream;

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
        let limit = call.app.config.max_upload as u64;
        let sizes = multer::SizeLimit::new().per_field(limit).whole_stream(limit + ROOM_FOR_THE_REST);
        let constraints = multer::Constraints::new().size_limit(sizes);
        let mut form = multer::Multipart::with_constraints(BodyDataStream::new(body), boundary, constraints);
        let mut parts = HashMap::new();
        while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error, limit))? {
            let name = field.name().unwrap_or("").to_owned();
            let bytes = field.bytes().await.map_err(|error| unreadable(&error, limit))?;
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

fn unreadable(error: &multer::Error, limit: u64) -> Refusal {
    let too_large =
        matches!(error, multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. });
    if too_large {
        return invalid("content", format!("The content must not be larger than {limit} bytes."));
    }
    bad_argument(format!("The form cannot be read: {error}"))
}

/// Stands for the commit that an edit would make; it grows from the branch, so it rewrites nothing.
const EDITED: &str = "edited";

/// The other parts and the form's own lines.
const ROOM_FOR_THE_REST: u64 = 1 << 20;
