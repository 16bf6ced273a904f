//! What a test needs and may not find: a program, or the right to make network namespaces.
//!
//! There is one rule. What is missing is named on stderr (which a test that passes does not show else) and, for
//! `scripts/test`, in the file that `GITPROXY_SKIPS` names; the test then returns. With `GITPROXY_NO_SKIPS=1`, which `.ci/run`
//! sets, it fails.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use gitproxy::ops::settings::environment;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// Where a program is: on PATH, where distributions keep servers, or where `scripts/test` installs.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let found = find(name);
    if found.is_none() {
        skip(&format!("{name} is not installed (scripts/test says how)"));
    }
    found
}

/// Whether network namespaces can be made here, with a counter of their packets: this needs root and three programs.
pub(crate) async fn namespaces() -> Option<()> {
    for name in ["ip", "iptables", "nsenter"] {
        program(name)?;
    }
    // It is tried once for all tests: two at the same time would be in each other's way.
    let refused = TRIED.get_or_init(|| async {
        let name = format!("gp-try-{}", std::process::id());
        let tried = Command::new("sh").args(["-c", TRY, &name]).output().await.expect("a shell");
        let why =
            String::from_utf8_lossy(&tried.stderr).lines().next().unwrap_or("no reason given").to_owned();
        (!tried.status.success()).then_some(why)
    });
    let why = refused.await.as_ref();
    if let Some(why) = why {
        skip(&format!("network namespaces cannot be made here: {why}"));
    }
    why.is_none().then_some(())
}

/// Notes that this test, or a part of it, does not run.
pub(crate) fn skip(why: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {why}\n", thread.name().unwrap_or("a test"));
    assert!(environment("GITPROXY_NO_SKIPS").is_none(), "{line}");
    // Not by a macro: what those print, a test that passes keeps to itself.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(path) = environment("GITPROXY_SKIPS") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        // One write a line, so that tests that run side by side do not mix theirs.
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the file of GITPROXY_SKIPS");
    }
}

fn find(name: &str) -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    let folders = path.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let servers = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from);
    folders.chain(servers).chain([installed()]).map(|folder| folder.join(name)).find(|path| runs(path))
}

fn runs(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The folder that `scripts/test` installs in.
pub(crate) fn installed() -> PathBuf {
    let cache = environment("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| environment("HOME").map(|home| Path::new(&home).join(".cache")));
    cache.unwrap_or_default().join("gitproxy/bin")
}

/// Why there are no namespaces, if so.
static TRIED: OnceCell<Option<String>> = OnceCell::const_new();

const TRY: &str =
    "ip netns add $0 && ip netns exec $0 iptables -L -n >/dev/null; status=$?; ip netns del $0; exit $status";
