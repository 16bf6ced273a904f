//! Commits, diffs, branches and tags.
