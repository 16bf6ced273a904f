//! What both ends of a pipe agree on.

use std::time::Duration;

/// How an end of a pipe behaves. Both ends may differ in all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How many unread bytes a stream may hold here. One stream's throughput is this divided by the round-trip time, and
    /// the worst-case memory is [`Options::max_streams`] times this.
    pub window: u32,
    /// How many calls may be open at once.
    pub max_streams: u32,
    /// After how long without a frame a PING asks whether the peer is there.
    pub ping_every: Duration,
    /// After how long without a single byte read the pipe is doubted; see [`super::Pulse`]. Longer than what the peer may
    /// be quiet for, which is [`super::attach::BEAT`] over Attach.
    pub doubt: Duration,
    /// After how long without a single byte read the pipe is given up. A link that is only slow never gets there: its
    /// bytes are late, not absent.
    pub silence: Duration,
}

impl Options {
    /// What is held of one answer that the peer does not read, in bytes.
    pub fn send_buffer(&self) -> u64 {
        SEND_BUFFER as u64
    }

    /// What a session takes at worst, in bytes: every stream is open, unread here and unread there.
    pub fn worst_case(&self) -> u64 {
        u64::from(self.max_streams) * (u64::from(self.window) + self.send_buffer())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 1024 * 1024,
            max_streams: 1024,
            ping_every: Duration::from_secs(5),
            doubt: Duration::from_secs(2),
            silence: Duration::from_secs(10),
        }
    }
}

/// The largest window that HTTP/2 allows (RFC 9113, 6.9.1). Unread data of stalled calls counts against the shared
/// connection window, so anything smaller lets a few of them starve all others; memory is bounded by bounding streams.
pub(super) const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// Frames of 64 KiB cost less than the default 16 KiB each, and still let other calls in between.
pub(super) const FRAME: u32 = 64 * 1024;

/// What hyper may hold of one response that the peer does not read, in bytes; its default is 400 KiB.
pub(super) const SEND_BUFFER: usize = 64 * 1024;

/// What the headers of one call may take, in bytes.
pub(super) const HEADERS: u32 = 64 * 1024;

/// Larger than any link's life: the PING is there to make traffic, [`Options::silence`] decides.
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 3600);

/// How many streams the peer may have reset before we looked at them. The peer is authenticated, and a burst of quick
/// cancels is no attack; what is waiting is bounded by the streams open at once.
pub(super) const PENDING_RESETS: usize = 1 << 20;
