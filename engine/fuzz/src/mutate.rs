//! Changing packets by what they are made of: chance alone seldom makes a name or an option.

use crate::generate::Generator;
use crate::respond::HEAD;

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
    let length = packet.len().min(most.checked_sub(HEAD)?);
    input[HEAD..][..length].copy_from_slice(&packet[..length]);
    Some(HEAD + length)
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
