//! Writes whose answers are lost, and keys against doing them twice.
