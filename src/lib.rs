//! gitproxy.
