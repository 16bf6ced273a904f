//! Files and folders that are read again when they change.
//!
//! It asks for the content, not for events of the file system: Kubernetes swaps a symbolic link two levels above the
//! file, network file systems send no events, and a file's times may stay the same. The files are small and few.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::{task, time};

use crate::ops::Tasks;

/// How often to look when nothing else is asked for.
pub const EVERY: Duration = Duration::from_secs(2);

/// Some files and folders, and what was in them at the last look.
///
/// Of a folder the files right in it count, links followed, by their names and contents; folders in it do not.
#[derive(Debug)]
pub struct Files {
    files: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    seen: Option<Print>,
}

/// SHA-256 of a content, or of a folder's names and contents.
type Print = [u8; 32];

impl Files {
    /// Takes a first look. Do it *before* the files are read for use: a change between the two is then seen, not lost.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        let watched = |path: PathBuf| Watched { seen: look(&path).ok(), path };
        Self { files: paths.into_iter().map(Into::into).map(watched).collect() }
    }

    /// Whether there is nothing to look at.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Looks again: whether the content of any of them is another than at the last look.
    ///
    /// A path that cannot be read counts as unchanged, since a swap passes through a moment without it.
    pub async fn changed(&mut self) -> bool {
        let mut changed = false;
        for file in &mut self.files {
            let path = file.path.clone();
            // A folder may have hundreds of files: not on a thread that others wait for.
            let Ok(Ok(now)) = task::spawn_blocking(move || look(&path)).await else { continue };
            changed |= file.seen != Some(now);
            file.seen = Some(now);
        }
        changed
    }
}

/// Calls `changed` after each change of the files, from a task of `tasks` that ends with the drain.
pub fn reload<F>(tasks: &Tasks, mut files: Files, every: Duration, mut changed: F)
where
    F: FnMut() + Send + 'static,
{
    let own = tasks.clone();
    let watching = async move {
        loop {
            time::sleep(every).await;
            if files.changed().await {
                changed();
            }
        }
    };
    tasks.spawn(async move {
        tokio::select! {
            () = watching => {}
            () = own.draining() => {}
        }
    });
}

fn look(path: &Path) -> io::Result<Print> {
    if path.is_dir() { folder(path) } else { Ok(Sha256::digest(fs::read(path)?).into()) }
}

fn folder(path: &Path) -> io::Result<Print> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(path)?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.sort();
    let (mut all, mut read) = (Sha256::new(), HashSet::new());
    for file in files {
        let Ok(about) = fs::metadata(&file) else { continue };
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        all.update(Sha256::digest(name));
        // Links to one file are common in folders of certificates; its content counts under the first name.
        if about.is_file() && read.insert((about.dev(), about.ino())) {
            all.update(Sha256::digest(fs::read(&file).unwrap_or_default()));
        }
    }
    Ok(all.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tokio::sync::mpsc;

    use super::*;
    use crate::ops::tasks::Drained;

    #[tokio::test]
    async fn only_another_content_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        fs::write(&path, "one").unwrap();
        let mut files = Files::new([&path]);
        assert!(!files.changed().await);
        fs::write(&path, "one").unwrap();
        assert!(!files.changed().await, "the same content again");
        fs::write(&path, "two").unwrap();
        assert!(files.changed().await);
        assert!(!files.changed().await);
        fs::remove_file(&path).unwrap();
        assert!(!files.changed().await, "gone for a moment");
        fs::write(&path, "six").unwrap();
        assert!(files.changed().await);
    }

    #[tokio::test]
    async fn a_swap_of_the_folder_above_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = mounted(folder.path());
        assert!(!files.changed().await);
        symlink("..v2", folder.path().join("..next")).unwrap();
        fs::rename(folder.path().join("..next"), folder.path().join("..data")).unwrap();
        assert!(files.changed().await);
    }

    #[tokio::test]
    async fn a_file_that_comes_changes_or_goes_in_a_folder_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).unwrap();
        let mut files = Files::new([folder.path()]);
        assert!(!files.changed().await, "an empty folder");
        fs::write(at("a.crt"), "one").unwrap();
        assert!(files.changed().await, "a new file");
        fs::write(at("a.crt"), "two").unwrap();
        assert!(files.changed().await, "another content");
        fs::rename(at("a.crt"), at("b.crt")).unwrap();
        assert!(files.changed().await, "another name");
        symlink("b.crt", at("c.crt")).unwrap();
        assert!(files.changed().await, "a link");
        fs::write(at("below").join("d.crt"), "six").unwrap();
        assert!(!files.changed().await, "a file further down");
        fs::remove_file(at("c.crt")).unwrap();
        assert!(files.changed().await, "gone");
        assert!(!files.changed().await);
    }

    #[tokio::test]
    async fn a_swap_within_a_mounted_folder_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let _file = mounted(folder.path());
        let mut files = Files::new([folder.path()]);
        symlink("..v2", folder.path().join("..next")).unwrap();
        fs::rename(folder.path().join("..next"), folder.path().join("..data")).unwrap();
        assert!(files.changed().await);
        assert!(!files.changed().await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_follows_each_change_and_ends_with_the_drain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.crt");
        fs::write(&path, "one").unwrap();
        let (sender, mut calls) = mpsc::channel(4);
        let tasks = Tasks::new();
        reload(&tasks, Files::new([&path]), EVERY, move || sender.try_send(()).unwrap());
        for content in ["two", "three"] {
            fs::write(&path, content).unwrap();
            calls.recv().await.expect("a call");
        }
        assert!(calls.try_recv().is_err(), "one call a change");
        assert_eq!(tasks.finish(Duration::from_secs(60)).await, Drained::Clean);
    }

    /// A volume as Kubernetes mounts it: `ca.crt` → `..data/ca.crt`, `..data` → `..v1`.
    fn mounted(folder: &Path) -> Files {
        for (version, content) in [("..v1", "one"), ("..v2", "two")] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("ca.crt"), content).unwrap();
        }
        symlink("..v1", folder.join("..data")).unwrap();
        symlink("..data/ca.crt", folder.join("ca.crt")).unwrap();
        Files::new([folder.join("ca.crt")])
    }
}
