//! What came of the queries, as a line of JSON.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::answers::Seen;
use crate::way::Way;

/// What came of the queries.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    answered: u64,
    pub(super) lost: u64,
    octets: u64,
    pub(super) seconds: f64,
    rcodes: BTreeMap<u8, u64>,
    scopes: BTreeMap<Option<u8>, u64>,
    addresses: BTreeMap<Ipv4Addr, u64>,
    /// How long each answer took, in nanoseconds.
    took: Vec<u32>,
}

impl Tally {
    pub(super) fn count(&mut self, answer: &[u8], question: usize, now: Duration, way: &mut Way) {
        let [high, low, flags, codes, ..] = *answer else {
            return;
        };
        if flags & 0x80 == 0 {
            return; // no answer
        }
        let Some(sent) = way.leave(u16::from_be_bytes([high, low])) else {
            return; // an answer to what counts as lost
        };
        self.answered += 1;
        let took = now.saturating_sub(sent).as_nanos();
        self.took.push(u32::try_from(took).unwrap_or(u32::MAX));
        self.octets += answer.len() as u64;
        *self.rcodes.entry(codes & 0x0F).or_default() += 1;
        let seen = Seen::of(answer, question).unwrap_or_default();
        *self.scopes.entry(seen.scope).or_default() += 1;
        if let Some(address) = seen.address {
            *self.addresses.entry(address).or_default() += 1;
        }
    }

    pub(super) fn json(&mut self) -> String {
        self.took.sort_unstable();
        let took = [500, 990, 999, 1000].map(|share: usize| {
            let at = self.took.len() * share / 1000;
            let one = self.took.get(at).or(self.took.last());
            let microseconds = one.map_or(0.0, |&nanoseconds| f64::from(nanoseconds) / 1e3);
            (share, microseconds)
        });
        let none = "none".to_owned();
        let scopes = self.scopes.iter().map(|(scope, count)| {
            let scope = scope.map_or_else(|| none.clone(), |scope| scope.to_string());
            (scope, *count)
        });
        format!(
            "{{\"sent\": {}, \"answered\": {}, \"lost\": {}, \"seconds\": {:.6}, \"octets\": {}, \
             \"rcodes\": {}, \"scopes\": {}, \"addresses\": {}, \"took\": {}}}",
            self.sent,
            self.answered,
            self.lost,
            self.seconds,
            self.octets,
            object(self.rcodes.iter().map(|(rcode, count)| (rcode, *count))),
            object(scopes),
            object(
                self.addresses
                    .iter()
                    .map(|(address, count)| (address, *count))
            ),
            object(took),
        )
    }
}

fn object(counts: impl IntoIterator<Item = (impl Display, impl Display)>) -> String {
    let mut text = String::new();
    for (key, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}\"{key}\": {count}").expect("writing to a string");
    }
    format!("{{{text}}}")
}
