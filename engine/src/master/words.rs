//! The words of a master file (RFC 1035 section 5.1): quotes, escapes, parentheses, comments.
//!
//! A word keeps its escapes, because a name and a character-string read them differently.

use std::io::{self, BufRead, Read};

use super::Problem;

/// Octets of the longest entry: rdata of 65,535 octets with every one of them escaped, and room.
const MAX_ENTRY: usize = 1 << 19;

/// The words of one entry.
#[derive(Default)]
pub(super) struct Words {
    /// Whether the entry begins with space, so has the owner before it.
    pub(super) indented: bool,
    text: Vec<u8>,
    /// The texts of words that are not written in one piece.
    made: Vec<u8>,
    list: Vec<Word>,
}

/// A word: where its text is, and its place counted from 1, in characters.
#[derive(Clone, Copy)]
pub(super) struct Word {
    start: u32,
    end: u32,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) quoted: bool,
    made: bool,
}

impl Words {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// A word that is there.
    pub(super) fn at(&self, index: usize) -> Word {
        self.list[index]
    }

    /// The text of a word, without its quotes.
    pub(super) fn text(&self, index: usize) -> &[u8] {
        let word = self.list[index];
        let whole = if word.made { &self.made } else { &self.text };
        &whole[word.start as usize..word.end as usize]
    }

    /// Add a word that is made, at a place of its own.
    pub(super) fn push(&mut self, text: &[u8], (line, column): (u32, u32), quoted: bool) {
        let start = self.made.len() as u32;
        self.made.extend_from_slice(text);
        let end = self.made.len() as u32;
        self.list.push(Word {
            start,
            end,
            line,
            column,
            quoted,
            made: true,
        });
    }

    pub(super) fn clear(&mut self) {
        self.indented = false;
        self.text.clear();
        self.made.clear();
        self.list.clear();
    }
}

/// Why there is no next entry.
pub(super) enum Fault {
    /// This entry is no entry; what follows it may be.
    Entry(Problem),
    /// The file is no text from here on.
    Text(Problem),
    /// The file cannot be read.
    Io(io::Error),
}

/// Reads a file entry by entry.
pub(super) struct Entries<R> {
    input: R,
    line: u32,
}

/// A parenthesis that waits for its partner.
type Opened = Option<(u32, u32)>;

impl<R: BufRead> Entries<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line: 0 }
    }

    /// Read the next entry into `words`; false at the end. Parentheses join lines, empty lines are
    /// left out.
    pub(super) fn next(&mut self, words: &mut Words) -> Result<bool, Fault> {
        words.clear();
        let mut opened: Opened = None;
        let mut wrong: Option<Problem> = None;
        loop {
            let start = words.text.len();
            let more = self.line(&mut words.text)?;
            if start == 0 {
                words.indented = matches!(words.text.first(), Some(b' ' | b'\t'));
            }
            let too_long = words.text.len() > MAX_ENTRY;
            if !more || too_long {
                return match (wrong, opened) {
                    (Some(problem), _) => Err(Fault::Entry(problem)),
                    (None, Some((line, column))) => Err(entry(line, column, "( is never closed")),
                    (None, None) if too_long => {
                        let told = format!("an entry has {MAX_ENTRY} octets at the most");
                        Err(entry(self.line, 1, &told))
                    }
                    (None, None) => Ok(false),
                };
            }
            if let Err(problem) = scan(words, start, self.line, &mut opened) {
                wrong.get_or_insert(problem);
            }
            if opened.is_some() {
                continue;
            }
            if let Some(problem) = wrong {
                return Err(Fault::Entry(problem));
            }
            if words.len() > 0 {
                return Ok(true);
            }
            words.clear();
        }
    }

    /// Add the next line to `text`; false at the end. Of a line that is too long, the rest is skipped.
    fn line(&mut self, text: &mut Vec<u8>) -> Result<bool, Fault> {
        let start = text.len();
        let room = (MAX_ENTRY + 1).saturating_sub(start) as u64;
        let got = self.input.by_ref().take(room).read_until(b'\n', text);
        if got.map_err(Fault::Io)? == 0 {
            return Ok(false);
        }
        self.line = self.line.saturating_add(1);
        if self.line == 1 && text.starts_with(b"\xEF\xBB\xBF") {
            text.drain(..3); // a byte order mark
        }
        if text.len() > MAX_ENTRY && !text.ends_with(b"\n") {
            self.input.skip_until(b'\n').map_err(Fault::Io)?;
            text.resize(MAX_ENTRY + 1, b' ');
            return Ok(true);
        }
        if std::str::from_utf8(&text[start..]).is_err() {
            without_comment(text, start);
        }
        let line = &text[start..];
        if let Err(error) = std::str::from_utf8(line) {
            let at = error.valid_up_to();
            let told = format!(
                "is not UTF-8 text (octet {:#04x}); save it as UTF-8",
                line[at]
            );
            let column = column(line, at);
            return Err(Fault::Text(Problem::new(self.line, column, told)));
        }
        Ok(true)
    }
}

/// Remove the comment of the line that begins at `start`: it may be in any encoding.
fn without_comment(text: &mut Vec<u8>, start: usize) {
    let (mut quoted, mut escaped) = (false, false);
    let begins = |&octet: &u8| {
        let comment = octet == b';' && !quoted && !escaped;
        quoted ^= octet == b'"' && !escaped;
        escaped = octet == b'\\' && !escaped;
        comment
    };
    if let Some(at) = text[start..].iter().position(begins) {
        text.truncate(start + at);
        text.push(b'\n');
    }
}

fn entry(line: u32, column: u32, message: &str) -> Fault {
    Fault::Entry(Problem::new(line, column, message.to_owned()))
}

/// The column of an offset: from 1, in characters.
fn column(line: &[u8], at: usize) -> u32 {
    let continued = |&&octet: &&u8| octet & 0xC0 == 0x80;
    (at - line[..at].iter().filter(continued).count()) as u32 + 1
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | 0x0B | 0x0C)
}

fn ends_word(octet: u8) -> bool {
    is_space(octet) || matches!(octet, b'\n' | b'"' | b'(' | b')' | b';')
}

/// Find the words of the line that begins at `start`.
fn scan(words: &mut Words, start: usize, number: u32, opened: &mut Opened) -> Result<(), Problem> {
    let mut at = start;
    let mut wrong = None;
    while let Some(&octet) = words.text.get(at) {
        let place = |words: &Words| column(&words.text[start..], at - start);
        match octet {
            b'\n' => break,
            _ if is_space(octet) => at += 1,
            b';' => break,
            b'(' | b')' => {
                let column = place(words);
                match (octet, opened.is_some()) {
                    (b'(', false) => *opened = Some((number, column)),
                    (b')', true) => *opened = None,
                    _ => {
                        let told = if octet == b'(' {
                            "( stands inside of another"
                        } else {
                            ") without a ("
                        };
                        let problem = || Problem::new(number, column, told.to_owned());
                        wrong.get_or_insert_with(problem);
                    }
                }
                at += 1;
            }
            _ => {
                let word = Word {
                    start: at as u32,
                    end: 0,
                    line: number,
                    column: place(words),
                    quoted: octet == b'"',
                    made: false,
                };
                match read_word(words, word) {
                    Ok(end) => at = end,
                    Err(column) => {
                        // where it should have closed nobody knows, so the entry ends with its line
                        *opened = None;
                        return Err(wrong.unwrap_or_else(|| unclosed(number, column)));
                    }
                }
            }
        }
    }
    wrong.map_or(Ok(()), Err)
}

fn unclosed(line: u32, column: u32) -> Problem {
    Problem::new(line, column, "\" is never closed in its line".to_owned())
}

/// Read the word that begins where `word` says; returns where it ends, or the column of a quote that
/// is never closed.
fn read_word(words: &mut Words, mut word: Word) -> Result<usize, u32> {
    let start = word.start as usize;
    if word.quoted {
        let end = closing(&words.text, start).ok_or(word.column)?;
        (word.start, word.end) = (start as u32 + 1, end as u32);
        words.list.push(word);
        return Ok(end + 1);
    }
    let (mut at, mut from) = (start, start);
    while let Some(&octet) = words.text.get(at) {
        if ends_word(octet) {
            // key="value" is one word (RFC 9460 section 2.1)
            if octet != b'"' || at == start || words.text[at - 1] != b'=' {
                break;
            }
            let before = column(&words.text[start..], at - start) - 1;
            let end = closing(&words.text, at).ok_or(word.column + before)?;
            if !word.made {
                word.made = true;
                word.start = words.made.len() as u32;
            }
            words.made.extend_from_slice(&words.text[from..at]);
            words.made.extend_from_slice(&words.text[at + 1..end]);
            at = end + 1;
            from = at;
            continue;
        }
        at = past(&words.text, at);
    }
    word.end = at as u32;
    if word.made {
        words.made.extend_from_slice(&words.text[from..at]);
        word.end = words.made.len() as u32;
    }
    words.list.push(word);
    Ok(at)
}

/// Where the quote that opens at `at` closes, in its line.
fn closing(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\n' => return None,
            _ => at = past(text, at),
        }
    }
}

/// Past one octet, or past an escaped one with its backslash.
fn past(text: &[u8], at: usize) -> usize {
    let escapes = text[at] == b'\\' && text.get(at + 1).is_some_and(|&next| next != b'\n');
    at + if escapes { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every entry as its words and their columns, or what is wrong with it.
    fn entries(text: &str) -> Vec<String> {
        let mut entries = Entries::new(text.as_bytes());
        let mut words = Words::default();
        let mut found = Vec::new();
        loop {
            match entries.next(&mut words) {
                Ok(false) => return found,
                Ok(true) => {
                    let told = (0..words.len()).map(|index| {
                        let text = String::from_utf8_lossy(words.text(index)).into_owned();
                        let word = words.at(index);
                        format!("{}:{}={text}", word.line, word.column)
                    });
                    found.push(told.collect::<Vec<_>>().join(" "));
                }
                Err(Fault::Entry(problem) | Fault::Text(problem)) => {
                    found.push(format!(
                        "{}:{} {}",
                        problem.line, problem.column, problem.message
                    ));
                }
                Err(Fault::Io(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn words_and_their_places() {
        assert_eq!(entries("a b\n"), ["1:1=a 1:3=b"]);
        assert_eq!(entries("\u{FEFF}a \"b c\" ; d"), ["1:1=a 1:3=b c"]);
        assert_eq!(entries("\n;x\n  ä b\r\n"), ["3:3=ä 3:5=b"]);
        assert_eq!(
            entries("a ( b\nc ) d\ne"),
            ["1:1=a 1:5=b 2:1=c 2:5=d", "3:1=e"]
        );
        assert_eq!(entries("a\\ b\\\"c \"\\\"\""), ["1:1=a\\ b\\\"c 1:9=\\\""]);
        assert_eq!(entries("k=\"a b\"c d"), ["1:1=k=a bc 1:10=d"]);
        assert_eq!(entries("a\\"), ["1:1=a\\"]);
        assert!(entries("").is_empty());
    }

    #[test]
    fn wrong_entries_do_not_hide_what_follows() {
        assert_eq!(
            entries("a \"b\nc\n"),
            ["1:3 \" is never closed in its line", "2:1=c"]
        );
        assert_eq!(
            entries("a ( b (\n c )\nd ) e\nf ("),
            [
                "1:7 ( stands inside of another",
                "3:3 ) without a (",
                "4:3 ( is never closed"
            ]
        );
    }

    #[test]
    fn an_entry_has_a_bound() {
        let long = format!(
            "{}\nb\n( {}",
            "x".repeat(MAX_ENTRY * 2),
            "y\n".repeat(MAX_ENTRY)
        );
        let found = entries(&long);
        assert_eq!(found[0], "1:1 an entry has 524288 octets at the most");
        assert_eq!(found[1], "2:1=b");
        assert_eq!(found[2], "3:1 ( is never closed");
    }

    #[test]
    fn other_encodings_are_told() {
        let mut entries = Entries::new(&b"a b\nc \xE4 d\n"[..]);
        let mut words = Words::default();
        assert!(matches!(entries.next(&mut words), Ok(true)));
        let Err(Fault::Text(problem)) = entries.next(&mut words) else {
            panic!("no problem");
        };
        assert_eq!((problem.line, problem.column), (2, 3));
    }
}
