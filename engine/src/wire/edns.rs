//! EDNS (RFC 6891): what a query's OPT record asks for, and the OPT record of the response.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rtype;
use super::writer::{Full, Writer};
use crate::cookie::{CLIENT, Cookie, SERVER};

/// Octets of an OPT record without options.
pub const OPT: usize = 11;

const DNSSEC_OK: u16 = 0x8000;

/// The options that are understood; all others are ignored (RFC 6891 section 6.1.2).
mod option {
    pub(super) const NSID: u16 = 3;
    pub(super) const ECS: u16 = 8;
    pub(super) const COOKIE: u16 = 10;
    pub(super) const KEEPALIVE: u16 = 11;
    pub(super) const EDE: u16 = 15;
    pub(super) const ZONEVERSION: u16 = 19;
}

/// Octets of an option's code and length.
const OPTION: usize = 4;

/// Something in an OPT record that the RFCs call a format error.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// Extended errors (RFC 8914 section 4, RFC 9824 section 10): why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Ede {
    /// Nothing has been published yet.
    NotReady = 14,
    /// The operator does not want it told.
    Prohibited = 18,
    /// The name is in no zone of ours.
    NotAuthoritative = 20,
    /// A class or type of query that is not served.
    NotSupported = 21,
    /// A type that no query has.
    InvalidQueryType = 30,
}

/// What a query's OPT record says.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a bit of the message or an option of its own"
)]
pub struct Edns {
    /// The largest UDP payload that the sender takes.
    pub udp_size: u16,
    /// The version it speaks.
    pub version: u8,
    /// The DO bit, to be copied (RFC 3225).
    pub dnssec_ok: bool,
    /// Whether an option is not as its RFC demands, which is a format error; none is valid then.
    pub malformed: bool,
    /// The client's network, where the sender passes it on.
    pub ecs: Option<Ecs>,
    /// The DNS cookie.
    pub cookie: Option<Cookie>,
    /// Whether the server's identity is asked for (RFC 5001).
    pub nsid: bool,
    /// Whether the timeout of idle TCP connections is asked for (RFC 7828).
    pub keepalive: bool,
    /// Whether the zone's version is asked for (RFC 9660).
    pub zone_version: bool,
}

/// The client subnet option of a query (RFC 7871 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecs {
    /// The client's address, zero beyond `source` bits.
    pub address: IpAddr,
    /// SOURCE PREFIX-LENGTH.
    pub source: u8,
}

/// The options of a response, each there only if the query asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The client's network as received, and the SCOPE PREFIX-LENGTH.
    pub ecs: Option<(Ecs, u8)>,
    /// The client's cookie as received, and the server's.
    pub cookie: Option<([u8; CLIENT], [u8; SERVER])>,
    /// The timeout of idle TCP connections, in units of 100 ms.
    pub keepalive: Option<u16>,
    /// Why there is no answer.
    pub error: Option<Ede>,
    /// The server's identity.
    pub nsid: Option<&'a [u8]>,
    /// The number of labels of the zone's name, and its serial.
    pub zone_version: Option<(u8, u32)>,
}

impl Edns {
    /// Read the body of an OPT record: its CLASS, the halves of its TTL, and its RDATA. What the
    /// options of a later version look like is unknown; its sender is told BADVERS (RFC 6891 section
    /// 6.1.3), whatever they are.
    #[must_use]
    pub fn parse(udp_size: u16, [high, low]: [u16; 2], options: &[u8]) -> Self {
        let mut edns = Self {
            udp_size,
            version: high as u8,
            dnssec_ok: low & DNSSEC_OK != 0,
            ..Self::default()
        };
        if edns.version == 0 && edns.read(options).is_err() {
            edns.malformed = true;
            (edns.ecs, edns.cookie) = (None, None);
            (edns.nsid, edns.keepalive, edns.zone_version) = (false, false, false);
        }
        edns
    }

    /// Read the options. Of one that stands twice the first counts (RFC 7873 section 5.2).
    fn read(&mut self, mut rest: &[u8]) -> Result<(), Malformed> {
        while !rest.is_empty() {
            let (code, after) = take_u16(rest).ok_or(Malformed)?;
            let (length, after) = take_u16(after).ok_or(Malformed)?;
            let (value, after) = after
                .split_at_checked(usize::from(length))
                .ok_or(Malformed)?;
            match code {
                option::ECS => {
                    let ecs = Ecs::parse(value)?;
                    self.ecs.get_or_insert(ecs);
                }
                option::COOKIE => {
                    let cookie = Cookie::parse(value).ok_or(Malformed)?;
                    self.cookie.get_or_insert(cookie);
                }
                option::NSID => self.nsid = true,
                option::KEEPALIVE => self.keepalive = true,
                option::ZONEVERSION => self.zone_version = true,
                _ => {}
            }
            rest = after;
        }
        Ok(())
    }

    /// The OPT record of the response: our own payload size, DO copied, and `options`.
    #[inline]
    pub fn write(
        &self,
        writer: &mut Writer<'_>,
        rcode: u8,
        payload: u16,
        options: &Options<'_>,
    ) -> Result<(), Full> {
        let [kind_high, kind_low] = rtype::OPT.to_be_bytes();
        let [size_high, size_low] = payload.to_be_bytes();
        let dnssec_ok = u8::from(self.dnssec_ok) << 7;
        // of the root; version 0, which is the one that we speak; no octets of options so far
        writer.put(&[
            0,
            kind_high,
            kind_low,
            size_high,
            size_low,
            rcode >> 4,
            0,
            dnssec_ok,
            0,
            0,
            0,
        ])?;
        if options.are_none() {
            return Ok(());
        }
        writer.counted_before(|writer| options.write(writer))
    }
}

impl Options<'_> {
    /// How many octets of a response are kept free for OPT. What only informs is not counted: it is
    /// left out rather than to crowd out an answer.
    #[must_use]
    pub fn reserved(&self) -> usize {
        let ecs = self.ecs.map_or(0, |(ecs, _)| {
            usize::from(ecs.octets()).saturating_add(OPTION + 4)
        });
        let cookie = self.cookie.map_or(0, |_| OPTION + CLIENT + SERVER);
        let keepalive = self.keepalive.map_or(0, |_| OPTION + 2);
        OPT.saturating_add(ecs)
            .saturating_add(cookie)
            .saturating_add(keepalive)
    }

    #[inline]
    fn are_none(&self) -> bool {
        let Self {
            ecs: None,
            cookie: None,
            keepalive: None,
            error: None,
            nsid: None,
            zone_version: None,
        } = self
        else {
            return false;
        };
        true
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        if let Some((ecs, scope)) = &self.ecs {
            writer.u16(option::ECS)?;
            writer.counted(|writer| ecs.write(writer, *scope))?;
        }
        if let Some((client, server)) = &self.cookie {
            writer.u16(option::COOKIE)?;
            writer.counted(|writer| {
                writer.put(client)?;
                writer.put(server)
            })?;
        }
        if let Some(timeout) = self.keepalive {
            writer.u16(option::KEEPALIVE)?;
            writer.counted(|writer| writer.u16(timeout))?;
        }
        if let Some(error) = self.error {
            writer.optional(|writer| {
                writer.u16(option::EDE)?;
                writer.counted(|writer| writer.u16(error as u16))
            });
        }
        if let Some((labels, serial)) = self.zone_version {
            writer.optional(|writer| {
                writer.u16(option::ZONEVERSION)?;
                writer.counted(|writer| {
                    writer.u8(labels)?;
                    writer.u8(0)?; // SOA-SERIAL (RFC 9660 section 2.1)
                    writer.put(&serial.to_be_bytes())
                })
            });
        }
        if let Some(nsid) = self.nsid {
            writer.optional(|writer| {
                writer.u16(option::NSID)?;
                writer.counted(|writer| writer.put(nsid))
            });
        }
        Ok(())
    }
}

/// Cut a response's OPT record down to the options without which its sender would not take it for the
/// answer to its query: ECS, with scope 0, and the cookie, which `Options::write` puts first. Returns
/// the octets left.
pub(crate) fn trim(opt: &mut [u8]) -> Option<usize> {
    let (head, mut rest) = opt.split_at_mut_checked(OPT)?;
    let mut kept = 0_usize;
    while let Some((code, after)) = take_u16(rest) {
        let length = usize::from(take_u16(after)?.0);
        let (value, after) = rest.get_mut(OPTION..)?.split_at_mut_checked(length)?;
        match code {
            option::ECS => *value.get_mut(3)? = 0, // behind FAMILY and SOURCE PREFIX-LENGTH
            option::COOKIE => {}
            _ => break,
        }
        kept = kept.saturating_add(OPTION).saturating_add(length);
        rest = after;
    }
    let (_, length) = head.split_last_chunk_mut()?;
    *length = u16::try_from(kept).ok()?.to_be_bytes();
    OPT.checked_add(kept)
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
        );
        assert!(edns.dnssec_ok && !edns.malformed);
        let ecs = edns.ecs.unwrap();
        assert_eq!(
            (ecs.address, ecs.source),
            ("192.0.2.0".parse().unwrap(), 24)
        );
    }

    #[test]
    fn options_of_later_versions_are_not_read() {
        let odd = b"\x00\x08\xFF";
        assert!(Edns::parse(1232, [0, 0], odd).malformed);
        let later = Edns::parse(1232, [1, 0], odd);
        assert!(later.version == 1 && !later.malformed);
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
