//! A text that is too long for one comment, in parts.

use crate::bitbucket::pull_requests::characters;

/// A block of code that is open where a part ends.
#[derive(Debug, Clone, Copy)]
struct Fence<'a> {
    /// Its first line, which opens it again.
    opening: &'a str,
    /// What closes it.
    marker: &'a str,
}

/// Cuts a text into parts of at most `limit` UTF-16 units: after line ends where there are any, never inside a character or a
/// CRLF. A fenced block of code is closed at a cut and opened again after it. Parts of white space only are left out, since
/// Bitbucket takes none.
///
/// `limit` must be well above what the fences may take, some 250 units.
pub(super) fn parts(text: &str, limit: usize) -> Vec<String> {
    let (mut parts, mut rest, mut fence) = (Vec::new(), text, None::<Fence<'_>>);
    while !rest.is_empty() {
        let mut part = fence.map(|fence| format!("{}\n", fence.opening)).unwrap_or_default();
        let room = limit.saturating_sub(characters(&part));
        let whole = characters(rest) <= room;
        let cut = if whole { rest.len() } else { cut(rest, room.saturating_sub(OPENING + 1)) };
        let (piece, later) = rest.split_at(cut);
        let blank = piece.trim().is_empty();
        fence = open_after(piece, fence);
        part.push_str(piece);
        if let Some(fence) = fence.filter(|_| !whole) {
            if !part.ends_with('\n') {
                part.push('\n');
            }
            part.push_str(fence.marker);
        }
        if !blank {
            parts.push(part);
        }
        rest = later;
    }
    parts
}

/// Where to cut so that at most `room` units come before; always after at least one character.
fn cut(text: &str, room: usize) -> usize {
    let mut units = 0;
    let mut end = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > room && at > 0 {
            break;
        }
        end = at + c.len_utf8();
    }
    let head = &text[..end];
    if let Some(line) = head.rfind('\n') {
        return line + 1;
    }
    let splits_crlf = end > 1 && head.ends_with('\r') && text[end..].starts_with('\n');
    if splits_crlf { end - 1 } else { end }
}

/// The block of code that is open after `piece`, which begins inside `open`.
fn open_after<'a>(piece: &'a str, open: Option<Fence<'a>>) -> Option<Fence<'a>> {
    piece.lines().fold(open, |open, line| {
        let inner = line.trim_start_matches(' ');
        let sign = inner.chars().next().filter(|c| matches!(c, '`' | '~'));
        let Some(sign) = sign.filter(|_| line.len() - inner.len() <= 3) else { return open };
        let after = inner.trim_start_matches(sign);
        let marker = &inner[..inner.len() - after.len()];
        match open {
            _ if marker.len() < 3 => open,
            Some(fence) => {
                let closes = fence.marker.starts_with(sign)
                    && marker.len() >= fence.marker.len()
                    && after.trim().is_empty();
                (!closes).then_some(fence)
            }
            // What stands in a line with more of the sign is inline code; and a long one is not worth its room.
            None if after.contains('`') || characters(line) > OPENING => None,
            None => Some(Fence { opening: line, marker }),
        }
    })
}

/// The longest first line of a block that is written again, in UTF-16 units.
const OPENING: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_at_line_ends_and_lose_nothing() {
        let text: String = (0..200).map(|n| format!("line {n} \u{1f600}\r\n")).collect();
        let parts = parts(&text, 400);
        assert!(parts.len() > 5 && parts.iter().all(|part| characters(part) <= 400));
        assert!(parts.iter().all(|part| part.ends_with("\r\n")));
        assert_eq!(parts.concat(), text);
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let text = "\u{1f600}".repeat(1001);
        let parts = parts(&text, 401);
        assert!(parts.iter().all(|part| characters(part) <= 401));
        assert_eq!(parts.concat(), text);
    }

    #[test]
    fn a_crlf_is_never_parted() {
        for width in 1..8 {
            let end = cut("abcdef\r\nxyz", width);
            assert_ne!(end, 7, "{width}");
        }
        assert_eq!(cut("abcdef\r\nxyz", 7), 6);
    }

    #[test]
    fn code_is_closed_at_a_cut_and_opened_again() {
        let code: String = (0..60).map(|n| format!("let x{n} = {n};\n")).collect();
        let text = format!("Look:\n```rust\n{code}```\nEnd\n");
        let parts = parts(&text, 500);
        assert!(parts.len() > 1 && parts.iter().all(|part| characters(part) <= 500));
        assert!(parts[0].ends_with("\n```") && parts[1].starts_with("```rust\nlet"));
        assert!(parts.last().expect("one").ends_with("```\nEnd\n"));
        let plain: String = parts.concat().replace("```rust\n", "").replace("```", "").replace("Look:\n", "");
        assert!(plain.contains("let x0") && plain.contains("let x59"));
        assert_eq!(plain.matches("let ").count(), 60);
    }

    #[test]
    fn a_text_that_fits_is_one_part_as_it_is() {
        assert_eq!(parts("```\nopen", 500), ["```\nopen"]);
    }
}
