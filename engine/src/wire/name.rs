//! Domain names in wire format: a row of labels, each after its length, ended by the root's zero.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

/// The longest name, final zero included (RFC 1035 section 2.3.4).
pub const MAX_NAME: usize = 255;

/// The most labels that fit in a name, the root's not counted.
pub const MAX_LABELS: usize = 127;

const MAX_LABEL: u8 = 63;

/// How many octets the uncompressed name at the start of `bytes` takes; None when there is none.
///
/// Compression pointers are refused: a question has nothing before it to point at.
#[must_use]
pub fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let label = *bytes.get(at)?;
        at = at.checked_add(1)?;
        if label == 0 {
            return (at <= MAX_NAME).then_some(at);
        }
        if label > MAX_LABEL || at > MAX_NAME {
            return None;
        }
        at = at.checked_add(usize::from(label))?;
    }
}

/// Whether `name` has no letter in upper case: most resolvers ask so, and then nothing need be copied.
#[inline]
#[must_use]
pub fn is_lower(name: &[u8]) -> bool {
    // without a way out, so that many octets are looked at at once
    let upper = name
        .iter()
        .fold(false, |upper, octet| upper | octet.is_ascii_uppercase());
    !upper
}

/// A name in lower case, on the stack.
#[derive(Clone, Copy)]
pub struct Lower {
    bytes: [u8; MAX_NAME],
    length: u8,
}

impl Lower {
    /// `name` in lower case. Octets beyond ASCII's letters stay as they are (RFC 4343), and so do the
    /// lengths of labels, which are below `A`. What is beyond 255 octets is cut off.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut bytes = [0; MAX_NAME];
        let length = name.len().min(MAX_NAME);
        if let (Some(to), Some(from)) = (bytes.get_mut(..length), name.get(..length)) {
            to.copy_from_slice(from);
            to.make_ascii_lowercase();
        }
        let length = length as u8;
        Self { bytes, length }
    }

    /// Become `name`, in the letter case that it has.
    pub(crate) fn replace(&mut self, name: &[u8]) {
        self.splice(0, name);
    }

    /// Keep the first `kept` octets, whole labels, and let `end` follow them; what is beyond 255 octets
    /// is cut off.
    pub(crate) fn splice(&mut self, kept: usize, end: &[u8]) {
        let kept = kept.min(usize::from(self.length));
        let mut length = kept as u8;
        for (to, from) in self.bytes.iter_mut().skip(kept).zip(end) {
            *to = *from;
            length = length.wrapping_add(1);
        }
        self.length = length;
    }

    /// The name in wire format.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

/// Whether the well-formed `name` is `origin` or lies below it; both are in the same letter case.
#[inline]
#[must_use]
pub fn is_within(name: &[u8], origin: &[u8]) -> bool {
    let Some(end) = name.len().checked_sub(origin.len()) else {
        return false;
    };
    if name.get(end..) != Some(origin) {
        return false;
    }
    // octets that are alike may still be in the middle of a label
    let mut at = 0_usize;
    while at < end {
        let Some(&label) = name.get(at) else {
            return false;
        };
        at = at.wrapping_add(usize::from(label)).wrapping_add(1);
    }
    at == end
}

/// Where each label of a name begins, the root's included: `starts()[k]` begins its k-th ancestor.
pub struct Labels {
    starts: [u8; MAX_LABELS + 1],
    count: u8,
}

impl Labels {
    /// The labels of a well-formed `name`.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        let mut starts = [0; MAX_LABELS + 1];
        let mut count = 0_u8;
        let mut at = 0_usize; // in full width: from label to label it is all that is waited for
        for start in &mut starts {
            let Some(&label) = name.get(at) else {
                break;
            };
            *start = at as u8;
            count = count.saturating_add(1);
            if label == 0 {
                break;
            }
            at = at.wrapping_add(usize::from(label)).wrapping_add(1);
        }
        Self { starts, count }
    }

    /// The offsets, from the name itself to the root.
    #[must_use]
    pub fn starts(&self) -> &[u8] {
        self.starts.get(..usize::from(self.count)).unwrap_or(&[])
    }
}

/// The name that `text` writes, with `\.` and `\DDD` escapes; a final dot makes no difference.
///
/// None when a label is empty or too long, an escape is wrong, or the name is too long.
#[must_use]
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    let mut name = Vec::with_capacity(text.len().saturating_add(2));
    let mut label = Vec::new();
    let mut bytes = text.bytes();
    if text == "." {
        return Some(vec![0]);
    }
    while let Some(byte) = bytes.next() {
        match byte {
            b'.' => push_label(&mut name, &mut label)?,
            b'\\' => {
                let first = bytes.next()?;
                if first.is_ascii_digit() {
                    let digits = [first, bytes.next()?, bytes.next()?];
                    label.push(std::str::from_utf8(&digits).ok()?.parse().ok()?);
                } else {
                    label.push(first);
                }
            }
            _ => label.push(byte),
        }
    }
    if !label.is_empty() {
        push_label(&mut name, &mut label)?;
    }
    name.push(0);
    (name.len() > 1 && name.len() <= MAX_NAME).then_some(name)
}

fn push_label(name: &mut Vec<u8>, label: &mut Vec<u8>) -> Option<()> {
    let length = u8::try_from(label.len()).ok()?;
    if length == 0 || length > MAX_LABEL {
        return None;
    }
    name.push(length);
    name.append(label);
    Some(())
}

/// `name` as text, for messages.
#[must_use]
pub fn to_text(name: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((&length, tail)) = rest.split_first() {
        let Some((label, after)) = tail.split_at_checked(usize::from(length)) else {
            break;
        };
        if length == 0 {
            break;
        }
        for &byte in label {
            match byte {
                b'.' | b'\\' => text.extend(['\\', char::from(byte)]),
                0x21..=0x7E => text.push(char::from(byte)),
                _ => text.extend(format!("\\{byte:03}").chars()),
            }
        }
        text.push('.');
        rest = after;
    }
    if text.is_empty() {
        ".".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_a_zone() {
        for (text, origin, within) in [
            ("www.example.com.", "example.com.", true),
            ("example.com.", "example.com.", true),
            ("com.", "example.com.", false),
            ("www.example.net.", "example.com.", false),
            ("example.com.", ".", true),
            ("x\\007example\\003com.", "example.com.", false),
            ("notexample.com.", "example.com.", false),
        ] {
            let [name, origin] = [text, origin].map(|text| from_text(text).unwrap());
            assert_eq!(is_within(&name, &origin), within, "{text}");
        }
    }

    #[test]
    fn length_of_a_name() {
        assert_eq!(length(b"\x03www\x00rest"), Some(5));
        assert_eq!(length(b"\x00"), Some(1));
        assert_eq!(length(b"\x03ww"), None);
        assert_eq!(length(b"\xC0\x0C"), None);
        assert_eq!(length(b""), None);
    }

    #[test]
    fn a_name_of_255_octets_is_the_longest() {
        let mut name = Vec::new();
        for _ in 0..3 {
            name.push(63);
            name.extend([b'a'; 63]);
        }
        let mut longest = name.clone();
        longest.push(61);
        longest.extend([b'b'; 61]);
        longest.push(0);
        assert_eq!(length(&longest), Some(MAX_NAME));
        name.push(62);
        name.extend([b'b'; 62]);
        name.push(0);
        assert_eq!(length(&name), None);
    }

    #[test]
    fn text_and_back() {
        for text in ["www.example.com.", "a\\.b.c.", "\\000x.", "."] {
            let name = from_text(text).expect(text);
            assert_eq!(to_text(&name), text);
        }
        assert_eq!(from_text("a..b"), None);
        assert_eq!(from_text(&"x".repeat(64)), None);
        assert_eq!(from_text("\\25"), None);
    }

    #[test]
    fn labels_lead_to_the_root() {
        assert_eq!(Labels::new(b"\x01a\x02bc\x00").starts(), &[0, 2, 5]);
        assert_eq!(Labels::new(b"\x00").starts(), &[0]);
    }
}
