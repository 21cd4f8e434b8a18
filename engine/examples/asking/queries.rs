//! What is asked.

use std::fs;
use std::net::IpAddr;

use dnslb_engine::wire::name;

use crate::Failure;
use crate::answers::CLIENT_SUBNET;

/// The queries, as they are sent but for the ID.
pub(super) struct Queries {
    packets: Vec<Vec<u8>>,
    /// Where the question ends.
    pub(super) question: usize,
}

impl Queries {
    pub(super) fn new(name: &str, networks: Option<&str>) -> Result<Self, Failure> {
        let name = name::from_text(&format!("{}.", name.trim_end_matches('.')))
            .ok_or_else(|| format!("{name}: no domain name"))?;
        let head = [
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1][..],
            &name,
            &[0, 1, 0, 1],
        ]
        .concat();
        let question = head.len();
        let packet = |option: &[u8]| {
            let length = (option.len() as u16).to_be_bytes();
            [
                &head,
                &b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00"[..],
                &length,
                option,
            ]
            .concat()
        };
        let packets = match networks {
            None => vec![packet(&[])],
            Some(path) => fs::read_to_string(path)?
                .lines()
                .map(|line| {
                    Ok(packet(
                        &option(line).ok_or_else(|| format!("{path}: {line}"))?,
                    ))
                })
                .collect::<Result<_, Failure>>()?,
        };
        if packets.is_empty() {
            return Err("no network to ask from".into());
        }
        Ok(Self { packets, question })
    }

    pub(super) fn get(&self, number: u64) -> &[u8] {
        &self.packets[(number % self.packets.len() as u64) as usize]
    }
}

/// A CLIENT-SUBNET option for a prefix, which has no bits set beyond its length.
fn option(prefix: &str) -> Option<Vec<u8>> {
    let (address, length) = prefix.split_once('/')?;
    let source: u8 = length.parse().ok()?;
    let (family, octets) = match address.parse().ok()? {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let address = octets.get(..usize::from(source).div_ceil(8))?;
    let length = 4 + address.len() as u8;
    let head = [0, CLIENT_SUBNET as u8, 0, length, 0, family, source, 0];
    Some([&head, address].concat())
}
