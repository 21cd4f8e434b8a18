//! Response-rate limiting: what keeps the server from being the mirror of an attack on somebody else.
//!
//! Two budgets apply to every answer by UDP: that of its subject (client network, class of response,
//! what it is about) and that of the client network in total. An answer beyond either is dropped,
//! or truncated so that a real client comes back by TCP.

mod budgets;
mod limits;
mod noted;

pub use budgets::Budgets;
pub use limits::{LimitSpec, Limits, MAX_BURST, MAX_RATE, Network};
pub use noted::{Noted, Sighting};

use crate::reply::Kind;

/// What is limited by itself: each kind of response, and everything together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Records that were asked for.
    Answer,
    /// A name that exists without such records.
    NoData,
    /// A name that does not exist.
    NxDomain,
    /// A delegation.
    Referral,
    /// All that is refused or wrong.
    Error,
    /// Whatever the network asks for.
    Total,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 6] = [
        Self::Answer,
        Self::NoData,
        Self::NxDomain,
        Self::Referral,
        Self::Error,
        Self::Total,
    ];

    /// The word for it in configuration and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::NoData => "nodata",
            Self::NxDomain => "nxdomain",
            Self::Referral => "referral",
            Self::Error => "error",
            Self::Total => "total",
        }
    }
}

impl From<Kind> for Class {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Answer => Self::Answer,
            Kind::NoData => Self::NoData,
            Kind::NxDomain => Self::NxDomain,
            Kind::Referral => Self::Referral,
            Kind::Error => Self::Error,
        }
    }
}

/// What becomes of an answer beyond the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limited {
    /// It is not sent.
    Dropped,
    /// It is sent without its records, so that who is real asks again by TCP.
    Truncated,
    /// It is sent as it is, for limiting is only tried.
    Passed,
}

impl Limited {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Dropped, Self::Truncated, Self::Passed];

    /// The word for it in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Truncated => "truncated",
            Self::Passed => "passed",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// `rate` answers per second of each class, five times as many in total.
    pub(crate) fn spec(rate: u32, burst: u32) -> LimitSpec {
        let mut rates = [rate; Class::ALL.len()];
        rates[Class::Total as usize] = rate * 5;
        LimitSpec {
            log_only: false,
            rates,
            burst,
            slip: 2,
            prefix: (24, 56),
            exempt: Vec::new(),
        }
    }

    pub(crate) fn limits(rate: u32, burst: u32) -> Limits {
        Limits::new(&spec(rate, burst))
    }

    #[test]
    fn places() {
        for (place, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place, "{}", class.name());
        }
        for (place, fate) in Limited::ALL.into_iter().enumerate() {
            assert_eq!(fate as usize, place, "{}", fate.name());
        }
    }
}
