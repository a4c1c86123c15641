//! The few field types that ZRE messages, commands and metadata are made of, as nom parsers and as writers.
//!
//! All numbers are big-endian. `string` is a one-octet length and octets, `longstr` a four-octet length and octets.
//! A count or a length is never an allocation: what grows is what was really read.

use crate::{
    error::{DecodeError, EncodeError, Fault},
    limits::STRING_MAX,
    text::Text,
};
use bytes::{BufMut, Bytes};
use nom::{IResult, Parser, error::ErrorKind, error::ParseError};

/// The input is kept whole so that sub-slices become `Bytes` without a copy.
pub(crate) struct Reader<'a> {
    whole: &'a Bytes,
    rest: &'a [u8],
}

/// A parser's failure, before it is given a field's name and an offset.
#[derive(Debug, PartialEq)]
struct Short<'a> {
    at: &'a [u8],
    missing: usize,
}

impl<'a> ParseError<&'a [u8]> for Short<'a> {
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Short { at, missing: 1 }
    }
    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Parsed<'a, T> = IResult<&'a [u8], T, Short<'a>>;

/// `count` octets; says how many are missing.
fn octets<'a>(count: usize) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Short<'a>> {
    move |input: &'a [u8]| -> Parsed<'a, &'a [u8]> {
        nom::bytes::complete::take(count)(input).map_err(|_: nom::Err<Short<'a>>| {
            nom::Err::Error(Short { at: input, missing: count.saturating_sub(input.len()) })
        })
    }
}

fn number<'a, const N: usize>(input: &'a [u8]) -> Parsed<'a, [u8; N]> {
    let (rest, octets) = octets(N).parse(input)?;
    let mut number = [0; N];
    number.copy_from_slice(octets);
    Ok((rest, number))
}

fn string(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, [length]) = number(input)?;
    octets(usize::from(length)).parse(rest)
}

fn longstr(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, length) = number(input)?;
    octets(usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX)).parse(rest)
}

impl<'a> Reader<'a> {
    pub(crate) fn new(whole: &'a Bytes) -> Self {
        Self { whole, rest: whole }
    }

    pub(crate) fn offset(&self) -> usize {
        self.whole.len() - self.rest.len()
    }

    fn take<T>(
        &mut self,
        field: &'static str,
        mut parser: impl Parser<&'a [u8], Output = T, Error = Short<'a>>,
    ) -> Result<T, DecodeError> {
        match parser.parse(self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(nom::Err::Error(short) | nom::Err::Failure(short)) => Err(DecodeError::new(
                field,
                self.whole.len() - short.at.len(),
                Fault::Truncated { missing: short.missing },
            )),
            // Only streaming parsers say this, and none is used here.
            Err(nom::Err::Incomplete(_)) => {
                Err(DecodeError::new(field, self.offset(), Fault::Truncated { missing: 1 }))
            }
        }
    }

    pub(crate) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        self.take(field, number)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(|[octet]| octet)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_be_bytes)
    }

    pub(crate) fn string(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        self.take(field, string).map(|octets| Text::from_octets(self.whole.slice_ref(octets)))
    }

    pub(crate) fn longstr(&mut self, field: &'static str) -> Result<Text, DecodeError> {
        self.take(field, longstr).map(|octets| Text::from_octets(self.whole.slice_ref(octets)))
    }

    /// Everything that is left.
    pub(crate) fn remainder(&mut self) -> Bytes {
        let rest = core::mem::take(&mut self.rest);
        self.whole.slice_ref(rest)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// That nothing follows.
    pub(crate) fn end(&self, field: &'static str) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::new(field, self.offset(), Fault::Trailing { count })),
        }
    }
}

/// That `text` fits a one-octet length.
pub(crate) fn check_string(field: &'static str, octets: &[u8]) -> Result<(), EncodeError> {
    check_length(field, octets.len(), STRING_MAX)
}

/// That `length` fits a four-octet length or count.
pub(crate) fn check_long(field: &'static str, length: usize) -> Result<(), EncodeError> {
    check_length(field, length, usize::try_from(u32::MAX).unwrap_or(usize::MAX))
}

pub(crate) fn check_length(field: &'static str, found: usize, limit: usize) -> Result<(), EncodeError> {
    if found > limit { Err(EncodeError { field, found, limit }) } else { Ok(()) }
}

/// Writes a `string` whose length was checked before.
pub(crate) fn put_string(out: &mut impl BufMut, octets: &[u8]) {
    debug_assert!(octets.len() <= STRING_MAX);
    out.put_u8(octets.len() as u8);
    out.put_slice(octets);
}

/// Writes a `longstr` whose length was checked before.
pub(crate) fn put_longstr(out: &mut impl BufMut, octets: &[u8]) {
    out.put_u32(octets.len() as u32);
    out.put_slice(octets);
}
