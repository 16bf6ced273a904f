//! What a simulator is started with.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::version::Version;

/// The settings of one simulator; `Config::default()` is a 9.4 on a free port with its repositories in a folder of
/// its own.
#[derive(Clone, Debug)]
pub struct Config {
    /// The release to behave as.
    pub version: Version,
    /// The context path, `/bitbucket` by default; empty for none.
    pub context: String,
    /// The address to listen on, 127.0.0.1 by default.
    pub address: IpAddr,
    /// The port there; 0 (the default) for a free one.
    pub port: u16,
    /// Whether it speaks TLS, as it does by default; without it, something in front of it may.
    pub tls: bool,
    /// Names for which its certificate is good too, beside `localhost` and the address.
    pub names: Vec<String>,
    /// Where the bare repositories are, `DIR/<project>/<slug>.git`; none for a temporary folder.
    pub dir: Option<PathBuf>,
    /// Whether REST accepts Basic authentication; none for what the version does (off from 10.x).
    pub basic_auth: Option<bool>,
    /// Builds that run by themselves; none by default.
    pub auto_build: Option<AutoBuild>,
    /// The most bytes that an edited file may have (`content.upload.max.size`).
    pub max_upload: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::default(),
            context: "/bitbucket".to_owned(),
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            tls: true,
            names: Vec::new(),
            dir: None,
            basic_auth: None,
            auto_build: None,
            max_upload: 5_242_880,
        }
    }
}

impl Config {
    /// The same settings for another release.
    #[must_use]
    pub fn version(self, version: Version) -> Self {
        Self { version, ..self }
    }

    /// What the server calls itself in links: by a name that only this machine knows while nobody else can reach it.
    pub(crate) fn base(&self, port: u16) -> String {
        let host = match self.names.first() {
            _ if self.address.is_loopback() => "localhost".to_owned(),
            Some(name) => name.clone(),
            None if self.address.is_ipv6() => format!("[{}]", self.address),
            None => self.address.to_string(),
        };
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{host}:{port}{}", self.context_path())
    }

    /// The context path with a leading and without a trailing slash, or nothing.
    pub(crate) fn context_path(&self) -> String {
        match self.context.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        }
    }
}

/// A build server in miniature: INPROGRESS as soon as a branch moves or a pull request opens, SUCCESSFUL after a while.
#[derive(Clone, Debug)]
pub struct AutoBuild {
    /// The build's key.
    pub key: String,
    /// The build's name as people see it.
    pub name: String,
    /// How long it runs.
    pub lasts: Duration,
}

impl Default for AutoBuild {
    fn default() -> Self {
        Self {
            key: "ci".to_owned(),
            name: "Continuous integration".to_owned(),
            lasts: Duration::from_millis(1500),
        }
    }
}
