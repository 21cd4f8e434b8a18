//! Changing packets by what they are made of: chance alone seldom makes a name or an option.

use crate::generate::Generator;
use crate::respond::HEAD;
use crate::tcp;

const HEADER: usize = 12;
const ARCOUNT: usize = 11;

/// An OPT record up to the length of its options.
const OPT: [u8; 9] = [0, 0, 41, 4, 208, 0, 0, 0, 0];

/// Change the packet of an input of the target `respond` in a way that `seed` decides. `input` holds
/// `size` octets, and has room for `most`. Returns its new size; None where libFuzzer is to decide.
pub fn respond(input: &mut [u8], size: usize, most: usize, seed: u32) -> Option<usize> {
    let mut chance = Generator::new(u64::from(seed) << 20);
    if size < HEAD || chance.below(2) == 0 {
        return None;
    }
    let mut packet = input[HEAD..size].to_vec();
    change(&mut packet, &mut chance);
    put(input, HEAD, &packet, most)
}

/// Change a stream of the target `tcp`, one message of it or the messages that it has; see `respond`.
pub fn tcp(input: &mut [u8], size: usize, most: usize, seed: u32) -> Option<usize> {
    let mut chance = Generator::new(u64::from(seed) << 20);
    if size < tcp::HEAD || chance.below(3) == 0 {
        return None;
    }
    let mut messages = Vec::new();
    let mut rest = &input[tcp::HEAD..size];
    while let Some((message, after)) = tcp::unframe(rest) {
        messages.push(message.to_vec());
        rest = after;
    }
    let begun = rest.to_vec();
    let place = chance.below(messages.len() + 1);
    match (chance.below(4), messages.get_mut(place)) {
        (0, Some(_)) => {
            messages.remove(place);
        }
        (1 | 2, Some(message)) => change(message, &mut chance),
        _ => messages.insert(place, chance.query()),
    }
    let mut stream: Vec<u8> = messages.iter().flat_map(|one| tcp::frame(one)).collect();
    stream.extend(begun);
    put(input, tcp::HEAD, &stream, most)
}

/// Let `octets` follow the first `head` ones of an input. Returns its new size.
fn put(input: &mut [u8], head: usize, octets: &[u8], most: usize) -> Option<usize> {
    let length = octets.len().min(most.checked_sub(head)?);
    input[head..][..length].copy_from_slice(&octets[..length]);
    Some(head + length)
}

/// Change a packet.
pub(crate) fn change(packet: &mut Vec<u8>, chance: &mut Generator) {
    let end = name_end(packet);
    match (chance.below(8), end) {
        (0, _) | (_, None) => *packet = chance.query(),
        (1, Some(end)) => {
            packet.splice(HEADER..end, chance.name());
        }
        (2, Some(_)) => {
            let length = 1 + chance.below(20);
            let label = [vec![length as u8], vec![b'x'; length]].concat();
            packet.splice(HEADER..HEADER, label);
        }
        (3, Some(end)) => {
            let question = chance.query();
            if let (Some(old), Some(new)) = (packet.get_mut(end..end + 4), name_end(&question)) {
                old.copy_from_slice(&question[new..new + 4]);
            }
        }
        (4 | 5, Some(end)) => add_option(packet, end + 4, &chance.option()),
        _ => chance.mutate(packet),
    }
}

/// Where the name in question ends.
fn name_end(packet: &[u8]) -> Option<usize> {
    let mut at = HEADER;
    loop {
        match *packet.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

/// Add an option to the OPT record right behind the question, which is made where there is none.
fn add_option(packet: &mut Vec<u8>, question_end: usize, option: &[u8]) {
    if packet.len() <= question_end {
        packet.resize(question_end, 0);
        packet[ARCOUNT] = 1;
        packet.extend(OPT);
        packet.extend([0, 0]);
    }
    let Some(length) = packet.get_mut(question_end + OPT.len()..question_end + OPT.len() + 2)
    else {
        return;
    };
    let before = u16::from_be_bytes([length[0], length[1]]);
    let after = before.saturating_add(option.len() as u16);
    length.copy_from_slice(&after.to_be_bytes());
    packet.extend(option);
}
