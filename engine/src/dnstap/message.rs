//! Records in dnstap's format: protocol buffers, of which it needs numbers and octets only.
//!
//! The field numbers are those of dnstap.proto, <https://dnstap.info>.

use std::net::{IpAddr, SocketAddr};

use super::record::Record;
use crate::stats::Transport;

/// How records are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Whether queries are (`AUTH_QUERY`).
    pub queries: bool,
    /// Whether responses are (`AUTH_RESPONSE`).
    pub responses: bool,
    /// Who tells; empty: nobody in particular.
    pub identity: Vec<u8>,
    /// With which software; empty: not said.
    pub version: Vec<u8>,
}

/// dnstap's numbers of the kinds of messages.
const AUTH_QUERY: u64 = 1;
const AUTH_RESPONSE: u64 = 2;

impl Form {
    /// Call `each` with the messages that tell `record`, each to be a frame of its own.
    pub(super) fn tell(&self, record: &Record, mut each: impl FnMut(&[u8])) {
        if self.queries {
            each(&self.message(record, AUTH_QUERY, None));
        }
        if self.responses
            && let Some(response) = &record.response
        {
            each(&self.message(record, AUTH_RESPONSE, Some(response)));
        }
    }

    fn message(&self, record: &Record, kind: u64, response: Option<&[u8]>) -> Vec<u8> {
        let mut message = Fields::default();
        message.number(1, kind);
        message.number(2, if record.ends.peer.is_ipv4() { 1 } else { 2 });
        message.number(
            3,
            match record.transport {
                Transport::Udp => 1,
                Transport::Tcp => 2,
            },
        );
        message.octets(4, &address(record.ends.peer));
        message.octets(5, &address(record.ends.local));
        message.number(6, record.ends.peer.port().into());
        message.number(7, record.ends.local.port().into());
        message.number(8, record.received / 1000);
        message.fixed32(9, (record.received % 1000) as u32 * 1_000_000);
        if let Some(response) = response {
            message.number(12, record.answered / 1_000_000);
            message.fixed32(13, (record.answered % 1_000_000) as u32 * 1000);
            message.octets(14, response);
        } else {
            message.octets(10, &record.query);
        }
        let mut whole = Fields::default();
        for (field, octets) in [(1, &self.identity), (2, &self.version)] {
            if !octets.is_empty() {
                whole.octets(field, octets);
            }
        }
        whole.octets(14, &message.0);
        whole.number(15, 1); // a message
        whole.0
    }
}

fn address(end: SocketAddr) -> Vec<u8> {
    match end.ip() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The fields of a protocol buffer.
#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3);
        self.varint(value);
    }

    fn fixed32(&mut self, field: u32, value: u32) {
        self.varint(u64::from(field) << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    fn octets(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_octets() {
        let mut fields = Fields::default();
        fields.number(1, 300);
        fields.fixed32(9, 1);
        fields.octets(15, b"ab");
        assert_eq!(fields.0, b"\x08\xac\x02\x4d\x01\0\0\0\x7a\x02ab");
    }
}
