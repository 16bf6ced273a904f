//! The version profiles, and the questions the rest asks of them (FACTS.md 1 and 8).

use std::str::FromStr;

/// A release that the simulator can behave as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 7.21, the oldest in scope.
    V7_21,
    /// 8.9.
    V8_9,
    /// 8.19.
    V8_19,
    /// 9.4, the long-term release that most recordings come from.
    #[default]
    V9_4,
    /// 10.2.
    V10_2,
}

impl Version {
    /// Every profile, oldest first.
    pub const ALL: [Self; 5] = [Self::V7_21, Self::V8_9, Self::V8_19, Self::V9_4, Self::V10_2];

    /// The full number, as `application-properties` says it.
    #[must_use]
    pub fn number(self) -> &'static str {
        match self {
            Self::V7_21 => "7.21.23",
            Self::V8_9 => "8.9.27",
            Self::V8_19 => "8.19.24",
            Self::V9_4 => "9.4.22",
            Self::V10_2 => "10.2.1",
        }
    }

    /// The build number: major, then three digits each for minor and bug fix.
    pub(crate) fn build_number(self) -> u64 {
        self.number()
            .split('.')
            .filter_map(|part| part.parse::<u64>().ok())
            .fold(0, |sum, part| sum * 1000 + part)
    }

    /// Old releases give `buildNumber` and `buildDate` as numbers, later ones as strings.
    pub(crate) fn has_numeric_build(self) -> bool {
        self < Self::V8_9
    }

    /// A form without a JSON content type needs `X-Atlassian-Token: no-check` (FACTS.md 1.6).
    pub(crate) fn checks_xsrf(self) -> bool {
        self < Self::V9_4
    }

    /// Fresh installs refuse Basic authentication for REST.
    pub(crate) fn refuses_basic(self) -> bool {
        self >= Self::V10_2
    }

    /// Repositories carry `archived`.
    pub(crate) fn has_archived(self) -> bool {
        self >= Self::V8_9
    }

    /// `/repos` knows `projectkey` (since 8.0).
    pub(crate) fn filters_by_key(self) -> bool {
        self >= Self::V8_9
    }

    /// Pull requests carry `draft`; before, the member is ignored in silence.
    pub(crate) fn has_drafts(self) -> bool {
        self >= Self::V8_19
    }

    /// Pull requests can be merged by the server once nothing stops them (since 8.15); before, the wish is ignored in
    /// silence and the merge happens at once.
    pub(crate) fn has_auto_merge(self) -> bool {
        self >= Self::V8_19
    }

    /// Anchors may span lines.
    pub(crate) fn has_multiline_anchors(self) -> bool {
        self >= Self::V8_9
    }

    /// `diff-stats-summary` exists (since 9.1).
    pub(crate) fn has_diff_stats(self) -> bool {
        self >= Self::V9_4
    }

    /// Conditions of default reviewers may name groups (since 9.5); before, they are dropped in silence.
    pub(crate) fn has_condition_groups(self) -> bool {
        self >= Self::V10_2
    }

    /// Settings say how many approvals and builds they require as objects.
    pub(crate) fn has_requirement_objects(self) -> bool {
        self >= Self::V8_9
    }

    /// Comments carry `threadResolved`.
    pub(crate) fn has_resolved_threads(self) -> bool {
        self >= Self::V8_9
    }

    /// Build states CANCELLED and UNKNOWN are accepted.
    pub(crate) fn has_cancelled_builds(self) -> bool {
        self >= Self::V8_9
    }

    /// Build statuses name their repository and show their commit.
    pub(crate) fn names_build_repository(self) -> bool {
        self >= Self::V9_4
    }

    /// Restrictions may keep branches from being made.
    pub(crate) fn has_no_creates(self) -> bool {
        self >= Self::V9_4
    }

    /// A 429 has `Retry-After`: seen on 10.4 and reported of 7.x, promised nowhere.
    pub(crate) fn says_retry_after(self) -> bool {
        matches!(self, Self::V7_21 | Self::V10_2)
    }

    /// The HTTP clone address carries the user's name.
    pub(crate) fn names_user_in_clone_url(self) -> bool {
        self < Self::V8_9
    }

    /// Tokens are honoured only under `/rest` and `/scm`.
    pub(crate) fn confines_tokens(self) -> bool {
        self >= Self::V8_9
    }

    /// Anonymous callers are told so by the plugin framework's own exception.
    pub(crate) fn names_missing_authentication(self) -> bool {
        self >= Self::V10_2
    }

    /// The status of a CAPTCHA refusal: observers of old and new servers disagree.
    pub(crate) fn captcha_status(self) -> u16 {
        if self < Self::V9_4 { 403 } else { 401 }
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let major_minor = |number: &str| number.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        let known = || Self::ALL.map(|version| major_minor(version.number())).join(", ");
        Self::ALL
            .into_iter()
            .find(|version| major_minor(version.number()) == major_minor(text))
            .ok_or_else(|| format!("{text} is no profile of the simulator (it has {})", known()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_named_by_major_and_minor() {
        assert_eq!("8.19".parse(), Ok(Version::V8_19));
        assert_eq!("10.2.7".parse(), Ok(Version::V10_2));
        assert!("6.0".parse::<Version>().unwrap_err().contains("7.21"));
    }

    #[test]
    fn a_build_number_holds_three_digits_a_part() {
        assert_eq!(Version::V9_4.build_number(), 9_004_022);
        assert_eq!(Version::V10_2.build_number(), 10_002_001);
    }
}
