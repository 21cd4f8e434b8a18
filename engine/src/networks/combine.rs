//! New maps from networks and from other maps.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "maps are made when something is published, of what publishing brings"
)]

use std::collections::HashMap;
use std::net::IpAddr;

use thiserror::Error;

use super::bits::Bits;
use super::build::Cut;
use super::{LABELS, Map, Partition};

/// Maps that cannot be made.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum MapError {
    #[error(
        "{0}/{1} is no network: bits beyond the prefix are set, or it is longer than an address"
    )]
    Network(IpAddr, u8),
    #[error("label {0} is too large: there are {LABELS}")]
    Label(u32),
    #[error("label {0} has no new one among the {1} given")]
    Unlabelled(u32, usize),
    #[error("the maps have more than {LABELS} pairs of labels")]
    Pairs,
}

/// The labels that one address has in two maps.
pub type Pair = (u32, u32);

impl Map {
    /// The map in which the longest of `networks` that an address is in decides, of equal ones the
    /// last; an address in none of them has the label `default`.
    pub fn of(networks: &[(IpAddr, u8, u32)], default: u32) -> Result<Self, MapError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for &(address, length, label) in networks {
            let is_network = match address {
                IpAddr::V4(v4) => length <= u32::WIDTH && v4.to_bits().begins(length),
                IpAddr::V6(v6) => length <= u128::WIDTH && v6.to_bits().begins(length),
            };
            if !is_network {
                return Err(MapError::Network(address, length));
            }
            match address {
                IpAddr::V4(address) => v4.push((address.to_bits(), length, checked(label)?)),
                IpAddr::V6(address) => v6.push((address.to_bits(), length, checked(label)?)),
            }
        }
        let default = checked(default)?;
        Ok(Self {
            v4: longest_first(v4, default),
            v6: longest_first(v6, default),
        })
    }

    /// The map with `labels[label]` in the place of each `label`.
    pub fn relabel(&self, labels: &[u32]) -> Result<Self, MapError> {
        for &label in labels {
            checked(label)?;
        }
        Ok(Self {
            v4: relabelled(&self.v4, labels)?,
            v6: relabelled(&self.v6, labels)?,
        })
    }

    /// The map whose labels tell those of both maps: label `i` stands for the `i`-th of the pairs, which
    /// are numbered in the order of their addresses.
    pub fn product(&self, other: &Self) -> Result<(Self, Vec<Pair>), MapError> {
        let mut pairs = Pairs::default();
        let map = Self {
            v4: product(&self.v4, &other.v4, &mut pairs)?,
            v6: product(&self.v6, &other.v6, &mut pairs)?,
        };
        Ok((map, pairs.known))
    }

    /// The share of each label in the addresses of IPv4 and of IPv6, the labels ascending.
    #[must_use]
    pub fn shares(&self) -> Vec<(u32, f64, f64)> {
        let size = |length: u8| 0.5_f64.powi(length.into());
        let mut shares = vec![(0.0, 0.0); self.greatest() as usize + 1];
        for (_, length, label) in self.v4.iter() {
            shares[label as usize].0 += size(length);
        }
        for (_, length, label) in self.v6.iter() {
            shares[label as usize].1 += size(length);
        }
        let shares = (0..).zip(shares);
        shares
            .filter(|&(_, share)| share != (0.0, 0.0))
            .map(|(label, (v4, v6))| (label, v4, v6))
            .collect()
    }
}

fn checked(label: u32) -> Result<u32, MapError> {
    if label < LABELS {
        Ok(label)
    } else {
        Err(MapError::Label(label))
    }
}

/// Cut a family by `networks` that may lie within each other.
fn longest_first<B: Bits>(mut networks: Vec<(B, u8, u32)>, default: u32) -> Partition<B> {
    // a stable sort: of equal networks the last stays last, and fills over what the others left
    networks.sort_by_key(|&(start, length, _)| (start, length));
    let mut cut = Cut::new();
    let mut around: Vec<(B, u32)> = Vec::new(); // the networks that the next address is in, as far as known
    for (start, length, label) in networks {
        while let Some(&(last, outer)) = around.last()
            && last < start
        {
            cut.fill(last, outer);
            around.pop();
        }
        if let Some(before) = start.before() {
            let outer = around.last().map_or(default, |network| network.1);
            cut.fill(before, outer);
        }
        around.push((start.last(length), label));
    }
    while let Some((last, label)) = around.pop() {
        cut.fill(last, label);
    }
    cut.finish(default)
}

fn relabelled<B: Bits>(from: &Partition<B>, labels: &[u32]) -> Result<Partition<B>, MapError> {
    let mut cut = Cut::new();
    for (start, length, label) in from.iter() {
        let new = labels.get(label as usize);
        let new = *new.ok_or(MapError::Unlabelled(label, labels.len()))?;
        cut.push(start, length, new);
    }
    Ok(cut.finish(0))
}

/// Numbers pairs in the order of their first sight.
#[derive(Default)]
struct Pairs {
    known: Vec<Pair>,
    places: HashMap<Pair, u32, foldhash::fast::FixedState>,
    /// Neighbours are often alike.
    latest: Option<(Pair, u32)>,
}

impl Pairs {
    fn number(&mut self, pair: Pair) -> Result<u32, MapError> {
        if let Some((latest, number)) = self.latest
            && latest == pair
        {
            return Ok(number);
        }
        let next = self.known.len() as u32;
        let number = *self.places.entry(pair).or_insert(next);
        if number == next {
            if next >= LABELS {
                return Err(MapError::Pairs);
            }
            self.known.push(pair);
        }
        self.latest = Some((pair, number));
        Ok(number)
    }
}

fn product<B: Bits>(
    one: &Partition<B>,
    other: &Partition<B>,
    pairs: &mut Pairs,
) -> Result<Partition<B>, MapError> {
    let mut cut = Cut::with_capacity(one.cells.len().max(other.cells.len()));
    let (mut ones, mut others) = (one.iter(), other.iter());
    let (mut a, mut b) = (ones.next(), others.next());
    while let (Some(left), Some(right)) = (a, b) {
        // both begin or go on at the next address, so one lies within the other
        let number = pairs.number((left.2, right.2))?;
        let (start, length) = if left.1 >= right.1 {
            (left.0, left.1)
        } else {
            (right.0, right.1)
        };
        cut.push(start, length, number);
        let last = start.last(length);
        if left.0.last(left.1) == last {
            a = ones.next();
        }
        if right.0.last(right.1) == last {
            b = others.next();
        }
    }
    Ok(cut.finish(0))
}
