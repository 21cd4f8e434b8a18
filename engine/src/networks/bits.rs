//! What prefixes of IPv4 and of IPv6 have in common.

use std::fmt::Debug;

/// An address as a number: `u32` or `u128`.
pub(super) trait Bits: Copy + Ord + Debug {
    /// How many bits an address has.
    const WIDTH: u8;
    /// The first address.
    const ZERO: Self;

    /// The bits that are left after a shift to the right; `shift` leaves some.
    fn leading(self, shift: u32) -> usize;

    /// The last address of the prefix of `length` bits that begins here.
    fn last(self, length: u8) -> Self;

    /// Whether a prefix of `length` bits can begin here.
    fn begins(self, length: u8) -> bool;

    /// The address before; none before the first.
    fn before(self) -> Option<Self>;

    /// The address after; none after the last.
    fn after(self) -> Option<Self>;

    /// Where the other half of the next shorter prefix begins; `length` is at least 1.
    fn sibling(self, length: u8) -> Self;

    /// The length of the largest prefix that begins here and ends at `to` or before it.
    fn widest(self, to: Self) -> u8;
}

macro_rules! bits {
    ($number:ty) => {
        impl Bits for $number {
            const WIDTH: u8 = <$number>::BITS as u8;
            const ZERO: Self = 0;

            #[inline]
            fn leading(self, shift: u32) -> usize {
                self.checked_shr(shift).unwrap_or(0) as usize
            }

            fn last(self, length: u8) -> Self {
                self | <$number>::MAX.checked_shr(length.into()).unwrap_or(0)
            }

            fn begins(self, length: u8) -> bool {
                self & <$number>::MAX.checked_shr(length.into()).unwrap_or(0) == 0
            }

            fn before(self) -> Option<Self> {
                self.checked_sub(1)
            }

            fn after(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn sibling(self, length: u8) -> Self {
                let place = u32::from(Self::WIDTH.saturating_sub(length));
                self ^ (1 as $number).checked_shl(place).unwrap_or(0)
            }

            fn widest(self, to: Self) -> u8 {
                let aligned = self.trailing_zeros();
                // how many bits the number of addresses from here to there has, less one
                let room = match to.wrapping_sub(self).checked_add(1) {
                    Some(count) => count.checked_ilog2().unwrap_or(0),
                    None => Self::BITS,
                };
                Self::WIDTH.saturating_sub(aligned.min(room) as u8)
            }
        }
    };
}

bits!(u32);
bits!(u128);
