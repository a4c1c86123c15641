//! What peers send, made fit for a terminal.

use std::borrow::Cow;
use zre_mio::Content;

/// The text without anything that a terminal would obey: a peer must not move the cursor, change the title or turn
/// the direction of writing. What is left out shows as a sign in its place.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| sign(c).is_none()) {
        return text.into();
    }
    text.chars().map(|c| sign(c).unwrap_or(c)).collect::<String>().into()
}

fn sign(c: char) -> Option<char> {
    match c {
        // Unicode has a picture for each of the old control characters.
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)),
        '\x7f' => Some('\u{2421}'),
        '\u{2028}' | '\u{2029}' => Some('\u{240a}'),
        '\u{80}'..='\u{9f}' => Some(char::REPLACEMENT_CHARACTER),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some(char::REPLACEMENT_CHARACTER)
        }
        _ => None,
    }
}

/// A number with a comma before each group of three digits.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A message on one line: frames side by side, what is not text by its size.
pub(crate) fn message(content: &Content) -> String {
    let frames = content.iter().map(|frame| match std::str::from_utf8(frame) {
        Ok(text) => clean(text),
        Err(_) => format!("<{} octets>", frame.len()).into(),
    });
    frames.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_reach_the_terminal() {
        assert_eq!(clean("\x1b]0;mine\x07\x1b[2J"), "␛]0;mine␇␛[2J");
        assert_eq!(clean("one\r\ntwo\ttabs\x7f"), "one␍␊two␉tabs␡");
        assert_eq!(clean("\u{9b}31m \u{202e}evil \u{2028}"), "\u{fffd}31m \u{fffd}evil ␊");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in ["", "Grüße, 世界! 👩\u{200d}👧", "a b"] {
            assert!(matches!(clean(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn long_numbers_are_readable() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_message_is_one_line() {
        let content: Content = ["a\nb", "", "c"].into();
        assert_eq!(message(&content), "a␊b |  | c");
        assert_eq!(message(&Content::from(&[0xff, 0][..])), "<2 octets>");
        assert_eq!(message(&Content::new()), "");
    }
}
