//! What is in a message that is sent to be measured: text, for there are programs that take everything for it.

use zre_mio::{Content, bytes::Bytes};

/// Where a number stands, if there is so much room; its last digits, if not.
const DIGITS: usize = 16;

/// Messages of one size, each with a number in it.
#[derive(Debug)]
pub(super) struct Payload {
    octets: Vec<u8>,
}

impl Payload {
    pub(super) fn new(size: usize) -> Self {
        Self { octets: (b'a'..=b'z').cycle().take(size).collect() }
    }

    pub(super) fn numbered(&mut self, number: u64) -> Bytes {
        let mut rest = number;
        let digits = self.octets.len().min(DIGITS);
        for digit in self.octets[..digits].iter_mut().rev() {
            // A digit is less than ten.
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        Bytes::copy_from_slice(&self.octets)
    }
}

/// Whether this is what was sent, sent back. Of a message without octets some programs make one without a frame.
pub(super) fn is_echo(sent: &Bytes, came: &Content) -> bool {
    match &came[..] {
        [frame] => frame == sent,
        frames => frames.is_empty() && sent.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_fits_into_what_there_is() {
        let numbered = |size, number| Payload::new(size).numbered(number);
        assert_eq!(numbered(20, 1234), "0000000000001234qrst");
        assert_eq!(numbered(3, 1234), "234");
        assert_eq!((numbered(1, 9), numbered(0, 9)), ("9".into(), "".into()));
        assert_eq!(numbered(30, u64::MAX), "6744073709551615qrstuvwxyzabcd");
    }

    #[test]
    fn an_echo_is_the_same_and_nothing_else() {
        let sent = Payload::new(20).numbered(7);
        assert!(is_echo(&sent, &sent.clone().into()));
        assert!(!is_echo(&sent, &Payload::new(20).numbered(6).into()));
        assert!(!is_echo(&sent, &Content::new()));
        assert!(!is_echo(&sent, &[sent.clone(), Bytes::new()].into()));
        assert!(is_echo(&Bytes::new(), &Content::new()) && is_echo(&Bytes::new(), &"".into()));
    }
}
