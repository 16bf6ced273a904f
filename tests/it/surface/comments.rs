//! Comments and tasks.
