//! Pages: Bitbucket's envelope, and the tokens that callers carry from one page to the next (FACTS 1.3).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::bitbucket::Error;
use crate::bitbucket::reply::Reply;

/// A page as Bitbucket sends it. Members that some version leaves out have defaults.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct Envelope<T> {
    #[serde(default = "Vec::new")]
    values: Vec<T>,
    #[serde(default = "last")]
    is_last_page: bool,
    // Absent on stored collections, null on streamed ones, when the page is the last.
    #[serde(default)]
    next_page_start: Option<u64>,
}

fn last() -> bool {
    true
}

/// One page of a collection.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) values: Vec<T>,
    /// Where the next page starts; `None` on the last.
    pub(super) next: Option<u64>,
}

impl<T: DeserializeOwned> Page<T> {
    /// Reads the page that was asked for at `start`.
    ///
    /// # Errors
    /// [`Error::Unreadable`] also when the next page would not come after this one, which would loop for ever.
    pub(super) fn read(reply: &Reply, start: u64) -> Result<Self, Error> {
        Self::take(reply, reply.json()?, start)
    }

    /// Reads a page that is a member of an answer.
    ///
    /// # Errors
    /// As [`Page::read`].
    pub(super) fn of(reply: &Reply, member: Value, start: u64) -> Result<Self, Error> {
        let envelope =
            serde_json::from_value(member).map_err(|_| reply.unreadable("a page in it is none"))?;
        Self::take(reply, envelope, start)
    }

    fn take(reply: &Reply, envelope: Envelope<T>, start: u64) -> Result<Self, Error> {
        let Envelope { values, is_last_page, next_page_start } = envelope;
        match next_page_start {
            _ if is_last_page => Ok(Self { values, next: None }),
            Some(next) if next > start => Ok(Self { values, next: Some(next) }),
            Some(_) | None => Err(reply.unreadable("its next page does not come after this one")),
        }
    }
}

/// Where the next page begins, in the words of the method that made it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Which collection, for a method that pages through several; else 0.
    pub(super) part: u32,
    /// Where in the collection: Bitbucket's `nextPageStart`.
    pub(super) start: u64,
}

/// A method with its arguments, the page's own left out: what a token belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listing([u8; 8]);

impl Listing {
    /// Names the listing.
    pub(super) fn new<'a>(method: &'a str, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hash = Sha256::new();
        for text in std::iter::once(method).chain(arguments) {
            // With its length, so that `ab`, `c` is not `a`, `bc`.
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        let mut head = [0; 8];
        head.copy_from_slice(&hash.finalize()[..8]);
        Self(head)
    }

    /// Where the page begins; an empty token is the first page.
    ///
    /// # Errors
    /// [`Error::PageToken`] when the token is not one of this listing's.
    pub(super) fn resume(self, token: &str) -> Result<Cursor, Error> {
        if token.is_empty() {
            return Ok(Cursor::default());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| Error::PageToken)?;
        let rest = bytes.strip_prefix(&[VERSION]).and_then(|rest| rest.strip_prefix(&self.0));
        let (part, start) = rest.and_then(<[u8]>::split_first_chunk::<4>).ok_or(Error::PageToken)?;
        let start = start.try_into().map_err(|_| Error::PageToken)?;
        Ok(Cursor { part: u32::from_be_bytes(*part), start: u64::from_be_bytes(start) })
    }

    /// The token for the next page; empty when there is none.
    pub(super) fn token(self, next: Option<Cursor>) -> String {
        let Some(Cursor { part, start }) = next else { return String::new() };
        let mut bytes = vec![VERSION];
        bytes.extend(self.0);
        bytes.extend(part.to_be_bytes());
        bytes.extend(start.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// How long a page the caller asked for, and may ask for at most.
///
/// # Errors
/// [`Error::Field`] when it is negative or above `most`.
pub(super) fn size(asked: i32, usual: u32, most: u32) -> Result<u32, Error> {
    match u32::try_from(asked) {
        Ok(0) => Ok(usual),
        Ok(asked) if asked <= most => Ok(asked),
        Ok(_) | Err(_) => Err(Error::field("page_size", format!("must be 0 to {most}"))),
    }
}

/// The token's form; another one is a token that we did not issue.
const VERSION: u8 = 1;

/// The usual and the greatest page size of most listings.
pub(super) const USUAL: u32 = 100;
/// See [`USUAL`].
pub(super) const MOST: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitbucket::reply::Reply;

    fn page(body: &str, start: u64) -> Result<Page<u32>, Error> {
        Page::read(&Reply::of(200, body), start)
    }

    #[test]
    fn the_next_start_is_taken_verbatim_and_null_on_the_last_page() {
        let middle = page(r#"{"values":[1,2],"isLastPage":false,"nextPageStart":77,"size":2}"#, 25);
        assert_eq!(middle.expect("a page").next, Some(77));
        let last = page(r#"{"values":[3],"isLastPage":true,"nextPageStart":null,"limit":25}"#, 77);
        assert_eq!(last.expect("a page").next, None);
        assert_eq!(page(r#"{"values":[]}"#, 0).expect("a page").next, None);
    }

    #[test]
    fn a_next_start_that_does_not_advance_is_an_error() {
        let stuck = page(r#"{"values":[1],"isLastPage":false,"nextPageStart":25}"#, 25);
        assert!(matches!(stuck, Err(Error::Unreadable { .. })));
        assert!(page(r#"{"values":[1],"isLastPage":false}"#, 25).is_err());
    }

    #[test]
    fn a_token_resumes_its_own_listing_only() {
        let listing = Listing::new("ListRepos", ["ab", "c"]);
        let cursor = Cursor { part: 3, start: 1 << 40 };
        let token = listing.token(Some(cursor));
        assert_eq!(listing.resume(&token).expect("own"), cursor);
        assert_eq!(listing.resume("").expect("first"), Cursor::default());
        assert!(matches!(Listing::new("ListRepos", ["a", "bc"]).resume(&token), Err(Error::PageToken)));
        for forged in ["25", "not base64!", &token[..20], &format!("{token}AAAA")] {
            assert!(matches!(listing.resume(forged), Err(Error::PageToken)), "{forged}");
        }
    }

    #[test]
    fn a_page_size_outside_its_range_is_refused_by_name() {
        assert_eq!(size(0, USUAL, MOST).expect("default"), 100);
        assert_eq!(size(1000, USUAL, MOST).expect("most"), 1000);
        for bad in [-1, 1001] {
            assert!(
                matches!(size(bad, USUAL, MOST), Err(Error::Field { field, .. }) if field == "page_size")
            );
        }
    }
}
