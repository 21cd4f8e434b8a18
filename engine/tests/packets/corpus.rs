//! Odd packets, each with the rcode that it gets: `corpus/*.hex`, by what they are odd in.
//!
//! ```text
//! # What is odd about the packet, and which standard says what is due.
//! = FORMERR                                   or any other rcode; `silence`
//! 1234 0100 0001 0000 0000 0000               octets in hexadecimal, spaces where they help to read
//! 03 "www" 07 "example" 03 "com" 00           text
//! 0001 0001 00*65000                          an octet so many times
//! ```
//!
//! Packets are parted by empty lines.

use std::fs;
use std::path::Path;

use dnslb_engine::wire::Rcode;

/// A packet of the corpus.
pub(crate) struct Odd {
    /// Its file and line.
    pub(crate) place: String,
    /// The rcode due by UDP with the settings that are the default; None: silence.
    pub(crate) due: Option<u16>,
    pub(crate) packet: Vec<u8>,
}

/// Every packet of the corpus in `folder`.
pub(crate) fn read(folder: &Path) -> Vec<Odd> {
    let files = fs::read_dir(folder).expect("the folder of the corpus");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        let mut at = 1;
        for entry in lines.split(|line| line.trim().is_empty()) {
            let place = format!("{}:{at}", path.display());
            at += entry.len() + 1;
            if entry.iter().any(|line| !line.starts_with('#')) {
                all.push(odd(entry, &place).unwrap_or_else(|| panic!("{place}: cannot be read")));
            }
        }
    }
    all
}

fn odd(entry: &[&str], place: &str) -> Option<Odd> {
    let mut due = None;
    let mut packet = Vec::new();
    for line in entry {
        if line.starts_with('#') {
            continue;
        }
        if let Some(rcode) = line.strip_prefix("= ") {
            due = Some(match rcode {
                "silence" => None,
                _ => Some(
                    Rcode::ALL
                        .iter()
                        .find(|one| one.name() == rcode)?
                        .to_owned() as u16,
                ),
            });
            continue;
        }
        octets(line, &mut packet)?;
    }
    Some(Odd {
        place: place.to_owned(),
        due: due?,
        packet,
    })
}

/// Read a line of octets.
fn octets(line: &str, packet: &mut Vec<u8>) -> Option<()> {
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            packet.extend(part.bytes());
            continue;
        }
        for word in part.split_whitespace() {
            let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
            for _ in 0..times.parse().ok()? {
                for at in (0..digits.len()).step_by(2) {
                    packet.push(u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?);
                }
            }
        }
    }
    Some(())
}

/// A packet in the format of the corpus, but for what it is and what is due.
pub(crate) fn write(packet: &[u8]) -> String {
    let mut text = String::new();
    for row in packet.chunks(16) {
        for pair in row.chunks(2) {
            text.extend(pair.iter().map(|octet| format!("{octet:02x}")));
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
