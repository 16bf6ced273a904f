//! The program by its other name, `wget`: the check that documents tell people to type.

mod codes;
mod proxies;
mod redirects;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use self::server::Server;
use crate::world::tls::Ca;

/// A customer's authority, a folder with its certificate, and the program by its other name.
struct Scene {
    ca: Ca,
    folder: TempDir,
}

/// How it ended, and what it said.
#[derive(Debug)]
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Scene {
    fn new() -> Self {
        let (ca, folder) = (Ca::new("the customer's"), tempfile::tempdir().expect("a folder"));
        std::fs::write(folder.path().join("ca.crt"), ca.pem()).expect("written");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gitproxy"), folder.path().join("wget"))
            .expect("linked");
        Self { ca, folder }
    }

    async fn server(&self) -> Server {
        Server::start(Some(&self.ca)).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs it as the chart has it: the customer's authority in a file, and `more` in the environment.
    async fn trusting(&self, args: &[&str], more: &[(&str, &str)]) -> Done {
        let ca = self.path("ca.crt");
        let ca = [("CUSTOM_CA_CERT_FILE", ca.to_str().expect("UTF-8"))];
        self.run(args, &[&ca, more].concat()).await
    }

    /// Runs it with this environment and no other.
    async fn run(&self, args: &[&str], environment: &[(&str, &str)]) -> Done {
        run(&self.path("wget"), args, environment).await
    }
}

async fn run(program: &Path, args: &[&str], environment: &[(&str, &str)]) -> Done {
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(environment.iter().copied()).kill_on_drop(true);
    let output = timeout(Duration::from_secs(30), command.output()).await.expect("it ends").expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done {
        code: output.status.code().expect("no signal"),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

#[tokio::test]
async fn the_check_of_the_documents_is_silent_and_good() {
    let (scene, page) = (Scene::new(), include_str!("../../docs/install.md"));
    assert!(page.contains(" -- wget -q --spider https://"), "the check is documented otherwise");
    let server = scene.server().await;
    let done = scene.trusting(&["-q", "--spider", &server.at("/health")], &[]).await;
    assert_eq!((done.code, &*done.out, &*done.err), (0, "", ""), "{done:?}");
    let asked = server.asked();
    assert!(asked.len() == 1 && asked[0].starts_with("HEAD /health HTTP/1.1\r\n"), "{asked:?}");
}

#[tokio::test]
async fn the_same_file_by_its_own_name_is_the_agent() {
    let done =
        run(Path::new(env!("CARGO_BIN_EXE_gitproxy")), &["-q", "--spider", "https://localhost"], &[]).await;
    assert_eq!(done.code, 2);
    assert!(done.err.contains("Usage: gitproxy"), "{done:?}");
}

#[tokio::test]
async fn the_answer_goes_where_it_is_told_to_and_nowhere_else() {
    let scene = Scene::new();
    let server = scene.server().await;
    let done = scene.trusting(&["-q", "-O", "-", &server.at("/health")], &[]).await;
    assert_eq!((done.code, &*done.out, &*done.err), (0, "ok", ""), "{done:?}");
    assert!(server.asked()[0].starts_with("GET /health HTTP/1.1\r\n"), "{:?}", server.asked());
    let file = scene.path("answer");
    let done = scene.trusting(&["-qO", file.to_str().expect("UTF-8"), &server.at("/health")], &[]).await;
    assert_eq!((done.code, &*done.out), (0, ""), "{done:?}");
    assert_eq!(std::fs::read_to_string(file).expect("written"), "ok");
    // An answer that says no is no answer to keep.
    let file = scene.path("none");
    let done = scene.trusting(&["-qO", file.to_str().expect("UTF-8"), &server.at("/missing")], &[]).await;
    assert!(done.code == 8 && !file.exists(), "{done:?}");
}

#[tokio::test]
async fn without_q_it_tells_the_way_and_the_answer_and_with_s_the_headers() {
    let scene = Scene::new();
    let server = scene.server().await;
    let done = scene.trusting(&["--spider", &server.at("/health")], &[]).await;
    assert!(done.err.contains(": direct: localhost and loopback addresses are never proxied"), "{done:?}");
    assert!(done.err.contains("HTTP/1.1 200 OK") && !done.err.contains("x-own"), "{done:?}");
    let done = scene.trusting(&["-q", "-S", "--spider", &server.at("/health")], &[]).await;
    assert!(done.code == 0 && done.err.contains("  x-own: yes"), "{done:?}");
}

#[tokio::test]
async fn a_server_that_knows_no_head_is_asked_by_get() {
    let scene = Scene::new();
    let server = scene.server().await;
    let done = scene.trusting(&["-q", "--spider", &server.at("/no-head")], &[]).await;
    assert_eq!((done.code, &*done.out), (0, ""), "{done:?}");
    assert_eq!(server.lines(), ["HEAD /no-head HTTP/1.1", "GET /no-head HTTP/1.1"]);
}

#[tokio::test]
async fn a_login_in_the_url_is_sent_and_shown_nowhere() {
    let scene = Scene::new();
    let server = scene.server().await;
    let url = server.at("/health").replacen("https://", "https://me:c4n%61ry@", 1);
    let done = scene.trusting(&["-S", "--spider", &url], &[]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(server.asked()[0].contains("authorization: Basic bWU6YzRuYXJ5\r\n"), "{:?}", server.asked());
    let odd = scene.run(&["--nonsense", &url], &[]).await;
    let bad = scene.run(&["--spider", "https://me:c4nary@/"], &[]).await;
    assert_eq!((odd.code, bad.code), (2, 1));
    for said in [done.err, odd.err, bad.err] {
        assert!(!said.contains("c4n"), "{said}");
    }
}
