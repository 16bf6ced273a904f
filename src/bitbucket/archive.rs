//! Archives: GetArchive.

use bytes::Bytes;
use futures_util::Stream;
use http::Request;

use crate::bitbucket::names::{RepoId, RepoPath, Revision};
use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::{Client, Error};
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/projects/{p}/repos/{r}/archive?at=…&format=…&path=…&prefix=…`
fn request(
    repo: &RepoId,
    at: Option<&Revision>,
    format: pb::ArchiveFormat,
    paths: &[RepoPath],
    prefix: &str,
) -> Request<Bytes> {
    let format = match format {
        pb::ArchiveFormat::Unspecified | pb::ArchiveFormat::Zip => "zip",
        pb::ArchiveFormat::Tar => "tar",
        pb::ArchiveFormat::TarGz => "tar.gz",
    };
    let draft = Draft::get(Path::repo(repo).segment("archive"), Permission::RepoRead)
        .query_unless_empty("at", at.map_or("", Revision::as_str))
        .query("format", format);
    let draft = paths.iter().fold(draft, |draft, path| draft.query("path", path.as_str()));
    draft.query_unless_empty("prefix", prefix).raw()
}

impl Client {
    /// Reads an archive as it comes, in pieces of at most 64 KiB.
    ///
    /// # Errors
    /// [`Error::Field`], [`Error::OutsideProject`], and Bitbucket's refusals; in the stream [`Error::Cut`], after which nothing
    /// follows: an archive that did not come whole never ends without an error.
    pub async fn get_archive(
        &self,
        asked: pb::GetArchiveRequest,
    ) -> Result<impl Stream<Item = Result<Bytes, Error>> + Send + 'static + use<>, Error> {
        let repo = self.repo(asked.repo.as_ref())?;
        let at = Revision::parse(&asked.at).map_err(|why| Error::field("at", why))?;
        let format = pb::ArchiveFormat::try_from(asked.format)
            .map_err(|_| Error::field("format", "is a format that this version of gitproxy does not know"))?;
        let paths = asked.paths.iter().enumerate().map(|(index, path)| {
            RepoPath::parse(path).map_err(|why| Error::field(format!("paths[{index}]"), why))
        });
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        let opened = self.open(request(&repo, at.as_ref(), format, &paths, &asked.prefix)).await;
        // A 404 without an exception is about the revision: the repository's would be named.
        let download = opened.map_err(|error| error.means(Reason::NotFound, Reason::RefNotFound))?;
        Ok(download.into_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::names::testing::web;

    #[test]
    fn an_archive_names_its_format_and_each_path() {
        let paths = ["a b", "c"].map(|path| RepoPath::parse(path).expect("a path"));
        let asked = request(&web(), None, pb::ArchiveFormat::TarGz, &paths, "x/");
        assert_eq!(
            asked.uri(),
            "/rest/api/latest/projects/SHOP/repos/web/archive?format=tar.gz&path=a%20b&path=c&prefix=x%2F"
        );
        assert_eq!(asked.headers()["accept"], "*/*");
    }
}
