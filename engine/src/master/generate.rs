//! `$GENERATE`: one entry for every number of a range, as BIND has it.
//!
//! ```text
//! $GENERATE 1-254 $ PTR host-$.example.com.
//! $GENERATE 0-62/2 host-${1,3,d} A 192.0.2.$
//! ```
//!
//! `$` is the number, `${offset,width,base}` the number plus `offset`, padded with zeros to `width`, in
//! base `d`, `o`, `x` or `X`, or as `n` or `N`: hexadecimal digits as labels, the last one first. `\$` is
//! a dollar sign.

use std::fmt::Write;

use super::plain::number;

/// How many entries one `$GENERATE` makes at the most: a million, so that a slip of the pen is told
/// instead of filling the memory.
pub(super) const MAX_GENERATED: u32 = 1_000_000;

/// Octets that a number is padded to, at the most: a name has no more.
const MAX_WIDTH: u32 = 255;

/// The range `start-stop` or `start-stop/step`; an error says what is wrong with it.
pub(super) fn range(text: &[u8]) -> Result<impl Iterator<Item = u32> + use<>, String> {
    let told = || {
        let text = String::from_utf8_lossy(text);
        format!("\"{text}\" is no range such as 1-254 or 0-62/2")
    };
    let (ends, step) = match text.iter().position(|&octet| octet == b'/') {
        Some(at) => (
            &text[..at],
            number(&text[at + 1..], i32::MAX as u32).ok_or_else(told)?,
        ),
        None => (text, 1),
    };
    let at = ends
        .iter()
        .position(|&octet| octet == b'-')
        .ok_or_else(told)?;
    let end = |text| number(text, i32::MAX as u32).ok_or_else(told);
    let (first, last) = (end(&ends[..at])?, end(&ends[at + 1..])?);
    if first > last || step == 0 {
        return Err(told());
    }
    if (last - first) / step >= MAX_GENERATED {
        let text = String::from_utf8_lossy(text);
        return Err(format!(
            "the range \"{text}\" has more than {MAX_GENERATED} numbers; split it"
        ));
    }
    Ok((first..=last).step_by(step as usize))
}

/// Append `text` to `out` with `value` in the place of every `$`.
pub(super) fn substitute(text: &[u8], value: u32, out: &mut Vec<u8>) -> Result<(), String> {
    let mut rest = text;
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match (octet, after.first()) {
            (b'\\' | b'$', Some(b'$')) => {
                out.push(b'$');
                rest = &after[1..];
            }
            (b'\\', Some(&escaped)) => {
                out.extend([octet, escaped]);
                rest = &after[1..];
            }
            (b'$', Some(b'{')) => {
                let end = after.iter().position(|&octet| octet == b'}');
                let inside = end.map(|end| &after[1..end]);
                let told = || {
                    let text = String::from_utf8_lossy(text);
                    format!("\"{text}\" has no modifier such as ${{0}} or ${{-1,3,d}}")
                };
                let form = inside.and_then(Form::parse).ok_or_else(told)?;
                form.write(value, out)?;
                rest = &after[end.unwrap_or(0) + 1..];
            }
            (b'$', _) => Form::default().write(value, out)?,
            _ => out.push(octet),
        }
    }
    Ok(())
}

/// How a number is written.
struct Form {
    offset: i64,
    width: u32,
    base: u8,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            offset: 0,
            width: 0,
            base: b'd',
        }
    }
}

impl Form {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|&octet| octet == b',');
        let offset = parts.next()?;
        let (sign, digits) = match offset.split_first()? {
            (b'-', digits) => (-1, digits),
            (b'+', digits) => (1, digits),
            _ => (1, offset),
        };
        let form = Self {
            offset: sign * i64::from(number(digits, i32::MAX as u32)?),
            width: parts
                .next()
                .map_or(Some(0), |text| number(text, MAX_WIDTH))?,
            base: match parts.next() {
                None => b'd',
                Some(&[base @ (b'd' | b'o' | b'x' | b'X' | b'n' | b'N')]) => base,
                Some(_) => return None,
            },
        };
        parts.next().is_none().then_some(form)
    }

    fn write(&self, value: u32, out: &mut Vec<u8>) -> Result<(), String> {
        let value = i64::from(value) + self.offset;
        let Ok(value) = u64::try_from(value) else {
            return Err(format!("the offset {} makes a number below 0", self.offset));
        };
        let width = self.width as usize;
        let mut text = String::new();
        // writing to a string does not fail
        let _ = match self.base {
            b'o' => write!(text, "{value:0width$o}"),
            b'x' => write!(text, "{value:0width$x}"),
            b'X' => write!(text, "{value:0width$X}"),
            b'd' => write!(text, "{value:0width$}"),
            base => {
                nibbles(value, self.width, base == b'N', &mut text);
                Ok(())
            }
        };
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Hexadecimal digits from the last to the first, with dots between; `width` counts the dots too.
fn nibbles(mut value: u64, width: u32, upper: bool, text: &mut String) {
    let mut left = width;
    loop {
        let digit = char::from_digit((value & 15) as u32, 16).unwrap_or('0');
        text.push(if upper {
            digit.to_ascii_uppercase()
        } else {
            digit
        });
        value >>= 4;
        left = left.saturating_sub(1);
        if value == 0 && left == 0 {
            return;
        }
        text.push('.');
        left = left.saturating_sub(1);
        if value == 0 && left == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str, value: u32) -> Result<String, String> {
        let mut out = Vec::new();
        substitute(text.as_bytes(), value, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn numbers_take_the_place_of_dollars() {
        for (text, value, expected) in [
            ("a$b$", 7, "a7b7"),
            ("\\$ $$ \\032", 7, "$ $ \\032"),
            ("${0}", 7, "7"),
            ("${-3}", 7, "4"),
            ("${+3,4}", 7, "0010"),
            ("${0,3,d}", 7, "007"),
            ("${0,0,o}", 8, "10"),
            ("${0,4,x}", 0xAB, "00ab"),
            ("${0,4,X}", 0xAB, "00AB"),
            ("${0,0,n}", 0xAB, "b.a"),
            ("${0,5,N}", 0xAB, "B.A.0"),
            ("a${1,0,d}.${0,2,d}b", 1, "a2.01b"),
        ] {
            assert_eq!(made(text, value).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn wrong_modifiers_are_told() {
        for text in [
            "${",
            "${}",
            "${1",
            "${a}",
            "${1,2,z}",
            "${1,999}",
            "${1,2,d,4}",
            "${--1}",
        ] {
            assert!(made(text, 1).is_err(), "{text}");
        }
        assert_eq!(
            made("${-2}", 1),
            Err("the offset -2 makes a number below 0".to_owned())
        );
    }

    #[test]
    fn ranges() {
        let numbers = |text: &str| range(text.as_bytes()).map(Iterator::collect::<Vec<_>>);
        assert_eq!(numbers("1-3"), Ok(vec![1, 2, 3]));
        assert_eq!(numbers("0-5/2"), Ok(vec![0, 2, 4]));
        assert_eq!(numbers("4-4"), Ok(vec![4]));
        for text in [
            "",
            "1",
            "3-1",
            "1-3/0",
            "a-b",
            "1-",
            "-3",
            "1-3/",
            "1-9999999999",
        ] {
            assert!(numbers(text).is_err(), "{text}");
        }
        assert!(range(b"1-1000000").is_ok());
        assert!(range(b"0-1000000").is_err());
    }
}
