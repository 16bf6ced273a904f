//! How a connection that the cloud holds shows itself: without its token.

use std::fmt;

use super::tunnel::v1::HeldConnection;

impl fmt::Debug for HeldConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldConnection")
            .field("name", &self.name)
            .field("url", &self.url)
            .field("projects", &self.projects)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_token() {
        let held = HeldConnection { name: "main".into(), token: "s3cret".into(), ..Default::default() };
        let shown = format!("{held:?}");
        assert!(shown.contains("main") && !shown.contains("s3cret"), "{shown}");
    }
}
