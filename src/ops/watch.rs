//! Files that are read again when they change.
//!
//! It asks for the content, not for events of the file system: Kubernetes swaps a symbolic link two levels above the
//! file, network file systems send no events, and a file's times may stay the same. The files are small and few.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time;

use crate::ops::Tasks;

/// How often to look when nothing else is asked for.
pub const EVERY: Duration = Duration::from_secs(2);

/// Some files, and what was in them at the last look.
#[derive(Debug)]
pub struct Files {
    files: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    seen: Option<Print>,
}

/// SHA-256 of a content.
type Print = [u8; 32];

impl Files {
    /// Takes a first look. Do it *before* the files are read for use: a change between the two is then seen, not lost.
    pub fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        let watched =
            |path: PathBuf| Watched { seen: std::fs::read(&path).ok().map(|bytes| print(&bytes)), path };
        Self { files: paths.into_iter().map(Into::into).map(watched).collect() }
    }

    /// Looks again: whether the content of any of them is another than at the last look.
    ///
    /// A file that cannot be read counts as unchanged, since a swap passes through a moment without it.
    pub async fn changed(&mut self) -> bool {
        let mut changed = false;
        for file in &mut self.files {
            let Ok(bytes) = tokio::fs::read(&file.path).await else { continue };
            let now = Some(print(&bytes));
            changed |= now != file.seen;
            file.seen = now;
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

fn print(bytes: &[u8]) -> Print {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

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
