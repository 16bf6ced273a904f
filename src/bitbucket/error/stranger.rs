//! What answers in place of Bitbucket.

use std::fmt;

/// What answers in place of Bitbucket's REST interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// A web page where JSON is due, most often the login page of a single sign-on.
    LoginPage,
    /// A redirect to somewhere that is not below the base URL's REST interface.
    Redirect {
        /// Where to; for the operator only.
        target: String,
    },
    /// More redirects than a moved repository explains.
    Loop,
    /// A 404 that is not Bitbucket's, or where Bitbucket has something: there is none below this base URL.
    NotFoundPage,
    /// A page of the server in front of Bitbucket, which wants a client certificate and got none that it takes.
    ClientCertificate,
    /// A server that speaks TLS, and says so to who does not.
    Tls,
    /// Neither JSON nor a web page.
    OtherType,
}

impl Stranger {
    /// What it means and what to do, for the cloud too: without a redirect's target.
    pub(in crate::bitbucket) fn in_words(&self) -> [&'static str; 2] {
        match self {
            Self::LoginPage => [
                "a login page answers in place of Bitbucket's REST interface",
                "a single sign-on or a reverse proxy must let /rest pass with the token",
            ],
            Self::Redirect { .. } | Self::Loop => [
                "Bitbucket's REST interface redirects elsewhere, most likely to the login of a single sign-on",
                "it must let /rest pass with the token; or the base URL is not the one that Bitbucket is configured with",
            ],
            Self::NotFoundPage => {
                ["there is no Bitbucket below the connection's base URL", "check its host and context path"]
            }
            Self::ClientCertificate => [
                "the server in front of Bitbucket wants a client certificate, and got none or one that it refuses",
                "set client_cert_file and client_key_file of the connection to a pair that it accepts",
            ],
            Self::Tls => ["TLS is spoken at the port of the connection's base URL", "use an https:// URL"],
            Self::OtherType => [
                "what answers below the connection's base URL is not Bitbucket's REST interface",
                "check host and context path",
            ],
        }
    }
}

impl fmt::Display for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginPage => f.write_str("a web page, most likely a login page"),
            Self::Redirect { target } => write!(f, "a redirect to {target}, most likely to a single sign-on"),
            Self::Loop => f.write_str("a chain of redirects that does not end"),
            Self::NotFoundPage => f.write_str("a web page that says 404"),
            Self::ClientCertificate => f.write_str("a web page that asks for a client certificate"),
            Self::Tls => f.write_str("a page that asks for TLS"),
            Self::OtherType => f.write_str("an answer that is not JSON"),
        }
    }
}
