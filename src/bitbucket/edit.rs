//! One file written and committed: EditFile.

mod back;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderValue, Method, Request};
use tokio::time::Instant;

use crate::bitbucket::commits;
use crate::bitbucket::names::{BranchName, CommitId, RepoId, RepoPath};
use crate::bitbucket::reply::Reply;
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// What shall be written.
#[derive(Debug)]
struct Edit {
    repo: RepoId,
    path: RepoPath,
    branch: BranchName,
    content: Bytes,
    message: String,
    source_commit: Option<CommitId>,
    source_branch: Option<BranchName>,
}

/// `PUT /rest/api/latest/projects/{p}/repos/{r}/browse/{path}`, multipart; `boundary` must not occur in what is sent.
fn request(edit: &Edit, boundary: &str) -> Request<Bytes> {
    let mut form = Form { boundary, body: BytesMut::with_capacity(edit.content.len() + 1024) };
    form.field("branch", edit.branch.short());
    if !edit.message.is_empty() {
        form.field("message", &edit.message);
    }
    if let Some(commit) = &edit.source_commit {
        form.field("sourceCommitId", commit.as_str());
    }
    if let Some(branch) = &edit.source_branch {
        form.field("sourceBranch", branch.short());
    }
    form.file("content", &edit.content);
    let draft = Draft::new(
        Method::PUT,
        Path::repo(&edit.repo).segment("browse").file(&edit.path),
        Permission::RepoWrite,
    );
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let content_type = HeaderValue::try_from(content_type).expect("a boundary is letters and digits");
    draft.body(content_type, form.end())
}

fn reply(reply: &Reply) -> Result<pb::Commit, Error> {
    reply.json::<commits::Wire>().map(Into::into)
}

/// A `multipart/form-data` body (RFC 7578).
struct Form<'a> {
    boundary: &'a str,
    body: BytesMut,
}

impl Form<'_> {
    fn field(&mut self, name: &str, value: &str) {
        let head = format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n", self.boundary);
        self.part(&head, value.as_bytes());
    }

    /// A part with a file name, since a server may take one without for text and harm its bytes.
    fn file(&mut self, name: &str, content: &[u8]) {
        let head = format!(
            "--{}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            self.boundary
        );
        self.part(&head, content);
    }

    fn part(&mut self, head: &str, content: &[u8]) {
        self.body.put_slice(head.as_bytes());
        self.body.put_slice(content);
        self.body.put_slice(b"\r\n");
    }

    fn end(mut self) -> Bytes {
        let tail = format!("--{}--\r\n", self.boundary);
        self.body.put_slice(tail.as_bytes());
        self.body.freeze()
    }
}

impl Edit {
    fn parse(client: &Client, asked: pb::EditFileRequest) -> Result<Self, Error> {
        let repo = client.repo(asked.repo.as_ref())?;
        let path = RepoPath::parse(&asked.path).map_err(|why| Error::field("path", why))?;
        let branch = BranchName::parse(&asked.branch).map_err(|why| Error::field("branch", why))?;
        let commit = (!asked.source_commit_id.is_empty()).then(|| CommitId::parse(&asked.source_commit_id));
        let source_commit = commit.transpose().map_err(|why| Error::field("source_commit_id", why))?;
        let source = (!asked.source_branch.is_empty()).then(|| BranchName::parse(&asked.source_branch));
        let source_branch = source.transpose().map_err(|why| Error::field("source_branch", why))?;
        if asked.content.len() > LARGEST {
            return Err(Error::field("content", "must be at most 5,242,880 bytes"));
        }
        if asked.message.len() > LONGEST {
            return Err(Error::field("message", "must be at most 65,536 bytes"));
        }
        let (content, message) = (asked.content, asked.message);
        Ok(Self { repo, path, branch, content, message, source_commit, source_branch })
    }
}

impl Client {
    /// Writes one file and commits it; content that is already there is a success. With a key, that is so too where the file
    /// has moved on since `source_commit_id`, or exists although none was named; and after a lost answer.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; `FILE_EXISTS`, `FILE_OUT_OF_DATE`,
    /// `EDIT_REFUSED`, `TOKEN_HAS_NO_USER`.
    pub async fn edit_file(&self, asked: pb::EditFileRequest) -> Result<pb::EditFileResponse, Error> {
        let edit = Edit::parse(self, asked)?;
        let since = self.since(Instant::now());
        let attempt = || async {
            match self.send(request(&edit, &boundary(&edit))).await {
                Ok(done) => Ok(pb::EditFileResponse { commit: Some(reply(&done)?), unchanged: false }),
                Err(error) if is_unchanged(&error) => {
                    Ok(pb::EditFileResponse { commit: None, unchanged: true })
                }
                Err(error) => Err(error),
            }
        };
        let look = || self.edited(&edit, since);
        match self.once_only(attempt, look).await {
            // With a key, it may be an earlier attempt that has written the file.
            Err(error) if self.call().key.is_some() && is_moved(&error) => {
                look().await?.ok_or_else(|| not_edited(error))
            }
            done => done.map_err(not_edited),
        }
    }
}

fn is_moved(error: &Error) -> bool {
    matches!(error.reason(), Some(Reason::FileExists | Reason::FileOutOfDate))
}

fn is_unchanged(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.exception == "FileContentUnmodifiedException")
}

/// A conflict that names no state of the repository is a hook's.
fn not_edited(error: Error) -> Error {
    let of_state = matches!(&error, Error::Refused(refusal)
        if matches!(refusal.exception.as_str(), "IllegalEntityStateException" | "IntegrityException"));
    if of_state { error } else { error.means(Reason::StateRefused, Reason::EditRefused) }
}

/// What does not occur in the content or the message: there it would end the part, and the file that Bitbucket takes for
/// whole would be short.
fn boundary(edit: &Edit) -> String {
    // Without entropy these are constants, which a file may hold.
    let (high, low) = (getrandom::u64().unwrap_or_default(), getrandom::u64().unwrap_or_default());
    absent(&format!("gitproxy{high:016x}{low:016x}"), [&edit.content, edit.message.as_bytes()])
}

/// `stem` with the first number behind it that makes it occur in none of the texts.
fn absent(stem: &str, texts: [&[u8]; 2]) -> String {
    let mut boundary = stem.to_owned();
    let mut number = 0_u64;
    while texts.iter().any(|text| holds(text, boundary.as_bytes())) {
        number += 1;
        boundary = format!("{stem}n{number:x}");
    }
    boundary
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Bitbucket's default limit, `content.upload.max.size`.
const LARGEST: usize = 5_242_880;
/// The longest commit message, in bytes.
const LONGEST: usize = 65_536;

#[cfg(test)]
mod tests;
