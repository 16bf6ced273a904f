//! The contracts: generated messages and services, the descriptor set, the table of methods, and the form of a failure.
//!
//! Nothing here does IO or knows another module of this crate.

mod checks;
mod code;
pub mod codec;
pub mod fault;
mod held;
pub mod methods;

pub use code::code_name;
pub use fault::Fault;
pub use methods::{Class, Effect, Method};
pub use scm::v1::Reason;

/// The encoded descriptor set of every contract, imports included and comments left out; what reflection serves.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

pub use generated::{agent, gateway, options, scm, tunnel};

/// What the build makes of `proto/`, one module a package; the lints are for what people write.
#[expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]
mod generated {
    macro_rules! package {
        ($doc:literal, $name:ident, $package:literal) => {
            #[doc = $doc]
            pub mod $name {
                /// Version 1.
                pub mod v1 {
                    tonic::include_proto!($package);
                }
            }
        };
    }

    package!("Options that every method carries.", options, "gitproxy.options.v1");
    package!("The stream between agent and gateway.", tunnel, "gitproxy.tunnel.v1");
    package!("The SCM commands.", scm, "gitproxy.scm.v1");
    package!("What the gateway may ask an agent about itself.", agent, "gitproxy.agent.v1");
    package!("Administration of the gateway.", gateway, "gitproxy.gateway.v1");
}
