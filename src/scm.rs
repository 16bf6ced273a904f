//! The SCM commands as gRPC services, and the one way in.
