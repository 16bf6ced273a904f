//! Where to attach, and with what.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;
use http::uri::InvalidUri;
use secrecy::ExposeSecret as _;
use tracing::warn;

use crate::egress::{NotAnOrigin, Origin, Scheme};
use crate::ops::Key;
use crate::ops::secret::Source;
use crate::ops::settings::{Layers, Problems};

/// The address of a gateway: https, or http on loopback, and nothing behind the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayUrl {
    origin: Origin,
    uri: Uri,
}

/// Why a text is no address of a gateway.
#[derive(Debug, thiserror::Error)]
pub enum NotAGateway {
    /// Not an origin.
    #[error("{0}; give one such as https://gateway.example.com")]
    Form(#[from] NotAnOrigin),
    /// http to another machine.
    #[error("is not https; plain http is accepted for a loopback address only")]
    Plaintext,
    /// The host has characters that no request can name.
    #[error("has a host that no request can name")]
    Host(#[from] InvalidUri),
}

/// The access key, which follows its file if it came from one.
#[derive(Debug, Clone)]
pub struct AccessKey {
    source: Source,
    good: Arc<Mutex<Key>>,
}

impl GatewayUrl {
    /// Where to connect.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Scheme, host and port as requests name them.
    pub(in crate::agent) fn uri(&self) -> Uri {
        self.uri.clone()
    }
}

impl FromStr for GatewayUrl {
    type Err = NotAGateway;

    fn from_str(text: &str) -> Result<Self, NotAGateway> {
        let origin: Origin = text.parse()?;
        if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            return Err(NotAGateway::Plaintext);
        }
        let uri = origin.to_string().parse()?;
        Ok(Self { origin, uri })
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl AccessKey {
    /// Takes a key that stays.
    pub fn fixed(key: Key) -> Self {
        Self { source: Source::Fixed(key.secret().clone()), good: Arc::new(Mutex::new(key)) }
    }

    pub(super) fn read(layers: &Layers, problems: &mut Problems) -> Option<Self> {
        let before = problems.iter().count();
        let Some(source) = layers.source(KEY, KEY_FILE, problems) else {
            // A file that cannot be read was reported by `source`.
            if problems.iter().count() == before {
                problems.push(layers.problem(KEY, "is required: set this or the file"));
            }
            return None;
        };
        let setting = match source {
            Source::Fixed(_) => KEY,
            Source::File(_) => KEY_FILE,
        };
        match Key::parse(source.current().expose_secret()) {
            Ok(key) => Some(Self { source, good: Arc::new(Mutex::new(key)) }),
            Err(why) => {
                problems.push(layers.problem(setting, &format!("the access key {why}")));
                None
            }
        }
    }

    /// The key as it is now. One that its file has become malformed in leaves the last good one in use, with a WARN.
    pub(in crate::agent) fn current(&self) -> Key {
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        match Key::parse(self.source.current().expose_secret()) {
            Ok(key) => *good = key,
            Err(why) => {
                warn!(%why, id = good.id(), "the access key in the file is malformed; the last good one stays in use")
            }
        }
        good.clone()
    }
}

const KEY: &str = "gateway.access_key";
const KEY_FILE: &str = "gateway.access_key_file";
