//! The exceptions: what is reached without the proxy.
//!
//! No standard says what NO_PROXY means, and programs differ; `docs/no_proxy.md` has the rules of this one, where they
//! differ from curl's, Go's and Python's, and why. Names are not looked up: an address matches an address only.

mod entry;

use std::str::FromStr;

use crate::egress::Origin;

use entry::Entry;
pub use entry::{BadEntry, Fault};

/// A list of exceptions, read from entries with commas or white space between them; by default it is empty.
#[derive(Debug, Clone, Default)]
pub struct NoProxy(Vec<Entry>);

impl NoProxy {
    /// The first entry that matches, as it was written.
    pub fn matching(&self, origin: &Origin) -> Option<&str> {
        self.0.iter().find(|entry| entry.matches(origin)).map(Entry::text)
    }

    /// Whether it has no entry at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for NoProxy {
    type Err = BadEntry;

    /// Reads the entries; empty ones are skipped. The first that means nothing is an error: to ignore it would send
    /// to the proxy what somebody meant to keep from it.
    fn from_str(text: &str) -> Result<Self, BadEntry> {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        entries.map(Entry::parse).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests;
