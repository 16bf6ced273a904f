//! Both ends of the pipe: HTTP/2 inside any stream of bytes, the gateway its client, the agent its server.
//!
//! [`channel`] is the gateway's end and [`serve`] the agent's. They know no gRPC service; [`attach`] alone knows how the
//! bytes ride on the one outbound gRPC stream, and [`probe`] tries that way out. [`Pulse`] tells at either end how long the
//! other has been silent. The layers that both ends put around a call, because one end alone cannot keep the promise, live
//! here too: [`deadline`] and [`admit`]; and [`observe`], since both tell the same of a call.
//!
//! Three things differ from an HTTP/2 connection between strangers, each for a measured reason:
//! the connection window is 2^31-1, since unread data of one call would else hold up every call; the limits on resets
//! are lifted, since a storm of cancelled calls is normal between authenticated peers; and a late PING never closes the
//! connection, since on a slow link it waits behind data: only silence does.

pub mod admit;
mod alive;
mod answer;
pub mod attach;
mod body;
pub mod body_limit;
mod channel;
mod client;
mod clocks;
pub mod deadline;
pub mod ending;
mod greeting;
pub mod observe;
mod options;
mod preface;
pub mod probe;
mod pulse;
mod serve;
mod unprocessed;
pub mod wire;

pub use alive::SILENT;
pub use answer::Problem;
pub use body::{Holding, in_words};
pub use channel::{Channel, channel};
pub use options::Options;
pub use pulse::Pulse;
pub use serve::{Calls, Ended, serve};
pub use unprocessed::{is_unprocessed, unprocessed};

/// The body of every request and response that passes here.
pub type Body = tonic::body::Body;

/// A stack of layers over services, ready to be served.
pub type Service =
    tower::util::BoxCloneSyncService<http::Request<Body>, http::Response<Body>, std::convert::Infallible>;
