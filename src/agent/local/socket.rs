//! Unix sockets that only their owner can open.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio::net::unix::SocketAddr;

/// A listening unix socket with mode 0600; its file goes when it is dropped.
#[derive(Debug)]
pub(in crate::agent) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// How private the folder of a socket must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::agent) enum Folder {
    /// Only its owner may enter: between bind and the change of its mode, a socket has the mode that the umask gives.
    OwnerOnly,
    /// Any: what is told there is no secret and nothing can be asked for.
    Any,
}

impl Socket {
    /// Listens at `path`. A folder that is missing is made with mode 0700; the socket of a process that has died is replaced.
    ///
    /// # Errors
    /// When the folder is open to others and must not be, when another process listens there, or when something that is no
    /// socket is in the way.
    pub(in crate::agent) fn bind(path: &Path, folder: Folder) -> io::Result<Self> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        if folder == Folder::OwnerOnly {
            owner_only(parent)?;
        }
        clear(path)?;
        let listener = UnixListener::bind(path)?;
        let socket = Self { listener, path: path.to_owned() };
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(socket)
    }

    pub(in crate::agent) async fn accept(&self) -> io::Result<(tokio::net::UnixStream, SocketAddr)> {
        self.listener.accept().await
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // It may be gone already, with its folder.
        let _ = fs::remove_file(&self.path);
    }
}

fn owner_only(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let problem =
        format!("the folder {} has mode {mode:04o}: others may enter it; it must be 0700", folder.display());
    Err(io::Error::new(ErrorKind::PermissionDenied, problem))
}

/// Removes the socket of a process that has died.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => Err(io::Error::new(
            ErrorKind::AlreadyExists,
            format!("{} is in the way: it is no socket", path.display()),
        )),
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => Err(io::Error::new(
            ErrorKind::AddrInUse,
            format!("another process listens at {}", path.display()),
        )),
        Ok(_) => fs::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_0600_in_a_0700_folder_and_goes_with_its_owner() {
        let top = tempfile::tempdir().expect("a folder");
        let path = top.path().join("run/debug.sock");
        let socket = Socket::bind(&path, Folder::OwnerOnly).expect("bound");
        assert_eq!((mode(&path), mode(path.parent().expect("a parent"))), (0o600, 0o700));
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_folder_that_others_may_enter_is_refused() {
        let top = tempfile::tempdir().expect("a folder");
        for open in [0o755, 0o710, 0o701, 0o770] {
            fs::set_permissions(top.path(), Permissions::from_mode(open)).expect("set");
            let refused = Socket::bind(&top.path().join("debug.sock"), Folder::OwnerOnly).expect_err("open");
            assert!(refused.to_string().contains("must be 0700"), "{refused}");
        }
        Socket::bind(&top.path().join("status.sock"), Folder::Any).expect("bound");
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_process_is_replaced_but_not_that_of_a_living_one() {
        let top = tempfile::tempdir().expect("a folder");
        let path = top.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound"));
        let _living = Socket::bind(&path, Folder::Any).expect("the dead one's socket is replaced");
        assert_eq!(Socket::bind(&path, Folder::Any).expect_err("in use").kind(), ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_not_removed() {
        let top = tempfile::tempdir().expect("a folder");
        let path = top.path().join("precious");
        fs::write(&path, "data").expect("written");
        assert_eq!(
            Socket::bind(&path, Folder::Any).expect_err("in the way").kind(),
            ErrorKind::AlreadyExists
        );
        assert_eq!(fs::read_to_string(&path).expect("still there"), "data");
    }
}
