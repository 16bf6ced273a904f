//! The stable word of each kind of check, by which the probes and programs know it.

use super::scm::v1::CheckKind;

impl CheckKind {
    /// The kind that a word such as `proxy-dns` stands for; unspecified for a word that the contract does not have.
    pub fn named(word: &str) -> Self {
        let name = format!("{PREFIX}{}", word.to_uppercase().replace('-', "_"));
        Self::from_str_name(&name).unwrap_or(Self::Unspecified)
    }

    /// The word, such as `proxy-dns`.
    pub fn word(self) -> String {
        let name = self.as_str_name();
        name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace('_', "-")
    }
}

const PREFIX: &str = "CHECK_KIND_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_a_probe_reports_has_a_kind_and_reads_back() {
        let words = "settings proxy dns tcp proxy-dns proxy-tcp proxy-tls tunnel tls alpn attach transfer round-trip \
                     clock status version token user captcha licence projects write excess expiry rate-limit \
                     address";
        for word in words.split_whitespace() {
            let kind = CheckKind::named(word);
            assert_ne!(kind, CheckKind::Unspecified, "{word}");
            assert_eq!(kind.word(), word);
        }
    }

    #[test]
    fn a_word_of_another_version_has_no_kind() {
        assert_eq!(CheckKind::named("phase-of-the-moon"), CheckKind::Unspecified);
    }
}
