//! What is written plainly, read without Python: names and rdata without escapes, of common types.
//!
//! Each reader here gives what Python's would, or nothing; a test holds the two side by side. What is
//! written in any other way, right or wrong, is left to Python.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::words::Words;
use crate::wire::name::MAX_NAME;
use crate::wire::rtype;

const MAX_STRING: usize = 255;

/// Append the name that `text` writes to `out`: relative to `origin` unless it ends in a dot.
/// False, and nothing is appended, when it is not plain.
pub(super) fn name(text: &[u8], origin: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let plain = match text {
        b"@" => {
            out.extend_from_slice(origin);
            true
        }
        b"." => {
            out.push(0);
            true
        }
        _ => labels(text, origin, out).is_some() && out.len() - before <= MAX_NAME,
    };
    if !plain {
        out.truncate(before);
    }
    plain
}

fn labels(text: &[u8], origin: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut length_at = out.len();
    out.push(0);
    for &octet in text {
        match octet {
            b'.' => {
                close(out, length_at)?;
                length_at = out.len();
                out.push(0);
            }
            b'"' | b'(' | b')' | b';' | b'\\' => return None,
            0x21..=0x7E => out.push(octet),
            _ => return None,
        }
    }
    if text.last() != Some(&b'.') {
        close(out, length_at)?;
        out.extend_from_slice(origin);
    }
    Some(())
}

/// Write the length of the label that begins at `length_at` and ends here.
fn close(out: &mut [u8], length_at: usize) -> Option<()> {
    let length = out.len() - length_at - 1;
    if !(1..=63).contains(&length) {
        return None;
    }
    out[length_at] = length as u8;
    Some(())
}

/// A whole number of up to `most`, in at most eleven digits.
pub(super) fn number(text: &[u8], most: u32) -> Option<u32> {
    if text.is_empty() || text.len() > 11 {
        return None;
    }
    let mut value = 0_u64;
    for &octet in text {
        if !octet.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(octet - b'0');
    }
    u32::try_from(value).ok().filter(|&value| value <= most)
}

/// Append the rdata of type `rtype` that the words from `from` on write. None when it is not plain;
/// `out` may then hold a part of it.
pub(super) fn rdata(
    number: u16,
    words: &Words,
    from: usize,
    origin: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    let count = words.len().checked_sub(from)?;
    let text = |index: usize| words.text(from + index);
    match (number, count) {
        (rtype::A, 1) => out.extend(address::<Ipv4Addr>(text(0))?.octets()),
        (rtype::AAAA, 1) => out.extend(address::<Ipv6Addr>(text(0))?.octets()),
        (rtype::NS | rtype::CNAME | rtype::PTR | rtype::DNAME, 1) => {
            return name(text(0), origin, out).then_some(());
        }
        (rtype::MX | rtype::AFSDB | rtype::KX, 2) => {
            short(text(0), out)?;
            return name(text(1), origin, out).then_some(());
        }
        (rtype::SRV, 4) => {
            for index in 0..3 {
                short(text(index), out)?;
            }
            return name(text(3), origin, out).then_some(());
        }
        (rtype::DS | rtype::CDS, 4) => {
            short(text(0), out)?;
            octet(text(1), out)?;
            octet(text(2), out)?;
            digits(text(3), out)?;
        }
        (rtype::TXT | rtype::SPF, 1..) => {
            for index in 0..count {
                strings(text(index), out)?;
            }
        }
        _ => return None,
    }
    Some(())
}

fn address<A: FromStr>(text: &[u8]) -> Option<A> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn short(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let value = number(text, u32::from(u16::MAX))?;
    out.extend((value as u16).to_be_bytes());
    Some(())
}

fn octet(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.push(number(text, u32::from(u8::MAX))? as u8);
    Some(())
}

/// Hexadecimal digits in pairs, one pair at least.
fn digits(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    for pair in pairs {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        out.push((high? * 16 + low?) as u8);
    }
    (!pairs.is_empty()).then_some(())
}

/// A word as character-strings; what is beyond 255 octets becomes several.
fn strings(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if text.contains(&b'\\') {
        return None;
    }
    if text.is_empty() {
        out.push(0);
    }
    for string in text.chunks(MAX_STRING) {
        out.push(string.len() as u8);
        out.extend_from_slice(string);
    }
    Some(())
}
