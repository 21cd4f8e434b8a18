//! Odd packets, each with the rcode that it gets: `corpus/*.txt`, about names of the snapshot here, and
//! `tests/packets/*.txt` of the whole project, whose README says what the format is.

use std::fs;
use std::path::Path;

use dnslb_engine::wire::Rcode;

/// The folders, and the settings (see `arena`) for which the rcodes of each hold.
const FOLDERS: [(&str, usize); 2] = [("tests/packets/corpus", 0), ("../tests/packets", 1)];

/// Short forms: a question, and an OPT record without options.
const SHORT: [(&str, &str); 2] = [
    ("Q", "0161 017A 07 6578616D706C65 00 0001 0001"),
    ("OPT", "00 0029 04D0 00000000 0000"),
];

/// A packet of the corpus.
pub(crate) struct Odd {
    /// Its file and name.
    pub(crate) place: String,
    pub(crate) packet: Vec<u8>,
    /// The settings under which it gets what is due.
    pub(crate) settings: usize,
    /// The rcode due by UDP; None: silence.
    pub(crate) due: Option<u16>,
}

/// Every packet of the corpus; `engine` is the folder of the engine.
pub(crate) fn read(engine: &Path) -> Vec<Odd> {
    let mut all = Vec::new();
    for (folder, settings) in FOLDERS {
        let files = fs::read_dir(engine.join(folder)).expect("a folder of the corpus");
        let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        paths.retain(|path| path.extension().is_some_and(|kind| kind == "txt"));
        paths.sort();
        for path in paths {
            let text = format!("\n{}", fs::read_to_string(&path).expect("text"));
            for case in text.split("\n=== ").skip(1) {
                let (name, body) = case.split_once('\n').expect("a name and a packet");
                let place = format!("{} {name}", path.display());
                let read = odd(body).unwrap_or_else(|| panic!("{place} cannot be read"));
                let (packet, due) = read;
                all.push(Odd {
                    place,
                    packet,
                    settings,
                    due,
                });
            }
        }
    }
    all
}

/// Read a packet, and the rcode that is due by UDP.
fn odd(body: &str) -> Option<(Vec<u8>, Option<u16>)> {
    let mut due = None;
    let mut packet = Vec::new();
    for line in body.lines() {
        if let Some(words) = line.strip_prefix("=> ") {
            let words = words.strip_prefix("udp ").unwrap_or(words);
            due = match words.split_whitespace().next()? {
                "tcp" => due,
                "silence" => Some(None),
                name => Some(Some(Rcode::ALL.iter().find(|one| one.name() == name)?)),
            };
            continue;
        }
        for word in line.split('#').next()?.split_whitespace() {
            let long = SHORT.iter().find(|(short, _)| *short == word);
            octets(long.map_or(word, |(_, long)| long), &mut packet)?;
        }
    }
    Some((packet, due?.map(|&rcode| rcode as u16)))
}

fn octets(words: &str, packet: &mut Vec<u8>) -> Option<()> {
    for word in words.split_whitespace() {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        for _ in 0..times.parse().ok()? {
            for at in (0..digits.len()).step_by(2) {
                packet.push(u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?);
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
            text.extend(pair.iter().map(|octet| format!("{octet:02X}")));
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
