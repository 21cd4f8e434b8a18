//! Master files: the records of a zone as BIND and others write them (RFC 1035 section 5).
//!
//! Read are `$ORIGIN`, `$TTL`, `$INCLUDE`, `$GENERATE`, owner names left out, TTL and class in either
//! order, comments, quotes, parentheses, escapes and every type. Reading goes on behind a wrong entry,
//! so that all are told.
//!
//! What the words mean is defined once, in Python (`dnslb.zone`). Here names and rdata are read that
//! are written plainly (`plain`), which nearly all are; anything else, a rare type, an escape, a
//! mistake, is put to a [`Meaning`].
//!
//! The crate `domain` reads master files too, but the whole file has to be in memory, an error ends
//! its reading and tells its line and column as text only, and types that it does not know are errors.

mod generate;
mod plain;
mod words;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use foldhash::fast::FixedState;
use words::{Entries, Fault, Word, Words};

use crate::wire::rtype;

/// The longest TTL (RFC 2181 section 8).
const MAX_TTL: u32 = 0x7FFF_FFFF;

/// How deep files include each other.
const MAX_DEPTH: usize = 16;

/// How many problems of one file and those it includes are told.
const MAX_PROBLEMS: usize = 1000;

/// How much of a file is read at a time.
const CHUNK: usize = 1 << 16;

/// What is wrong, and where: counted from 1, the column in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which file, by the order of reading; 0 is the one that includes the others.
    pub file: u16,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// In one line.
    pub message: String,
}

impl Problem {
    fn new(line: u32, column: u32, message: String) -> Self {
        Self {
            file: 0,
            line,
            column,
            message,
        }
    }
}

/// Where a record was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Which of the files that were read.
    pub file: u16,
    /// Column, from 1; the last one that can be told stands for those beyond it.
    pub column: u16,
}

/// A record; `ttl` None is the zone's own.
#[allow(missing_docs, reason = "the names say it")]
pub struct Record<'a> {
    pub owner: &'a [u8],
    pub rtype: u16,
    pub ttl: Option<u32>,
    pub rdata: &'a [u8],
    pub place: Place,
}

/// What words mean that are not plain. Errors are messages.
pub trait Meaning {
    /// The number of a type of records.
    fn rtype(&mut self, text: &str) -> Option<u16>;
    /// A name, in wire format.
    fn name(&mut self, text: &str, origin: &[u8]) -> Result<Vec<u8>, String>;
    /// A TTL in seconds.
    fn ttl(&mut self, text: &str) -> Result<u32, String>;
    /// Rdata in wire format, of words of which some are quoted.
    fn rdata(
        &mut self,
        rtype: u16,
        words: &[(&str, bool)],
        origin: &[u8],
    ) -> Result<Vec<u8>, String>;
    /// Why a file cannot be read.
    fn unreadable(&mut self, error: &io::Error) -> String;
}

/// What came of reading.
#[derive(Debug, Default)]
pub struct Reading {
    /// The files that were read, in the order of their numbers.
    pub files: Vec<PathBuf>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Read the master file at `path`, whose names are relative to `origin`; each record goes to `sink`.
pub fn read(
    path: &Path,
    origin: &[u8],
    meaning: &mut dyn Meaning,
    sink: &mut dyn FnMut(Record<'_>),
) -> Reading {
    let mut reader = Reader {
        meaning,
        sink,
        types: HashMap::default(),
        origin: origin.to_vec(),
        owner: Vec::new(),
        ttl: None,
        stated: None,
        rdata: Vec::new(),
        file: 0,
        open: Vec::new(),
        reading: Reading::default(),
    };
    if let Err(error) = reader.file(path) {
        let told = reader.meaning.unreadable(&error);
        reader.tell(Problem::new(1, 1, told));
    }
    reader.reading
}

struct Reader<'a> {
    meaning: &'a mut dyn Meaning,
    sink: &'a mut dyn FnMut(Record<'_>),
    types: HashMap<Box<[u8]>, u16, FixedState>,
    origin: Vec<u8>,
    owner: Vec<u8>, // empty: none yet
    ttl: Option<u32>,
    stated: Option<u32>, // the last one that a record had
    rdata: Vec<u8>,
    file: u16,
    open: Vec<PathBuf>, // the files that include each other, from the first to the present one
    reading: Reading,
}

impl Reader<'_> {
    /// Read a file to its end.
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let number = u16::try_from(self.reading.files.len()).unwrap_or(u16::MAX);
        self.reading.files.push(path.to_owned());
        let file = File::open(path)?;
        self.open.push(path.canonicalize()?);
        let outer = std::mem::replace(&mut self.file, number);
        let mut entries = Entries::new(BufReader::with_capacity(CHUNK, file));
        let mut words = Words::default();
        let done = loop {
            match entries.next(&mut words) {
                Ok(true) => self
                    .entry(&words)
                    .unwrap_or_else(|problem| self.tell(problem)),
                Ok(false) => break Ok(()),
                Err(Fault::Entry(problem)) => self.tell(problem),
                Err(Fault::Text(problem)) => {
                    self.tell(problem);
                    break Ok(());
                }
                Err(Fault::Io(error)) => break Err(error),
            }
            if self.reading.problems.len() >= MAX_PROBLEMS {
                break Ok(());
            }
        };
        self.file = outer;
        self.open.pop();
        done
    }

    fn tell(&mut self, mut problem: Problem) {
        problem.file = self.file;
        let count = self.reading.problems.len();
        if count + 1 == MAX_PROBLEMS {
            problem.message = format!("{MAX_PROBLEMS} problems so far; the rest is not read");
        }
        if count < MAX_PROBLEMS {
            self.reading.problems.push(problem);
        }
    }

    fn entry(&mut self, words: &Words) -> Result<(), Problem> {
        let directive = !words.indented && !words.at(0).quoted;
        if directive && words.text(0).starts_with(b"$") {
            return self.directive(words);
        }
        self.line(words, 0, words.indented)
    }

    /// An entry that is no directive, from the word `at` on.
    fn line(&mut self, words: &Words, mut at: usize, indented: bool) -> Result<(), Problem> {
        let first = words.at(at);
        if !indented {
            let mut owner = std::mem::take(&mut self.owner);
            owner.clear();
            // on an error none is left: no record may slip to the owner of the entry before
            self.name(words, at, &mut owner)?;
            owner.make_ascii_lowercase();
            self.owner = owner;
            at += 1;
        }
        if self.owner.is_empty() {
            return Err(told(first, "no owner name stands here or before"));
        }
        let mut ttl = None;
        let mut seen_class = false;
        for _ in 0..2 {
            if at == words.len() {
                break;
            }
            let text = words.text(at);
            if !seen_class && is_class(text) {
                if !IN.iter().any(|class| text.eq_ignore_ascii_case(class)) {
                    let class = shown(text).to_uppercase();
                    let message = format!("class {class} is not served, only IN");
                    return Err(told(words.at(at), &message));
                }
                seen_class = true;
            } else if ttl.is_none() && text.first().is_some_and(u8::is_ascii_digit) {
                ttl = Some(self.time_to_live(words, at)?);
            } else {
                break;
            }
            at += 1;
        }
        self.stated = ttl.or(self.stated);
        if at == words.len() {
            return Err(told(words.at(at - 1), "the record's type is missing"));
        }
        let Some(rtype) = self.rtype(words.text(at)) else {
            let message = format!("\"{}\" is no type of records", shown(words.text(at)));
            return Err(told(words.at(at), &message));
        };
        self.rdata.clear();
        if plain::rdata(rtype, words, at + 1, &self.origin, &mut self.rdata).is_none() {
            let rest: Vec<String> = (at + 1..words.len())
                .map(|index| shown(words.text(index)))
                .collect();
            let rest: Vec<(&str, bool)> = rest
                .iter()
                .zip(at + 1..)
                .map(|(text, index)| (&text[..], words.at(index).quoted))
                .collect();
            let read = self.meaning.rdata(rtype, &rest, &self.origin);
            self.rdata = read.map_err(|message| told(words.at(at), &message))?;
        }
        (self.sink)(Record {
            owner: &self.owner,
            rtype,
            // without $TTL it is the last that was stated (RFC 1035 section 5.1, RFC 2308 section 4)
            ttl: ttl.or(self.ttl).or(self.stated),
            rdata: &self.rdata,
            place: Place {
                line: first.line,
                file: self.file,
                column: u16::try_from(first.column).unwrap_or(u16::MAX),
            },
        });
        Ok(())
    }

    fn directive(&mut self, words: &Words) -> Result<(), Problem> {
        let first = words.at(0);
        let name = shown(words.text(0)).to_uppercase();
        let takes = |what: &str, most: usize| {
            if (2..=most + 1).contains(&words.len()) {
                return Ok(());
            }
            let place = words.at(if words.len() > 1 { most + 1 } else { 0 });
            Err(told(place, &format!("{name} takes {what}")))
        };
        match &name[..] {
            "$TTL" => {
                takes("one value", 1)?;
                self.ttl = Some(self.time_to_live(words, 1)?);
                Ok(())
            }
            "$ORIGIN" => {
                takes("one value", 1)?;
                let mut origin = Vec::new();
                self.name(words, 1, &mut origin)?;
                self.origin = origin;
                Ok(())
            }
            "$INCLUDE" => {
                takes("a file and, if need be, an origin", 2)?;
                self.include(words)
            }
            "$GENERATE" => {
                let owner = self.owner.clone();
                let done = self.generate(words);
                self.owner = owner;
                done
            }
            _ => {
                let message = format!(
                    "{} has no meaning here; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE",
                    shown(words.text(0))
                );
                Err(told(first, &message))
            }
        }
    }

    /// `$INCLUDE file [origin]`: origin and owner are those from before afterwards, `$TTL` is not.
    fn include(&mut self, words: &Words) -> Result<(), Problem> {
        let text = shown(words.text(1));
        let here = words.at(1);
        let mut origin = Vec::new();
        if words.len() == 3 {
            self.name(words, 2, &mut origin)?;
        } else {
            origin.clone_from(&self.origin);
        }
        let folder = self.reading.files.get(usize::from(self.file));
        let path = folder
            .and_then(|file| file.parent())
            .map_or_else(|| PathBuf::from(&text), |folder| folder.join(&text));
        if !path.is_file() {
            let message =
                format!("there is no file {text}; the path is relative to this file's folder");
            return Err(told(here, &message));
        }
        let loops = path
            .canonicalize()
            .is_ok_and(|real| self.open.contains(&real));
        if loops {
            return Err(told(here, &format!("{text} includes itself")));
        }
        if self.open.len() >= MAX_DEPTH || self.reading.files.len() >= usize::from(u16::MAX) {
            let message = format!("files include each other {MAX_DEPTH} deep at the most");
            return Err(told(here, &message));
        }
        let outer = std::mem::replace(&mut self.origin, origin);
        let owner = self.owner.clone();
        let done = self.file(&path);
        self.origin = outer;
        self.owner = owner;
        done.map_err(|error| {
            let reason = self.meaning.unreadable(&error);
            told(here, &format!("{text}: {reason}"))
        })
    }

    /// `$GENERATE range owner [TTL] [class] type rdata`; the first that is wrong is told. Rdata that is
    /// one quoted word is read as BIND does: what stands between the quotes is its words.
    fn generate(&mut self, words: &Words) -> Result<(), Problem> {
        let first = words.at(0);
        if words.len() < 4 {
            let message = "$GENERATE takes a range, an owner name, a type and rdata";
            return Err(told(first, message));
        }
        let range = generate::range(words.text(1)).map_err(|text| told(words.at(1), &text))?;
        let mut made = Words::default();
        let mut text = Vec::new();
        let last = words.len() - 1;
        let unquotes = words.at(last).quoted
            && last > 2
            && !words.at(last - 1).quoted
            && (self.rtype(words.text(last - 1)))
                .is_some_and(|number| ![rtype::TXT, rtype::SPF].contains(&number));
        for number in range {
            made.clear();
            for index in 2..words.len() {
                text.clear();
                let word = words.at(index);
                generate::substitute(words.text(index), number, &mut text)
                    .map_err(|message| told(word, &message))?;
                if unquotes && index == last {
                    let place = Problem::new(first.line, first.column, String::new());
                    unquoted(&text, &place, &mut made)?;
                } else {
                    made.push(&text, (first.line, first.column), word.quoted);
                }
            }
            self.line(&made, 0, false).map_err(|problem| Problem {
                message: format!("for {number}: {}", problem.message),
                ..problem
            })?;
        }
        Ok(())
    }

    fn name(&mut self, words: &Words, at: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
        if plain::name(words.text(at), &self.origin, out) {
            return Ok(());
        }
        let read = self.meaning.name(&shown(words.text(at)), &self.origin);
        *out = read.map_err(|message| told(words.at(at), &message))?;
        Ok(())
    }

    fn time_to_live(&mut self, words: &Words, at: usize) -> Result<u32, Problem> {
        match plain::number(words.text(at), MAX_TTL) {
            Some(seconds) => Ok(seconds),
            None => self
                .meaning
                .ttl(&shown(words.text(at)))
                .map_err(|message| told(words.at(at), &message)),
        }
    }

    fn rtype(&mut self, text: &[u8]) -> Option<u16> {
        if let Some(&known) = self.types.get(text) {
            return Some(known);
        }
        let number = self.meaning.rtype(&shown(text))?;
        self.types.insert(text.into(), number);
        Some(number)
    }
}

/// The class that is served, by its name and as RFC 3597 section 5 writes it.
const IN: [&[u8]; 2] = [b"IN", b"CLASS1"];

fn is_class(text: &[u8]) -> bool {
    let others: [&[u8]; 3] = [b"CH", b"HS", b"CS"];
    let mut names = IN.iter().chain(&others);
    let is_number = |text: &[u8]| {
        let digits = text.split_at_checked(5);
        digits.is_some_and(|(class, number)| {
            class.eq_ignore_ascii_case(b"CLASS") && plain::number(number, 0xFFFF).is_some()
        })
    };
    names.any(|class| text.eq_ignore_ascii_case(class)) || is_number(text)
}

/// Add the words that `text` consists of to `made`, all at one place.
fn unquoted(text: &[u8], place: &Problem, made: &mut Words) -> Result<(), Problem> {
    let mut inside = Words::default();
    let read = Entries::new(text).next(&mut inside);
    if let Err(Fault::Entry(problem) | Fault::Text(problem)) = read {
        return Err(Problem {
            message: problem.message,
            ..place.clone()
        });
    }
    for index in 0..inside.len() {
        let quoted = inside.at(index).quoted;
        made.push(inside.text(index), (place.line, place.column), quoted);
    }
    Ok(())
}

fn told(word: Word, message: &str) -> Problem {
    Problem::new(word.line, word.column, message.to_owned())
}

/// A word of a file, all of which is UTF-8.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}
