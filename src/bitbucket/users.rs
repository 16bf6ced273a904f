//! Users, as other resources name them.

use serde::Deserialize;

use crate::bitbucket::wire::text;
use crate::proto::scm::v1 as pb;

/// A user; the author of a commit with an unknown e-mail has a name only.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wire {
    #[serde(default, deserialize_with = "text")]
    name: String,
    #[serde(default, deserialize_with = "text")]
    display_name: String,
    #[serde(default, deserialize_with = "text")]
    slug: String,
    #[serde(default, deserialize_with = "text")]
    email_address: String,
}

impl Wire {
    /// With the e-mail address, which is part of a commit; elsewhere it is nobody's business.
    pub(super) fn with_email(mut self) -> pb::User {
        let email = std::mem::take(&mut self.email_address);
        pb::User { email, ..self.into() }
    }
}

impl From<Wire> for pb::User {
    fn from(wire: Wire) -> Self {
        Self { name: wire.name, display_name: wire.display_name, slug: wire.slug, email: String::new() }
    }
}
