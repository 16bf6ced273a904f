//! What the status socket tells, member by member. `docs/status.schema.json` is the same for other programs.

use serde::{Deserialize, Serialize};

/// What the socket tells, as one line of JSON. It has names, hosts and numbers: no secret, and nothing of what a command
/// was about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The form of this; a member may be added without another number.
    pub format: u32,
    /// Whether the process works; it says so itself, so it is always true. It never depends on the gateway.
    pub live: bool,
    /// Whether the gateway can send calls.
    pub ready: bool,
    /// Where the link is, such as `attached`.
    pub link: String,
    /// The random id of the process.
    pub instance: String,
    /// The build.
    pub build: String,
    /// Since when the process runs, in seconds.
    pub uptime_s: u64,
    /// The sessions, the oldest first.
    pub sessions: Vec<Session>,
    /// The last that went wrong with the link; `None` when nothing has.
    pub last_error: Option<LastError>,
    /// What the link may take of memory.
    pub memory: Memory,
    /// The connections of the settings, at most [`MOST_CONNECTIONS`] of them.
    pub connections: Vec<Connection>,
    /// How many connections the settings have.
    pub connections_total: usize,
    /// The last commands, the newest first.
    pub calls: Vec<Call>,
}

/// A session with a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id, as in the logs of both ends.
    pub id: String,
    /// What the gateway calls itself.
    pub gateway: String,
    /// `open`, `doubted`, `asked` (by its gateway, to attach elsewhere) or `leaving`.
    pub phase: String,
    /// Since when it is attached, in seconds.
    pub attached_s: u64,
    /// How long nothing has come from the gateway, in milliseconds.
    pub quiet_ms: u64,
    /// How long a word takes to the gateway and back, in microseconds; not there until that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round_trip_us: Option<u64>,
    /// Calls whose answer is not over.
    pub in_flight: usize,
}

/// Something that went wrong with the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// How long ago, in seconds.
    pub ago_s: u64,
    /// What kind of thing, in a few words.
    pub verdict: String,
    /// Why.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

/// The link's bounds, in bytes but for `max_streams`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// `link.window`: what one stream may have on its way to the agent.
    pub window: u32,
    /// Streams of one session.
    pub max_streams: u32,
    /// What is held of one answer that the gateway does not read.
    pub send_buffer: u64,
    /// All streams of one session stalled, each both ways.
    pub worst_case: u64,
}

/// A connection of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// The host of its Bitbucket.
    pub host: String,
}

/// A command that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// How long ago it ended, in milliseconds.
    pub ago_ms: u64,
    /// The method, as `/package.Service/Method`.
    pub method: String,
    /// The connection; `None` for a command that needs none.
    pub connection: Option<String>,
    /// Who asked, as `tenant/caller`; without a tenant for a call on the debug listener.
    pub caller: String,
    /// The gRPC code, such as `NOT_FOUND`.
    pub code: String,
    /// Why it failed, as in docs/errors.md.
    pub reason: Option<String>,
    /// From its arrival to its end, in milliseconds.
    pub ms: u64,
}

/// How many connections are told of.
pub const MOST_CONNECTIONS: usize = 100;
