//! Trees and blobs: what a commit holds.

use std::process::Stdio;

use tokio::io::AsyncReadExt;

use super::{Error, Git};
use crate::body::Piped;

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) id: String,
    pub(crate) kind: String,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) size: Option<u64>,
    pub(crate) name: String,
}

impl Git {
    /// What a path leads to in a commit; the empty path is the root folder.
    pub(crate) async fn object(&self, commit: &str, path: &str) -> Result<Option<Object>, Error> {
        let Some(id) = self.verify(&format!("{commit}:{path}")).await? else { return Ok(None) };
        let kind = self.output(["cat-file", "-t", &id]).await?;
        // The commit of a submodule is not in this repository.
        let kind = if kind.code == 0 {
            String::from_utf8_lossy(&kind.stdout).trim().to_owned()
        } else {
            "commit".into()
        };
        Ok(Some(Object { id, kind }))
    }

    /// The names in a folder, folders and files mixed, by name.
    pub(crate) async fn entries(&self, tree: &str) -> Result<Vec<Entry>, Error> {
        let bytes = self.run(["ls-tree", "-z", "-l", tree]).await?;
        let text = String::from_utf8_lossy(&bytes);
        text.split_terminator('\0').map(|line| parse(line).ok_or(Error::Output("ls-tree"))).collect()
    }

    /// Every file below a folder, as paths relative to it.
    pub(crate) async fn files(&self, tree: &str) -> Result<Vec<String>, Error> {
        let bytes = self.run(["ls-tree", "-r", "-z", "--name-only", tree]).await?;
        Ok(String::from_utf8_lossy(&bytes).split_terminator('\0').map(str::to_owned).collect())
    }

    /// The size of a blob.
    pub(crate) async fn size(&self, blob: &str) -> Result<u64, Error> {
        self.text(["cat-file", "-s", blob]).await?.parse().map_err(|_| Error::Output("cat-file -s"))
    }

    /// A blob, whole.
    pub(crate) async fn blob(&self, blob: &str) -> Result<Vec<u8>, Error> {
        self.run(["cat-file", "blob", blob]).await
    }

    /// The beginning of a blob, without reading the rest.
    pub(crate) async fn beginning(&self, blob: &str, most: u64) -> Result<Vec<u8>, Error> {
        let mut child = self.command().args(["cat-file", "blob", blob]).stderr(Stdio::null()).spawn()?;
        let out = child.stdout.take().ok_or(Error::Output("stdout"))?;
        let mut bytes = Vec::new();
        out.take(most).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    /// What a command writes, as it writes it; the length is exact where given.
    pub(crate) fn stream(&self, args: &[&str], length: Option<u64>) -> Result<Piped, Error> {
        let mut child = self.command().args(args).stderr(Stdio::null()).spawn()?;
        let out = child.stdout.take().ok_or(Error::Output("stdout"))?;
        Ok(Piped::new(child, out, length))
    }
}

fn parse(line: &str) -> Option<Entry> {
    let (facts, name) = line.split_once('\t')?;
    let mut facts = facts.split_whitespace().map(str::to_owned);
    let (mode, kind, id, size) = (facts.next()?, facts.next()?, facts.next()?, facts.next()?.parse().ok());
    Some(Entry { mode, kind, id, size, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_spaces_and_a_folder_has_no_size() {
        let entry = parse("040000 tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904       -\ta b").unwrap();
        assert_eq!((entry.name.as_str(), entry.size, entry.kind.as_str()), ("a b", None, "tree"));
    }
}
