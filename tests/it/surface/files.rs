//! Directories and archives.
