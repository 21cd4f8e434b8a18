//! The limits: rates, networks, and who is exempt.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::{IpAddr, Ipv6Addr};

use super::{Class, Limited};

/// The longest burst, in milliseconds.
pub const MAX_BURST: u32 = 60_000;

/// The highest rate, in answers per second: a period is still ten units of time.
pub const MAX_RATE: u32 = 100_000;

/// Microseconds.
const SECOND: u64 = 1_000_000;

/// A rate, as a budget needs it: in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// Between two answers.
    pub(super) period: u64,
    /// How far ahead a budget may be spent and still allow an answer.
    pub(super) tolerance: u64,
}

impl Pace {
    /// `rate` answers per second, of which those of `burst` milliseconds may come at once.
    fn new(rate: u32, burst: u32) -> Self {
        let period = SECOND.checked_div(rate.min(MAX_RATE).into());
        let period = period.unwrap_or(SECOND);
        let burst = u64::from(burst.min(MAX_BURST)).saturating_mul(1000);
        Self {
            period,
            tolerance: burst.saturating_sub(period),
        }
    }
}

/// A network: an address, and how many of its leading bits count.
pub type Network = (IpAddr, u8);

/// The limits as the operator wrote them; see Python's `RateLimitData`.
#[derive(Clone, Debug)]
pub struct LimitSpec {
    /// Whether what is beyond the rate is sent all the same.
    pub log_only: bool,
    /// Answers per second for each of `Class::ALL`.
    pub rates: [u32; Class::ALL.len()],
    /// Milliseconds of a rate that may come at once.
    pub burst: u32,
    /// One of so many answers beyond the rate is truncated, the others are dropped; 0: all are dropped.
    pub slip: u8,
    /// Leading bits that make a client's network, for IPv4 and IPv6.
    pub prefix: (u8, u8),
    /// Clients whose answers are not limited.
    pub exempt: Vec<Network>,
}

/// The limits in force.
pub struct Limits {
    /// Whether what is beyond the rate is sent all the same.
    pub log_only: bool,
    paces: [Pace; Class::ALL.len()],
    slip: u64,
    masks: (u128, u128),
    prefix: (u8, u8),
    /// First and last addresses, in order, without overlaps.
    exempt: Box<[(u128, u128)]>,
}

impl Limits {
    /// Limits of `spec`.
    #[must_use]
    pub fn new(spec: &LimitSpec) -> Self {
        let prefix = (spec.prefix.0.min(32), spec.prefix.1.min(128));
        let ranges = spec.exempt.iter().map(|&(address, bits)| {
            let mask = match address {
                IpAddr::V4(_) => mask(bits.min(32).saturating_add(96)),
                IpAddr::V6(_) => mask(bits),
            };
            (number(address) & mask, number(address) | !mask)
        });
        Self {
            log_only: spec.log_only,
            paces: spec.rates.map(|rate| Pace::new(rate, spec.burst)),
            slip: u64::from(spec.slip),
            masks: (mask(prefix.0.saturating_add(96)), mask(prefix.1)),
            prefix,
            exempt: merged(ranges.collect()),
        }
    }

    /// Whether answers to `client` are not limited.
    #[inline]
    #[must_use]
    pub fn exempts(&self, client: IpAddr) -> bool {
        if self.exempt.is_empty() {
            return false;
        }
        let client = number(client);
        let place = self.exempt.partition_point(|&(first, _)| first <= client);
        place
            .checked_sub(1)
            .and_then(|place| self.exempt.get(place))
            .is_some_and(|&(_, last)| client <= last)
    }

    /// The network of `client`, as a number.
    #[inline]
    #[must_use]
    pub fn network(&self, client: IpAddr) -> u128 {
        let mask = match client {
            IpAddr::V4(_) => self.masks.0,
            IpAddr::V6(_) => self.masks.1,
        };
        number(client) & mask
    }

    /// How many leading bits make the network of `client`.
    #[must_use]
    pub fn bits(&self, client: IpAddr) -> u8 {
        match client {
            IpAddr::V4(_) => self.prefix.0,
            IpAddr::V6(_) => self.prefix.1,
        }
    }

    /// What becomes of an answer beyond the rate; `roll` is a random number.
    #[must_use]
    pub fn fate(&self, roll: u64) -> Limited {
        if self.log_only {
            Limited::Passed
        } else if (roll >> 32).checked_rem(self.slip) == Some(0) {
            Limited::Truncated
        } else {
            Limited::Dropped
        }
    }

    /// The pace of a class.
    pub(super) fn pace(&self, class: Class) -> Pace {
        self.paces.get(class as usize).copied().unwrap_or(Pace {
            period: 0,
            tolerance: 0,
        })
    }
}

/// An address of either family as a number; IPv4 where `::ffff:0:0/96` has it.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => 0xFFFF_0000_0000 | u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The address that `number` makes a number of.
pub(super) fn address(number: u128) -> IpAddr {
    Ipv6Addr::from(number).to_canonical()
}

/// The first `bits` bits of a number.
fn mask(bits: u8) -> u128 {
    let beyond = 128_u32.saturating_sub(u32::from(bits));
    u128::MAX.checked_shl(beyond).unwrap_or(0)
}

/// `ranges` in order, those that overlap as one.
fn merged(mut ranges: Vec<(u128, u128)>) -> Box<[(u128, u128)]> {
    ranges.sort_unstable();
    let mut all: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match all.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => all.push((first, last)),
        }
    }
    all.into()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{limits, spec};
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks() {
        let limits = limits(20, 1000);
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.255", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("2001:db8:0:1::1", "2001:db8:0:ff::1", true),
            ("2001:db8:0:1::1", "2001:db8:0:100::1", false),
            ("192.0.2.1", "::c000:201", false),
        ] {
            let [one, other] = [one, other].map(|text| limits.network(ip(text)));
            assert_eq!(one == other, same);
        }
        for text in ["192.0.2.0", "2001:db8::"] {
            assert_eq!(address(number(ip(text))), ip(text));
        }
    }

    #[test]
    fn exemptions() {
        let networks = ["10.0.0.0", "10.1.0.0", "198.51.100.7", "2001:db8::"];
        let exempt = networks.iter().zip([8, 16, 32, 32]);
        let limits = Limits::new(&LimitSpec {
            exempt: exempt.map(|(text, bits)| (ip(text), bits)).collect(),
            ..spec(20, 1000)
        });
        for (text, exempt) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.1.2.3", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::a00:1", false),
        ] {
            assert_eq!(limits.exempts(ip(text)), exempt, "{text}");
        }
        let everybody = Limits::new(&LimitSpec {
            exempt: vec![(ip("0.0.0.0"), 0), (ip("::"), 0)],
            ..spec(20, 1000)
        });
        assert!(everybody.exempts(ip("203.0.113.1")) && everybody.exempts(ip("2001::1")));
    }

    #[test]
    fn slips() {
        let fates = |slip: u8, log_only: bool| {
            let limits = Limits::new(&LimitSpec {
                log_only,
                slip,
                ..spec(20, 1000)
            });
            let rolls = (0..6_u64).map(|roll| roll << 32);
            rolls.map(|roll| limits.fate(roll)).collect::<Vec<_>>()
        };
        assert!(fates(0, false).iter().all(|&fate| fate == Limited::Dropped));
        assert!(
            fates(1, false)
                .iter()
                .all(|&fate| fate == Limited::Truncated)
        );
        assert!(fates(2, true).iter().all(|&fate| fate == Limited::Passed));
        let truncated = fates(3, false)
            .iter()
            .filter(|&&fate| fate == Limited::Truncated)
            .count();
        assert_eq!(truncated, 2);
    }
}
