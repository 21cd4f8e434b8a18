//! EDNS (RFC 6891) and the client subnet option (RFC 7871).

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rtype;
use super::writer::{Full, Writer};

/// Octets of an OPT record without options.
pub const OPT: usize = 11;

const OPTION_ECS: u16 = 8;
const DNSSEC_OK: u16 = 0x8000;

/// Something in an OPT record that the RFCs call a format error.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edns {
    /// The largest UDP payload that the sender takes.
    pub udp_size: u16,
    /// The version it speaks.
    pub version: u8,
    /// The DO bit, to be copied (RFC 3225).
    pub dnssec_ok: bool,
    /// The client's network, where the sender passes it on.
    pub ecs: Option<Ecs>,
}

/// The client subnet option of a query (RFC 7871 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecs {
    /// The client's address, zero beyond `source` bits.
    pub address: IpAddr,
    /// SOURCE PREFIX-LENGTH.
    pub source: u8,
}

impl Edns {
    /// Read the body of an OPT record: its CLASS, the halves of its TTL, and its RDATA. What the
    /// options of a later version look like is unknown; its sender is told BADVERS (RFC 6891 section
    /// 6.1.3), whatever they are.
    pub fn parse(udp_size: u16, [high, low]: [u16; 2], options: &[u8]) -> Result<Self, Malformed> {
        let mut edns = Self {
            udp_size,
            version: high as u8,
            dnssec_ok: low & DNSSEC_OK != 0,
            ecs: None,
        };
        let mut rest = if edns.version == 0 { options } else { &[] };
        while !rest.is_empty() {
            let (code, after) = take_u16(rest).ok_or(Malformed)?;
            let (length, after) = take_u16(after).ok_or(Malformed)?;
            let (value, after) = after
                .split_at_checked(usize::from(length))
                .ok_or(Malformed)?;
            if code == OPTION_ECS {
                edns.ecs = Some(Ecs::parse(value)?);
            }
            rest = after;
        }
        Ok(edns)
    }

    /// The OPT record of the response: our own payload size, DO copied, ECS echoed with `scope`.
    pub fn write(
        &self,
        writer: &mut Writer<'_>,
        rcode: u8,
        payload: u16,
        scope: u8,
    ) -> Result<(), Full> {
        writer.u8(0)?;
        writer.u16(rtype::OPT)?;
        writer.u16(payload)?;
        writer.u8(rcode >> 4)?;
        writer.u8(0)?; // the version that we speak
        writer.u16(if self.dnssec_ok { DNSSEC_OK } else { 0 })?;
        match &self.ecs {
            Some(ecs) => {
                writer.u16(ecs.length().saturating_add(4))?;
                writer.u16(OPTION_ECS)?;
                writer.u16(ecs.length())?;
                ecs.write(writer, scope)
            }
            None => writer.u16(0),
        }
    }

    /// How many octets `write` takes.
    #[must_use]
    pub fn length(&self) -> usize {
        let option = self
            .ecs
            .map_or(0, |ecs| usize::from(ecs.length()).saturating_add(4));
        OPT.saturating_add(option)
    }
}

impl Ecs {
    fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let (family, rest) = take_u16(value).ok_or(Malformed)?;
        let [source, scope, octets @ ..] = rest else {
            return Err(Malformed);
        };
        let address = match family {
            1 => IpAddr::V4(Ipv4Addr::from(prefix::<4>(octets, *source)?)),
            2 => IpAddr::V6(Ipv6Addr::from(prefix::<16>(octets, *source)?)),
            _ => return Err(Malformed),
        };
        if *scope != 0 {
            return Err(Malformed); // "MUST be set to 0 in queries"
        }
        Ok(Self {
            address,
            source: *source,
        })
    }

    fn octets(&self) -> u8 {
        self.source.div_ceil(8)
    }

    fn length(&self) -> u16 {
        u16::from(self.octets()).saturating_add(4)
    }

    fn write(&self, writer: &mut Writer<'_>, scope: u8) -> Result<(), Full> {
        // "If the query had source 0, the response's scope MUST be 0" (section 7.2.1)
        let scope = if self.source == 0 { 0 } else { scope };
        let count = usize::from(self.octets());
        let (family, v4, v6);
        let octets: &[u8] = match self.address {
            IpAddr::V4(address) => {
                (family, v4) = (1, address.octets());
                &v4
            }
            IpAddr::V6(address) => {
                (family, v6) = (2, address.octets());
                &v6
            }
        };
        writer.u16(family)?;
        writer.u8(self.source)?;
        writer.u8(scope)?;
        writer.put(octets.get(..count).unwrap_or(&[]))
    }
}

/// The address whose first `source` bits are `octets`: exactly as many as needed, the rest zero.
fn prefix<const N: usize>(octets: &[u8], source: u8) -> Result<[u8; N], Malformed> {
    let source = usize::from(source);
    if octets.len() != source.div_ceil(8) {
        return Err(Malformed);
    }
    let mut address = [0; N];
    address
        .get_mut(..octets.len())
        .ok_or(Malformed)?
        .copy_from_slice(octets);
    let beyond = 0xFF_u8.checked_shr((source % 8) as u32).unwrap_or(0);
    match octets.last() {
        Some(last) if source % 8 != 0 && last & beyond != 0 => Err(Malformed),
        _ => Ok(address),
    }
}

fn take_u16(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecs_is_read() {
        let edns = Edns::parse(
            1232,
            [0, 0x8000],
            b"\x00\x08\x00\x07\x00\x01\x18\x00\xC0\x00\x02",
        )
        .unwrap();
        assert!(edns.dnssec_ok);
        let ecs = edns.ecs.unwrap();
        assert_eq!(
            (ecs.address, ecs.source),
            ("192.0.2.0".parse().unwrap(), 24)
        );
    }

    #[test]
    fn options_of_later_versions_are_not_read() {
        let odd = b"\x00\x08\xFF";
        assert!(Edns::parse(1232, [0, 0], odd).is_err());
        let later = Edns::parse(1232, [1, 0], odd).unwrap();
        assert_eq!((later.version, later.ecs), (1, None));
    }

    #[test]
    fn ecs_that_the_rfc_refuses() {
        for (why, value) in [
            ("too short", &b"\x00\x01\x18"[..]),
            ("family", b"\x00\x03\x00\x00"),
            ("octets missing", b"\x00\x01\x18\x00\xC0\x00"),
            ("octets too many", b"\x00\x01\x08\x00\xC0\x00"),
            ("bits beyond the prefix", b"\x00\x01\x17\x00\xC0\x00\x03"),
            ("prefix too long", b"\x00\x01\x21\x00\xC0\x00\x02\x01\x00"),
            ("scope in a query", b"\x00\x01\x18\x18\xC0\x00\x02"),
        ] {
            assert_eq!(Ecs::parse(value), Err(Malformed), "{why}");
        }
        assert!(
            Ecs::parse(b"\x00\x02\x00\x00").is_ok(),
            "source 0 is a valid wish for privacy"
        );
    }
}
