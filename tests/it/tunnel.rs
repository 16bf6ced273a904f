//! The tunnel by itself: any byte pipe with a client at one end and a server at the other.
//!
//! Every contract is shown twice, over Attach (the real outer gRPC stream) and over a bare socket pair.

mod calls;
mod cancel;
mod deadline;
mod echo;
mod ends;
mod link;
mod probe;
mod stalled;

/// Makes a test of each named contract for each carrier.
macro_rules! over_both {
    ($($(@$flavour:ident)? $name:ident)*) => {
        mod over_attach {
            $($crate::tunnel::over_one!($($flavour)? $name, Attach);)*
        }
        mod over_a_socket_pair {
            $($crate::tunnel::over_one!($($flavour)? $name, Bare);)*
        }
    };
}

/// `paused` tests run in virtual time, where a hang ends by itself: nothing is left to wait for.
macro_rules! over_one {
    ($name:ident, $carrier:ident) => {
        #[tokio::test]
        async fn $name() {
            let contract = super::$name($crate::tunnel::ends::Carrier::$carrier);
            // A broken tunnel often shows as a call that hangs; the test must fail then, not hang too.
            tokio::time::timeout(std::time::Duration::from_secs(120), contract).await.expect("it hangs");
        }
    };
    (paused $name:ident, $carrier:ident) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            super::$name($crate::tunnel::ends::Carrier::$carrier).await;
        }
    };
}
use {over_both, over_one};
