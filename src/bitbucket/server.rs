//! Who answers, in what version, for whom, and what may be seen: TestConnection.

use std::time::Instant;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Request;
use serde::Deserialize;

use crate::bitbucket::request::{Draft, Path, Permission};
use crate::bitbucket::wire::text;
use crate::bitbucket::{Client, Error, projects};
use crate::proto::scm::v1 as pb;

/// `GET /rest/api/latest/application-properties`
fn request() -> Request<Bytes> {
    Draft::get(Path::rest("api").segment("application-properties"), Permission::ProjectRead).empty()
}

/// What a server says of itself. Some old versions write the build as a number, which is not read.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    #[serde(default, deserialize_with = "text")]
    version: String,
    #[serde(default, deserialize_with = "text")]
    display_name: String,
}

impl Client {
    /// Asks the server what it is, whom it takes the token for, and which of the connection's projects it shows.
    ///
    /// The version needs no token (FACTS 1.1), so that only the projects prove one; without a project in the connection the
    /// first project of all is asked for.
    ///
    /// # Errors
    /// Whatever keeps the connection from working, first of all [`Error::TokenInvalid`] and [`Error::NotBitbucket`].
    pub async fn test_connection(
        &self,
        _: pb::TestConnectionRequest,
    ) -> Result<pb::TestConnectionResponse, Error> {
        let started = Instant::now();
        let reply = self.send(request()).await?;
        let Properties { version, display_name } = reply.json()?;
        if version.is_empty() {
            return Err(reply.unreadable("it names no version"));
        }
        let mut user = reply.user();
        let (mut visible, mut hidden) = (Vec::new(), Vec::new());
        let keys: Vec<_> = self.projects().iter().cloned().collect();
        let looks = stream::iter(keys.clone()).map(|key| self.look(key)).buffered(projects::AT_ONCE);
        for (key, look) in keys.into_iter().zip(looks.collect::<Vec<_>>().await) {
            match look? {
                Some(seen) => {
                    visible.push(key.to_string());
                    user = user.or(seen.user);
                }
                None => hidden.push(key.to_string()),
            }
        }
        if self.projects().is_empty() {
            user = user.or(self.send(projects::first()).await?.user());
        }
        Ok(pb::TestConnectionResponse {
            connection: Some(self.shown()),
            version,
            product: display_name,
            authenticated_as: user.unwrap_or_default(),
            visible_projects: visible,
            hidden_projects: hidden,
            duration_ms: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
            checks: Vec::new(),
            passed: true,
        })
    }

    fn shown(&self) -> pb::Connection {
        pb::Connection {
            name: self.connection().to_owned(),
            url: self.base().to_owned(),
            projects: self.projects().iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::reply::Reply;

    #[test]
    fn the_version_is_read_whether_the_build_is_a_text_or_a_number() {
        assert_eq!(request().uri(), "/rest/api/latest/application-properties");
        for build in [r#""9004022""#, "8007000"] {
            let json = format!(r#"{{"version":"9.4.22","buildNumber":{build},"displayName":"Bitbucket"}}"#);
            let properties: Properties = Reply::of(200, &json).json().expect("read");
            assert_eq!(
                (properties.version.as_str(), properties.display_name.as_str()),
                ("9.4.22", "Bitbucket")
            );
        }
    }
}
