//! An error for the operator's log.

use std::error::Error;

/// An error with all its causes in one line, the outermost first. A cause that only repeats the one before is left out.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut last = text.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if said != last {
            text.push_str(": ");
            text.push_str(&said);
            last = said;
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outside")]
    struct Outside(#[source] io::Error);

    #[test]
    fn every_cause_is_told_once() {
        let inside = io::Error::other(io::Error::other("the socket closed"));
        assert_eq!(causes(&Outside(inside)), "outside: the socket closed");
    }
}
