//! Builds and reports.
