//! Settings in layers, each value with where it came from.
