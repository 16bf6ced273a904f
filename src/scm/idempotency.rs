//! The caller's key against doing a write twice.
//!
//! The key is checked here and carried in the [`Command`](super::Command). After audit and before the backend, a
//! journal answers a repeated key from what it remembers, and lets a twin wait for the call that is at it. It lives in
//! this process and is bounded, so it saves work and orders twins, but proves nothing: the proof that a write has happened
//! is the server's, and the backend asks for it.

mod journal;

use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tonic::Code;
use tonic::metadata::MetadataMap;
use uuid::{Uuid, Variant};

use crate::proto::{Effect, Fault, Reason};
use crate::scm::Caller;

pub(super) use journal::{Entered, Journal, Outcome, Print, Slot, Turn};

/// A caller's key: a UUIDv7, unique for one intended write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(Uuid);

/// The metadata that carries the key.
pub const METADATA: &str = "idempotency-key";

impl Key {
    /// Reads the key of a call; `None` where there is none, and on methods that write nothing, where it is ignored.
    pub(super) fn of(effect: Effect, metadata: &MetadataMap) -> Result<Option<Self>, Fault> {
        match effect {
            Effect::Read | Effect::Admin => Ok(None),
            Effect::Write => match metadata.get(METADATA) {
                None => Ok(None),
                Some(value) => value.to_str().ok().and_then(Self::parse).map(Some).ok_or_else(invalid),
            },
        }
    }

    /// When its caller made it, by the caller's clock, to the millisecond (RFC 9562, 5.7: the first 48 bits).
    pub fn made(&self) -> SystemTime {
        let milliseconds = self.0.as_u128() >> (128 - 48);
        // 48 bits of milliseconds end in the year 10889: no clock overflows.
        SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds as u64)
    }

    /// What tells the writes under this key of `caller` from those under any other: two callers may make the same key.
    pub fn identity(&self, caller: &Caller) -> u128 {
        let mut digest = Sha256::new();
        for part in [&caller.tenant, &caller.caller] {
            // With its length, so that no two names run together into the same bytes.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.chain_update(self.0.as_bytes()).finalize().into();
        digest.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte))
    }

    /// Reads the hyphenated form; `None` for anything else, also for another version of UUID.
    pub fn parse(text: &str) -> Option<Self> {
        // `Uuid` would take braces, `urn:uuid:` and bare digits too; one spelling keeps keys comparable as text.
        let uuid = Uuid::parse_str(text).ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH)?;
        (uuid.get_version_num() == 7 && uuid.get_variant() == Variant::RFC4122).then_some(Self(uuid))
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What is said of a write that was cut before its end.
pub(super) fn uncertain() -> Fault {
    let message =
        "the write may have happened: it was cut before its end; repeat it with the same `idempotency-key`";
    Fault::new(Code::Unknown, Reason::WriteUncertain, message)
}

fn invalid() -> Fault {
    Fault::new(Code::InvalidArgument, Reason::IdempotencyKeyInvalid, "`idempotency-key` must be a UUIDv7")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(effect: Effect, key: &'static str) -> Result<Option<Key>, Reason> {
        let mut metadata = MetadataMap::new();
        metadata.insert(METADATA, key.parse().unwrap());
        Key::of(effect, &metadata).map_err(|fault| fault.reason())
    }

    #[test]
    fn a_write_takes_a_uuid_of_version_7_only() {
        let good = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(read(Effect::Write, good).map(|key| key.unwrap().to_string()), Ok(good.to_owned()));
        for bad in [
            "",
            "x",
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "01890a5d-ac96-774b-1cce-b302099a8057",
        ] {
            assert_eq!(read(Effect::Write, bad), Err(Reason::IdempotencyKeyInvalid), "{bad}");
        }
    }

    #[test]
    fn a_key_tells_when_it_was_made() {
        // The example of RFC 9562, A.6.
        let key = Key::parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").expect("a key");
        assert_eq!(key.made(), SystemTime::UNIX_EPOCH + Duration::from_millis(1_645_557_742_000));
    }

    #[test]
    fn a_read_ignores_the_key() {
        assert_eq!(read(Effect::Read, "x"), Ok(None));
    }
}
