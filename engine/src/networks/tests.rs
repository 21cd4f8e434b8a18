//! Maps against what they mean, address by address.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Builder, LABELS, Map, MapError};
use crate::select::Dice;

type Networks = Vec<(IpAddr, u8, u32)>;

/// Networks that lie close together and within each other.
fn random_networks(dice: &mut Dice, count: u64, labels: u32) -> Networks {
    let network = |dice: &mut Dice| {
        let (roll, label) = (dice.roll(), dice.roll() as u32 % labels);
        let length = (dice.roll() % 13) as u8;
        if roll % 3 == 0 {
            let (bits, length) = ((roll >> 8) as u32, length + (roll % 2) as u8 * 20);
            let kept = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            (IpAddr::V4(Ipv4Addr::from_bits(bits & kept)), length, label)
        } else {
            let (bits, length) = (u128::from(roll) << 64, length + (roll % 2) as u8 * 116);
            let kept = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            (IpAddr::V6(Ipv6Addr::from_bits(bits & kept)), length, label)
        }
    };
    (0..dice.roll() % count).map(|_| network(dice)).collect()
}

fn is_in(address: IpAddr, (network, length, _): &(IpAddr, u8, u32)) -> bool {
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(two)) => {
            let different = one.to_bits() ^ two.to_bits();
            different.leading_zeros() >= u32::from(*length)
        }
        (IpAddr::V6(one), IpAddr::V6(two)) => {
            let different = one.to_bits() ^ two.to_bits();
            different.leading_zeros() >= u32::from(*length)
        }
        _ => false,
    }
}

/// What `Map::of` promises, the long way.
fn naive(networks: &Networks, default: u32, address: IpAddr) -> u32 {
    let around = networks.iter().filter(|network| is_in(address, network));
    around
        .max_by_key(|network| network.1)
        .map_or(default, |network| network.2)
}

/// Addresses around the edges of `networks`, and anywhere.
fn addresses(dice: &mut Dice, networks: &Networks) -> Vec<IpAddr> {
    let mut found = vec![
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::BROADCAST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    ];
    for (address, length, _) in networks {
        match address {
            IpAddr::V4(v4) => {
                let first = v4.to_bits();
                let last = first | u32::MAX.checked_shr((*length).into()).unwrap_or(0);
                let some = first | dice.roll() as u32 & (first ^ last);
                found.extend(
                    [
                        first.wrapping_sub(1),
                        first,
                        some,
                        last,
                        last.wrapping_add(1),
                    ]
                    .map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
                );
            }
            IpAddr::V6(v6) => {
                let first = v6.to_bits();
                let last = first | u128::MAX.checked_shr((*length).into()).unwrap_or(0);
                let some = first | u128::from(dice.roll()) << 50 & (first ^ last);
                found.extend(
                    [
                        first.wrapping_sub(1),
                        first,
                        some,
                        last,
                        last.wrapping_add(1),
                    ]
                    .map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
                );
            }
        }
    }
    found
}

/// The prefixes cover everything once, in order, and no two halves of a network are alike.
fn assert_canonical(map: &Map) {
    let mut next = Some(0);
    let mut before: Option<(u32, u8, u32)> = None;
    for (start, length, label) in map.v4() {
        assert_eq!(Some(start), next);
        let size = 1_u64 << (32 - length);
        assert_eq!(u64::from(start) % size, 0);
        next = u32::try_from(u64::from(start) + size).ok();
        if let Some((first, its, same)) = before {
            let halves = its == length && u64::from(first ^ start) == size;
            assert!(!(halves && same == label && u64::from(first) % (2 * size) == 0));
        }
        before = Some((start, length, label));
    }
    assert_eq!(next, None);
    let mut next = Some(0);
    let mut before: Option<(u128, u8, u32)> = None;
    for (start, length, label) in map.v6() {
        assert_eq!(Some(start), next);
        let host = u128::MAX.checked_shr(length.into()).unwrap_or(0);
        assert_eq!(start & host, 0);
        next = (start | host).checked_add(1);
        if let Some((first, its, same)) = before {
            let halves = its == length && first ^ start == host + 1;
            assert!(!(halves && same == label));
        }
        before = Some((start, length, label));
    }
    assert_eq!(next, None);
}

#[test]
fn the_longest_network_decides() {
    let mut dice = Dice::new(1);
    for _ in 0..400 {
        let networks = random_networks(&mut dice, 40, 5);
        let map = Map::of(&networks, 4).unwrap();
        assert_canonical(&map);
        for address in addresses(&mut dice, &networks) {
            assert_eq!(
                map.find(address).0,
                naive(&networks, 4, address),
                "{address}"
            );
        }
    }
}

#[test]
fn a_label_holds_over_the_whole_prefix_and_no_further() {
    let mut dice = Dice::new(2);
    for _ in 0..200 {
        let map = Map::of(&random_networks(&mut dice, 30, 3), 0).unwrap();
        let mut again = Builder::new(7);
        for (start, length, label) in map.v4() {
            assert_eq!(map.find(Ipv4Addr::from_bits(start).into()), (label, length));
            again.v4(start, length, label);
        }
        for (start, length, label) in map.v6() {
            let last = start | u128::MAX.checked_shr(length.into()).unwrap_or(0);
            assert_eq!(map.find(Ipv6Addr::from_bits(last).into()), (label, length));
            again.v6(start, length, label);
        }
        assert_eq!(map, again.finish());
    }
}

#[test]
fn a_product_tells_both_labels() {
    let mut dice = Dice::new(3);
    for _ in 0..200 {
        let (one, two) = (
            random_networks(&mut dice, 30, 4),
            random_networks(&mut dice, 30, 4),
        );
        let maps = (Map::of(&one, 0).unwrap(), Map::of(&two, 0).unwrap());
        let (map, pairs) = maps.0.product(&maps.1).unwrap();
        assert_canonical(&map);
        for address in addresses(&mut dice, &[one, two].concat()) {
            let (number, length) = map.find(address);
            let (left, right) = (maps.0.find(address), maps.1.find(address));
            assert_eq!(pairs[number as usize], (left.0, right.0));
            assert_eq!(length, left.1.max(right.1));
        }
    }
}

#[test]
fn labels_can_be_changed_and_merged() {
    let mut dice = Dice::new(4);
    for _ in 0..200 {
        let networks = random_networks(&mut dice, 40, 6);
        let map = Map::of(&networks, 5).unwrap();
        let merged = map.relabel(&[1, 1, 2, 2, 2, 1]).unwrap();
        assert_canonical(&merged);
        for address in addresses(&mut dice, &networks) {
            let old = map.find(address).0 as usize;
            assert_eq!(merged.find(address).0, [1, 1, 2, 2, 2, 1][old]);
        }
        let one = map.relabel(&[3; 6]).unwrap();
        assert_eq!(one.sizes(), (1, 1));
        assert_eq!(one.shares(), [(3, 1.0, 1.0)]);
    }
}

#[test]
fn what_is_between_networks_is_filled() {
    let mut builder = Builder::new(9);
    builder.v4(0x0A00_0000, 8, 1);
    builder.v4(0x0A00_0000, 8, 2); // overlaps, so it is left out
    builder.v4(0xFFFF_FFFF, 32, 3);
    let map = builder.finish();
    assert_canonical(&map);
    let label = |text: &str| map.find(text.parse().unwrap()).0;
    assert_eq!(label("9.255.255.255"), 9);
    assert_eq!(label("10.0.0.0"), 1);
    assert_eq!(label("11.0.0.0"), 9);
    assert_eq!(label("255.255.255.255"), 3);
    assert_eq!(map.find("::1".parse().unwrap()), (9, 0));
}

#[test]
fn what_is_no_map_is_refused() {
    let odd: IpAddr = "10.0.0.1".parse().unwrap();
    assert_eq!(Map::of(&[(odd, 8, 0)], 0), Err(MapError::Network(odd, 8)));
    assert_eq!(Map::of(&[(odd, 33, 0)], 0), Err(MapError::Network(odd, 33)));
    assert_eq!(
        Map::of(&[(odd, 32, LABELS)], 0),
        Err(MapError::Label(LABELS))
    );
    let map = Map::of(&[(odd, 32, 2)], 0).unwrap();
    assert_eq!(map.relabel(&[0]), Err(MapError::Unlabelled(2, 1)));
    assert_eq!(map.relabel(&[0, 0, LABELS]), Err(MapError::Label(LABELS)));
}
