//! Settings with canaries in them, the forms of `gitproxy` that are run with them, and what these tell.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::forms::Secret;
use crate::world::new_key;
use crate::world::program::{self, Program};
use crate::world::tls::Ca;

/// See the module. Gateway and Bitbucket are names that only a proxy knows, unless the settings are changed.
pub(super) struct Scene {
    environment: BTreeMap<String, String>,
    pub(super) secrets: Vec<Secret>,
    pub(super) ca: Ca,
    folder: TempDir,
}

/// What a proxy is logged in to with.
#[derive(Clone, Copy)]
pub(super) struct Login {
    pub(super) user: &'static str,
    pub(super) password: &'static str,
}

/// All that a form of the program told.
pub(super) struct Told {
    form: String,
    text: String,
}

impl Login {
    /// In front of the host of a URL.
    pub(super) fn in_url(self) -> String {
        let [user, password] = [self.user, self.password]
            .map(|text| percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string());
        format!("{user}:{password}@")
    }

    pub(super) fn secret(self, name: &str) -> Secret {
        Secret::login(name, self.user, self.password)
    }
}

impl Scene {
    /// Three connections, to `git.test`: by a token, by a password, and by a token over plain http.
    pub(super) fn new() -> Self {
        Self::to("https://git.test:7990/bitbucket", "http://git.test:7990/bitbucket")
    }

    /// The same, with the plain one elsewhere than the others.
    pub(super) fn to(url: &str, plain: &str) -> Self {
        let (folder, ca, key) = (tempfile::tempdir().expect("a folder"), Ca::new("gitproxy test"), new_key());
        let mut text = String::new();
        let rows = [
            ("main", TOKEN, "auth = 'bearer'", url),
            ("password", PASSWORD, "auth = 'basic'\nuser = 'carol'", url),
            ("plain", PLAIN, "allow_http = true", plain),
        ];
        for (name, token, auth, url) in rows {
            let file = folder.path().join(name);
            fs::write(&file, token).expect("written");
            let _ = writeln!(text, "[connections.{name}]\n{auth}\nurl = '{url}'\nprojects = ['SHOP']");
            let _ = writeln!(text, "token_file = '{}'", file.display());
        }
        fs::write(folder.path().join("agent.toml"), text).expect("written");
        let secrets = vec![
            Secret::key("access key", &key),
            Secret::new("token", TOKEN),
            Secret::new("plain token", PLAIN),
            Secret::basic("password", "carol", PASSWORD),
        ];
        let access_key = key.secret().expose_secret().to_owned();
        let scene = Self { environment: BTreeMap::new(), secrets, ca, folder };
        let (config, roots) = (scene.file("agent.toml"), scene.write("roots.pem", scene.ca.pem()));
        scene
            .set("GITPROXY_CONFIG", &config)
            .set("ACCESS_KEY", &access_key)
            .set("SSL_CERT_FILE", &roots)
            .set("GATEWAY_URL", "https://gateway.test:8443")
            .set("GITPROXY_LOG", "trace")
    }

    /// Sets a variable.
    pub(super) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Something that must be in no output.
    pub(super) fn secret(mut self, secret: Secret) -> Self {
        self.secrets.push(secret);
        self
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> String {
        fs::write(self.file(name), text).expect("written");
        self.file(name)
    }

    /// Runs every form of the program that looks at the network, and says what each told. No secret is in any of it.
    pub(super) async fn all(&self) -> Vec<Told> {
        let told = tokio::join!(
            self.to_the_end(&["doctor"]),
            self.to_the_end(&["doctor", "--json", "--log-format", "json"]),
            self.to_the_end(&["run", "--preflight"]),
            self.to_the_end(&["run", "--preflight", "--log-format", "json"]),
            self.until_it_has_failed(),
        );
        [told.0, told.1, told.2, told.3, told.4].into()
    }

    /// Runs one form until it ends. No secret is in what it tells.
    pub(super) async fn to_the_end(&self, arguments: &[&str]) -> Told {
        let ended = self.start(arguments).end().await;
        self.checked(arguments, ended.text())
    }

    async fn until_it_has_failed(&self) -> Told {
        let mut agent = self.start(&["run"]);
        agent.line("not attached").await;
        let text = agent.kill().await.text();
        self.checked(&["run"], text)
    }

    fn start(&self, arguments: &[&str]) -> Program {
        Program::start(program::agent().args(arguments).envs(&self.environment))
    }

    #[track_caller]
    fn checked(&self, arguments: &[&str], text: String) -> Told {
        let form = arguments.join(" ");
        clean(&self.secrets, &form, &text);
        Told { form, text }
    }
}

impl Told {
    /// Fails unless the libraries were heard: else that nothing leaked shows nothing.
    #[track_caller]
    pub(super) fn heard(&self, targets: &[&str]) {
        // A table breaks its lines.
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for target in targets {
            assert!(text.contains(target), "`{}` says nothing of {target}:\n{}", self.form, self.text);
        }
    }
}

/// Fails if any of these is in a text.
#[track_caller]
pub(super) fn clean(secrets: &[Secret], whose: &str, text: &str) {
    for secret in secrets {
        let hits = secret.hits(text);
        let (count, name) = (hits.len(), &secret.name);
        assert!(hits.is_empty(), "{count} lines of `{whose}` tell the {name}:\n{}", hits.join("\n"));
        assert!(!secret.is_in_broken(text), "lines of `{whose}` together tell the {name}:\n{text}");
    }
}

const TOKEN: &str = "c4nary-t0ken-of-main+1/x=";
const PLAIN: &str = "c4nary-t0ken-in-the-clear";
const PASSWORD: &str = "c4nary p@ss\"wörd\\ of carol";

#[tokio::test]
#[should_panic(expected = "of `doctor` tell the planted")]
async fn what_a_program_does_tell_is_found_in_what_it_told() {
    let scene = Scene::new().secret(Secret::new("planted", "gateway.test"));
    scene.set("HTTPS_PROXY", "http://127.0.0.1:1").to_the_end(&["doctor"]).await;
}

#[tokio::test]
#[should_panic(expected = "says nothing of TRACE")]
async fn a_program_that_is_not_heard_shows_nothing() {
    Scene::new()
        .set("GITPROXY_LOG", "off")
        .to_the_end(&["egress", "explain", "https://git.test"])
        .await
        .heard(&["TRACE"]);
}
