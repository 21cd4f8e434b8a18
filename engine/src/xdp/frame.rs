//! Ethernet frames: from a query in one to the headers of its answer's.
//!
//! Checksums are for us to verify: an interface tells the kernel what it found, but not the program.

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
    /// The datagram in a frame; None if it is none that the program takes, or is damaged.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let (from, to, packet) = match *frame.get(ETHERNET - 2..)? {
            [0x08, 0x00, ref packet @ ..] => v4(packet)?,
            [0x86, 0xDD, ref packet @ ..] => v6(packet)?,
            _ => return None,
        };
        let (&[p0, p1, q0, q1, l0, l1, c0, c1], _) = packet.split_first_chunk::<UDP>()?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let segment = packet.get(..length).filter(|_| length >= UDP)?;
        let mut sum = Sum::pseudo(from, to, [l0, l1]);
        // between virtual interfaces, what the checksum begins with stands in its place (RFC 768, and
        // CHECKSUM_PARTIAL of the kernel)
        let begun = sum.folded() == [c0, c1];
        sum.add(segment);
        let none = [c0, c1] == [0, 0] && to.is_ipv4();
        if !(none || begun || sum.folded() == [0xFF, 0xFF]) {
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
                *middle = check.checksum();
                *source = local.octets();
                *target = peer.octets();
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
            }
            _ => return None,
        }
        let [p0, p1] = local.port().to_be_bytes();
        let [q0, q1] = peer.port().to_be_bytes();
        let [l0, l1] = datagram.to_be_bytes();
        let mut sum = Sum::pseudo(local.ip(), peer.ip(), [l0, l1]);
        sum.add(&[p0, p1, q0, q1, l0, l1]);
        sum.add(message);
        // a sum of zero means that there is none (RFC 768)
        let [c0, c1] = match sum.checksum() {
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
    let mut sum = Sum::default();
    sum.add(head);
    if u16::from_be_bytes([f0, f1]) & 0x3FFF != 0 || sum.folded() != [0xFF, 0xFF] {
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
    /// That of the header that UDP puts before its own (RFC 768, RFC 8200 section 8.1).
    fn pseudo(from: IpAddr, to: IpAddr, length: [u8; 2]) -> Self {
        let mut sum = Self::default();
        for address in [from, to] {
            match address {
                IpAddr::V4(address) => sum.add(&address.octets()),
                IpAddr::V6(address) => sum.add(&address.octets()),
            }
        }
        let [l0, l1] = length;
        sum.add(&[0, NEXT_UDP, l0, l1]);
        sum
    }

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

    /// The sum so far, its carries added: all ones over what has its right checksum in it.
    fn folded(&self) -> [u8; 2] {
        let mut sum = self.0;
        while sum > 0xFFFF {
            sum = (sum >> 16).wrapping_add(sum & 0xFFFF);
        }
        (sum as u16).to_be_bytes()
    }

    /// What makes the sum all ones.
    fn checksum(&self) -> [u8; 2] {
        self.folded().map(|octet| !octet)
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used
)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const MESSAGE: &[u8] = b"\x12\x34 a query";

    /// The hardware address that queries are sent to.
    pub(in super::super) const MINE: [u8; 6] = [0xF2, 0, 0, 0, 0, 1];
    const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// A UDP segment between `ends`, two addresses one behind the other.
    fn udp(ends: &[u8], payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() + UDP) as u16;
        let [l0, l1] = length.to_be_bytes();
        let head = [0x30, 0x39, 0, 53, l0, l1];
        let [c0, c1] = checksum(&[ends, &[0, 17, l0, l1], &head, payload]);
        [&head[..], &[c0, c1], payload].concat()
    }

    fn checksum(parts: &[&[u8]]) -> [u8; 2] {
        (!(summed(parts) as u16)).to_be_bytes()
    }

    /// A query from 192.0.2.9, port 12345, to 192.0.2.1, port 53.
    pub(in super::super) fn v4_frame(flags: [u8; 2], first: u8, protocol: u8) -> Vec<u8> {
        let ends = [192, 0, 2, 9, 192, 0, 2, 1];
        let udp = udp(&ends, MESSAGE);
        let [l0, l1] = (udp.len() as u16 + 20).to_be_bytes();
        let ip = [first, 0, l0, l1, 0, 7, flags[0], flags[1], 9, protocol];
        let sum = checksum(&[&ip, &ends]);
        [&MINE[..], &THEIRS, &[8, 0], &ip, &sum, &ends, &udp].concat()
    }

    /// The same by IPv6, from `2001:db8::9` to `2001:db8::1`.
    pub(in super::super) fn v6_frame(next: u8) -> Vec<u8> {
        let ends = [9, 1].map(|last| Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, last).octets());
        let udp = udp(ends.as_flattened(), MESSAGE);
        let [l0, l1] = (udp.len() as u16).to_be_bytes();
        let ip = [0x60, 0, 0, 0, l0, l1, next, 9];
        let ethernet = [&MINE[..], &THEIRS, &[0x86, 0xDD]].concat();
        [&ethernet[..], &ip, ends.as_flattened(), &udp].concat()
    }

    /// The sum that a receiver makes over what a checksum covers: all ones where it is right.
    fn summed(parts: &[&[u8]]) -> u32 {
        let octets: Vec<u8> = parts.concat();
        let words = octets.chunks(2);
        let mut sum: u32 = words
            .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
            .sum();
        while sum > 0xFFFF {
            sum = (sum >> 16) + (sum & 0xFFFF);
        }
        sum
    }

    fn answered(query: &[u8], message: &[u8]) -> Vec<u8> {
        let datagram = Datagram::read(query).unwrap();
        assert_eq!(datagram.message(query), MESSAGE);
        let mut out = vec![0xEE; 4096];
        out[datagram.start..][..message.len()].copy_from_slice(message);
        let length = datagram.answer(query, &mut out, message.len()).unwrap();
        assert!(out[length..].iter().all(|&octet| octet == 0xEE));
        out.truncate(length);
        out
    }

    #[test]
    fn an_answer_goes_back_the_way_that_the_query_came() {
        for message in [&b""[..], b"a", b"ab", b"abc", b"an answer of some length"] {
            let answer = answered(&v4_frame([0x40, 0], 0x45, 17), message);
            assert_eq!(answer[..6], THEIRS);
            assert_eq!(answer[6..12], MINE);
            assert_eq!(summed(&[&answer[14..34]]), 0xFFFF, "IPv4's checksum");
            let pseudo = [&answer[26..34], &[0, 17], &answer[38..40]].concat();
            assert_eq!(summed(&[&pseudo, &answer[34..]]), 0xFFFF, "UDP's checksum");
            let back = Datagram::read(&answer).unwrap();
            assert_eq!(back.ends.local, "192.0.2.9:12345".parse().unwrap());
            assert_eq!(back.ends.peer, "192.0.2.1:53".parse().unwrap());
            assert_eq!(back.message(&answer), message);

            let answer = answered(&v6_frame(17), message);
            let pseudo = [&answer[22..54], &[0, 17], &answer[58..60]].concat();
            assert_eq!(summed(&[&pseudo, &answer[54..]]), 0xFFFF, "UDP's checksum");
            let back = Datagram::read(&answer).unwrap();
            assert_eq!(back.ends.local, "[2001:db8::9]:12345".parse().unwrap());
            assert_eq!(back.ends.peer, "[2001:db8::1]:53".parse().unwrap());
            assert_eq!(back.message(&answer), message);
        }
    }

    #[test]
    fn short_frames_are_filled_up_and_that_is_no_part_of_the_query() {
        let mut frame = v4_frame([0, 0], 0x45, 17);
        frame.extend([0; 20]);
        assert_eq!(Datagram::read(&frame).unwrap().message(&frame), MESSAGE);
    }

    #[test]
    fn what_is_torn_or_something_else_is_no_datagram() {
        for whole in [v4_frame([0, 0], 0x45, 17), v6_frame(17)] {
            for length in 0..whole.len() {
                assert_eq!(Datagram::read(&whole[..length]), None);
            }
            let at = whole.len() - MESSAGE.len() - 4;
            for length in [[0x7F, 0], [0, 7]] {
                // more than there is, and less than its own header
                let mut other = whole.clone();
                other[at..at + 2].copy_from_slice(&length);
                assert_eq!(Datagram::read(&other), None);
            }
        }
        for (flags, first, protocol) in [
            ([0x20, 0], 0x45, 17),
            ([0, 1], 0x45, 17),
            ([0, 0], 0x46, 17),
            ([0, 0], 0x45, 6),
        ] {
            assert_eq!(Datagram::read(&v4_frame(flags, first, protocol)), None);
        }
        assert_eq!(Datagram::read(&v6_frame(44)), None, "a fragment");
    }

    #[test]
    fn no_octet_is_damaged_unseen() {
        for (whole, checked) in [(v4_frame([0, 0], 0x45, 17), 14), (v6_frame(17), 22)] {
            for at in checked..whole.len() {
                let mut other = whole.clone();
                other[at] ^= 0x10;
                assert_eq!(Datagram::read(&other), None, "octet {at}");
            }
        }
    }

    #[test]
    fn a_checksum_may_be_missing_where_that_is_allowed() {
        let mut v4 = v4_frame([0, 0], 0x45, 17);
        let mut v6 = v6_frame(17);
        for (frame, ends, at) in [(&mut v4, 26..34, 40), (&mut v6, 22..54, 60)] {
            let pseudo = [&frame[ends], &[0, 17], &frame[at - 2..at]].concat();
            let begun = (summed(&[&pseudo]) as u16).to_be_bytes();
            frame[at..at + 2].copy_from_slice(&begun);
            assert!(Datagram::read(frame).is_some(), "begun by a virtual one");
            frame[at..at + 2].copy_from_slice(&[0, 0]);
        }
        assert!(Datagram::read(&v4).is_some());
        assert_eq!(Datagram::read(&v6), None);
    }

    #[test]
    fn an_answer_has_to_fit() {
        let frame = v6_frame(17);
        let datagram = Datagram::read(&frame).unwrap();
        assert_eq!(datagram.room(1500), 1500 - 40 - 8);
        assert_eq!(datagram.room(20), 0);
        let mut out = [0; 70];
        assert_eq!(datagram.answer(&frame, &mut out, 9), None);
        assert_eq!(datagram.answer(&frame, &mut out, 8), Some(70));
        assert_eq!(datagram.answer(&frame, &mut out, usize::MAX), None);
    }
}
