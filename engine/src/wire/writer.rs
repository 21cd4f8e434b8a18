//! Writing a response into a buffer that may be too small for it.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

/// The response does not fit.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

/// Octets written one after another, up to a limit.
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    limit: usize,
    reserved: usize,
}

impl<'a> Writer<'a> {
    /// A writer that fills `out` from its start, but no further than `limit`.
    pub fn new(out: &'a mut [u8], limit: usize) -> Self {
        let limit = limit.min(out.len());
        Self {
            out,
            at: 0,
            limit,
            reserved: 0,
        }
    }

    /// Let the message have at most `limit` octets, of which the last `kept` stay free until they are
    /// released.
    pub fn bound(&mut self, limit: usize, kept: usize) {
        let limit = limit.min(self.out.len());
        self.reserved = kept.min(limit);
        self.limit = limit.saturating_sub(self.reserved);
    }

    /// Let the message grow into what was kept free.
    pub fn release(&mut self) {
        self.limit = self.limit.saturating_add(self.reserved);
        self.reserved = 0;
    }

    /// How many octets have been written.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Forget what was written after the first `length` octets.
    pub fn rewind(&mut self, length: usize) {
        self.at = self.at.min(length);
    }

    /// Append `bytes`, or nothing at all.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.at.checked_add(bytes.len()).ok_or(Full)?;
        if end > self.limit {
            return Err(Full);
        }
        self.out
            .get_mut(self.at..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }

    /// Append one octet.
    #[inline]
    pub fn u8(&mut self, value: u8) -> Result<(), Full> {
        self.put(&[value])
    }

    /// Append a number in network order.
    #[inline]
    pub fn u16(&mut self, value: u16) -> Result<(), Full> {
        self.put(&value.to_be_bytes())
    }

    /// Append what `fill` writes, behind its length.
    pub fn counted(
        &mut self,
        fill: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        self.u16(0)?;
        self.counted_before(fill)
    }

    /// Append what `fill` writes, and its length to the two octets before it.
    pub fn counted_before(
        &mut self,
        fill: impl FnOnce(&mut Self) -> Result<(), Full>,
    ) -> Result<(), Full> {
        let from = self.at;
        let place = from.checked_sub(2).ok_or(Full)?;
        fill(self)?;
        let length = self.at.saturating_sub(from);
        let counter = self
            .out
            .get_mut(place..)
            .and_then(<[u8]>::first_chunk_mut)
            .ok_or(Full)?;
        *counter = u16::try_from(length).map_err(|_| Full)?.to_be_bytes();
        Ok(())
    }

    /// Append what `fill` writes, or nothing where it does not fit.
    pub fn optional(&mut self, fill: impl FnOnce(&mut Self) -> Result<(), Full>) {
        let before = self.at;
        if fill(self).is_err() {
            self.at = before;
        }
    }

    /// Append records that are written with `OWNER_IS_QUESTION`, as records of the owner that `owner`
    /// points at.
    #[inline]
    pub fn records(&mut self, wire: &[u8], owner: u16) -> Result<(), Full> {
        let from = self.at;
        self.put(wire)?;
        if owner != super::OWNER_IS_QUESTION {
            self.own(from, |_| owner);
        }
        Ok(())
    }

    /// Append records that are written with a number in place of their owner: how far behind `base`
    /// the owner's name stands. It has to be where pointers reach.
    pub fn records_from(&mut self, wire: &[u8], base: u16) -> Result<(), Full> {
        let from = self.at;
        self.put(wire)?;
        self.own(from, |distance| base.saturating_add(distance) | 0xC000);
        Ok(())
    }

    /// Put `owner` in place of the owner of every record from `from` on, given the two octets there.
    fn own(&mut self, from: usize, owner: impl Fn(u16) -> u16) {
        let mut rest = self.out.get_mut(from..self.at).unwrap_or(&mut []);
        // owner 2, type 2, class 2, ttl 4, length 2
        while let Some(([high, low, _, _, _, _, _, _, _, _, long, short], after)) =
            rest.split_first_chunk_mut()
        {
            [*high, *low] = owner(u16::from_be_bytes([*high, *low])).to_be_bytes();
            let length = usize::from(u16::from_be_bytes([*long, *short]));
            rest = after.get_mut(length..).unwrap_or(&mut []);
        }
    }

    /// Overwrite the message's header with its six fields.
    #[inline]
    pub fn header(&mut self, fields: [u16; 6]) {
        for (place, field) in self.out.as_chunks_mut().0.iter_mut().zip(fields) {
            *place = field.to_be_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_past_the_end() {
        let mut out = [0; 3];
        let mut writer = Writer::new(&mut out, 64);
        assert_eq!(writer.u16(0x0102), Ok(()));
        assert_eq!(writer.u16(0x0304), Err(Full));
        assert_eq!(writer.u8(9), Ok(()));
        assert_eq!(out, [1, 2, 9]);
    }

    #[test]
    fn what_is_optional_leaves_no_half() {
        let mut out = [0; 8];
        let mut writer = Writer::new(&mut out, 8);
        assert_eq!(writer.counted(|writer| writer.put(b"abc")), Ok(()));
        writer.optional(|writer| writer.counted(|writer| writer.put(b"de")));
        writer.optional(|writer| writer.counted(|writer| writer.put(b"f")));
        assert_eq!(writer.position(), 8);
        assert_eq!(out, *b"\x00\x03abc\x00\x01f");
    }

    #[test]
    fn records_take_their_owner() {
        let record = b"\xC0\x0C\x00\x01\x00\x01\x00\x00\x00\x1E\x00\x04\x7F\x00\x00\x01";
        let mut out = [0; 64];
        let mut writer = Writer::new(&mut out, 64);
        writer
            .records(&[&record[..], &record[..]].concat(), 0xC020)
            .unwrap();
        assert_eq!(writer.position(), 32);
        assert_eq!(
            (&out[..2], &out[16..18]),
            (&b"\xC0\x20"[..], &b"\xC0\x20"[..])
        );
    }
}
