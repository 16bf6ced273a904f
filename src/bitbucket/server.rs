//! TestConnection: what a probe found, as the cloud may see it.

use std::time::Instant;

use tracing::warn;

use crate::bitbucket::probe::Findings;
use crate::bitbucket::{Client, Error};
use crate::ops::Check;
use crate::proto::Reason;
use crate::proto::scm::v1 as pb;

impl Client {
    /// Tells what [`Client::probe`] found. What does not work is among the checks, and in the log with what only the
    /// operator may see.
    ///
    /// # Errors
    /// [`Error::Unreachable`] where our own settings forbid to go there: that is no finding about Bitbucket.
    pub async fn test_connection(
        &self,
        _: pb::TestConnectionRequest,
    ) -> Result<pb::TestConnectionResponse, Error> {
        let started = Instant::now();
        let Findings { checks, product, user, visible, hidden, forbidden } = self.examine().await;
        if let Some(error) = forbidden {
            return Err(error);
        }
        checks.iter().filter(|check| check.is_failed()).for_each(|check| self.report(check));
        Ok(pb::TestConnectionResponse {
            connection: Some(self.shown()),
            version: product.version,
            product: product.display_name,
            authenticated_as: user.unwrap_or_default(),
            visible_projects: visible,
            hidden_projects: hidden,
            duration_ms: u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX),
            passed: !checks.iter().any(Check::is_failed),
            checks: checks.iter().map(typed).collect(),
        })
    }

    fn report(&self, check: &Check) {
        let Check { name, found, detail, .. } = check;
        warn!(connection = self.connection(), check = name, found, detail, "the connection failed a check");
    }

    fn shown(&self) -> pb::Connection {
        pb::Connection {
            name: self.connection().to_owned(),
            url: self.base().to_owned(),
            projects: self.projects().iter().map(ToString::to_string).collect(),
        }
    }
}

fn typed(check: &Check) -> pb::Check {
    pb::Check { reason: reason(check).into(), ..pb::Check::from(check) }
}

/// What a command would fail with, by the section that the advice leads to.
fn reason(check: &Check) -> Reason {
    let section = check.advice().filter(|_| check.is_failed()).map(|advice| advice.section);
    let known = |section| REASONS.iter().find(|(sections, _)| sections.contains(&section));
    section.and_then(known).map_or(Reason::Unspecified, |(_, reason)| *reason)
}

const REASONS: &[(&[&str], Reason)] = &[
    (&["dns"], Reason::EgressDns),
    (&["tcp"], Reason::EgressConnect),
    (
        &["proxy-dns", "proxy-tcp", "proxy-tls", "proxy-refused", "proxy-authentication", "proxy-stalled"],
        Reason::EgressProxy,
    ),
    (
        &[
            "tls",
            "not-tls",
            "certificate-unknown-authority",
            "certificate-wrong-host",
            "certificate-expired",
            "certificate-not-yet-valid",
            "client-certificate",
        ],
        Reason::EgressTls,
    ),
    (&["not-bitbucket"], Reason::NotBitbucket),
    (&["bitbucket-unavailable"], Reason::BitbucketUnavailable),
    (&["token", "expiry"], Reason::TokenInvalid),
    (&["captcha"], Reason::CaptchaRequired),
    (&["licence"], Reason::PermissionMissing),
    (&["projects"], Reason::ProjectNotFound),
    (&["rate-limit"], Reason::RateLimited),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Advice;

    #[test]
    fn a_failed_check_has_the_reason_that_commands_fail_with() {
        let advice = |section| Advice::new("Why.", "What to do.", section);
        let failed = |section| typed(&Check::failed("token", "no", advice(section))).reason();
        assert_eq!(failed("token"), Reason::TokenInvalid);
        assert_eq!(failed("certificate-expired"), Reason::EgressTls);
        assert_eq!(failed("user"), Reason::Unspecified);
        let warned = typed(&Check::warned("expiry", "soon", advice("expiry")));
        assert_eq!((warned.reason(), warned.kind()), (Reason::Unspecified, pb::CheckKind::Expiry));
        assert_eq!(warned.docs, "docs/troubleshooting.md#expiry");
    }
}
