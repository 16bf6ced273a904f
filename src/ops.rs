//! What every process needs and no command knows: tasks that drain, backoff, keys, secrets, settings, telemetry.

pub mod backoff;
pub mod call;
mod causes;
mod check;
pub mod descriptors;
mod echo;
pub mod export;
pub mod key;
pub mod lines;
pub mod metrics;
pub mod secret;
pub mod settings;
pub mod tasks;
pub mod telemetry;
pub mod traces;
pub mod watch;

pub use call::{Call, Urgency};
pub use causes::causes;
pub use check::{Advice, Check, Outcome, SECTIONS};
pub use echo::Echo;
pub use key::Key;
pub use tasks::Tasks;
