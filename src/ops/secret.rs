//! Secrets that live in files and rotate.
