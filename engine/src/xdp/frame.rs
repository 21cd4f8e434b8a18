//! Ethernet frames: from a query in one to the headers of its answer's.
//!
//! UDP checksums of queries are not looked at: the interface has done so, or, between virtual ones, they
//! are not there yet. What is damaged all the same is refused as any other message is.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::dnstap::Ends;

const ETHERNET: usize = 14;
const UDP: usize = 8;

/// Hops that an answer may take.
const HOPS: u8 = 64;

const NEXT_UDP: u8 = 17;

/// A query in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    pub(super) ends: Ends,
    /// Where the message begins: what is before it are headers.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The octets of an IP header without options.
const fn ip(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 20,
        IpAddr::V6(_) => 40,
    }
}

impl Datagram {
    /// The datagram in a frame; None if it is none that the program takes, or is torn.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (from, to, packet) = match *frame.get(ETHERNET - 2..)? {
            [0x08, 0x00, ref packet @ ..] => v4(packet)?,
            [0x86, 0xDD, ref packet @ ..] => v6(packet)?,
            _ => return None,
        };
        let (&[p0, p1, q0, q1, l0, l1, _, _], _) = packet.split_first_chunk::<UDP>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length < UDP || length > packet.len() {
            return None;
        }
        let udp = ETHERNET.checked_add(ip(to))?;
        Some(Self {
            ends: Ends {
                peer: SocketAddr::new(from, u16::from_be_bytes([p0, p1])),
                local: SocketAddr::new(to, u16::from_be_bytes([q0, q1])),
            },
            start: udp.checked_add(UDP)?,
            end: udp.checked_add(length)?,
        })
    }

    /// The query.
    #[inline]
    pub(super) fn message<'f>(&self, frame: &'f [u8]) -> &'f [u8] {
        frame.get(self.start..self.end).unwrap_or(&[])
    }

    /// Octets of an answer for which there is room in a packet of `mtu` octets.
    pub(super) fn room(&self, mtu: usize) -> usize {
        mtu.saturating_sub(ip(self.ends.local.ip()))
            .saturating_sub(UDP)
    }

    /// Write the headers of an answer of `length` octets, which stands at `start` of `out` already. Returns
    /// the frame's octets.
    pub(super) fn answer(&self, frame: &[u8], out: &mut [u8], length: usize) -> Option<usize> {
        let end = self.start.checked_add(length)?;
        let (head, message) = out.get_mut(..end)?.split_at_mut_checked(self.start)?;
        let (ethernet, packet) = head.split_first_chunk_mut::<ETHERNET>()?;
        let (mine, rest) = frame.split_first_chunk::<6>()?;
        let (theirs, _) = rest.split_first_chunk::<6>()?;
        let (to, rest) = ethernet.split_first_chunk_mut::<6>()?;
        let (from, ethertype) = rest.split_first_chunk_mut::<6>()?;
        (*to, *from) = (*theirs, *mine);
        let Ends { peer, local } = self.ends;
        let datagram = u16::try_from(length.checked_add(UDP)?).ok()?;
        let (header, udp) = packet.split_at_mut_checked(ip(local.ip()))?;
        let mut sum = Sum::default();
        match (local.ip(), peer.ip()) {
            (IpAddr::V4(local), IpAddr::V4(peer)) => {
                ethertype.copy_from_slice(&[0x08, 0x00]);
                let [l0, l1] = datagram.checked_add(20)?.to_be_bytes();
                // no identification, and no fragments (RFC 6864)
                let fixed = [0x45, 0, l0, l1, 0, 0, 0x40, 0, HOPS, NEXT_UDP];
                let mut check = Sum::default();
                check.add(&fixed);
                check.add(&local.octets());
                check.add(&peer.octets());
                let (first, rest) = header.split_first_chunk_mut::<10>()?;
                let (middle, rest) = rest.split_first_chunk_mut::<2>()?;
                let (source, rest) = rest.split_first_chunk_mut::<4>()?;
                let (target, _) = rest.split_first_chunk_mut::<4>()?;
                *first = fixed;
                *middle = check.end();
                *source = local.octets();
                *target = peer.octets();
                sum.add(&local.octets());
                sum.add(&peer.octets());
            }
            (IpAddr::V6(local), IpAddr::V6(peer)) => {
                ethertype.copy_from_slice(&[0x86, 0xDD]);
                let [l0, l1] = datagram.to_be_bytes();
                let (first, rest) = header.split_first_chunk_mut::<8>()?;
                let (source, rest) = rest.split_first_chunk_mut::<16>()?;
                let (target, _) = rest.split_first_chunk_mut::<16>()?;
                *first = [0x60, 0, 0, 0, l0, l1, NEXT_UDP, HOPS];
                *source = local.octets();
                *target = peer.octets();
                sum.add(source);
                sum.add(target);
            }
            _ => return None,
        }
        let [p0, p1] = local.port().to_be_bytes();
        let [q0, q1] = peer.port().to_be_bytes();
        let [l0, l1] = datagram.to_be_bytes();
        sum.add(&[0, NEXT_UDP, l0, l1]);
        sum.add(&[p0, p1, q0, q1, l0, l1]);
        sum.add(message);
        // a sum of zero means that there is none (RFC 768)
        let [c0, c1] = match sum.end() {
            [0, 0] => [0xFF, 0xFF],
            sum => sum,
        };
        udp.copy_from_slice(&[p0, p1, q0, q1, l0, l1, c0, c1]);
        Some(end)
    }
}

/// The ends of an IPv4 packet, and what it carries.
fn v4(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let (head, _) = packet.split_first_chunk::<20>()?;
    let [
        0x45,
        _,
        l0,
        l1,
        _,
        _,
        f0,
        f1,
        _,
        NEXT_UDP,
        _,
        _,
        from @ ..,
        _,
        _,
        _,
        _,
    ] = *head
    else {
        return None;
    };
    let [.., t0, t1, t2, t3] = *head;
    if u16::from_be_bytes([f0, f1]) & 0x3FFF != 0 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let carried = packet.get(20..length)?;
    let from = Ipv4Addr::from(from);
    Some((from.into(), Ipv4Addr::new(t0, t1, t2, t3).into(), carried))
}

/// The ends of an IPv6 packet, and what it carries.
fn v6(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let (&[version, _, _, _, l0, l1, next, _], rest) = packet.split_first_chunk::<8>()?;
    if version >> 4 != 6 || next != NEXT_UDP {
        return None;
    }
    let (from, rest) = rest.split_first_chunk::<16>()?;
    let (to, carried) = rest.split_first_chunk::<16>()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (from, to) = (Ipv6Addr::from(*from), Ipv6Addr::from(*to));
    Some((from.into(), to.into(), carried.get(..length)?))
}

/// The checksum of the Internet (RFC 1071): of parts of which all but the last have an even length.
#[derive(Default)]
struct Sum(u64);

impl Sum {
    fn add(&mut self, octets: &[u8]) {
        let (words, rest) = octets.as_chunks::<4>();
        // 32 bits at a time: their carries are folded at the end, which is the same
        let mut sum = words.iter().fold(0_u64, |sum, word| {
            sum.wrapping_add(u32::from_be_bytes(*word).into())
        });
        let mut last = [0; 4];
        for (to, octet) in last.iter_mut().zip(rest) {
            *to = *octet;
        }
        sum = sum.wrapping_add(u32::from_be_bytes(last).into());
        self.0 = self.0.wrapping_add(sum);
    }

    fn end(self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum >> 16).wrapping_add(sum & 0xFFFF);
        }
        (!(sum as u16)).to_be_bytes()
    }
}
