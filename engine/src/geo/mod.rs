//! Databases in `MaxMind`'s format: what is known of the addresses.
//!
//! A file (<https://maxmind.github.io/MaxMind-DB/>) is a binary tree over the bits of addresses, whose leaves
//! point into a section of data records, and metadata at its end. It is read once and whole: the
//! tree becomes a [`Map`] and the records become [`Records`], both checked to the last node, so
//! that nothing can be wrong with them later. The file's octets are not kept, and not mapped
//! either: reading a mapped file that somebody truncates ends the process.
//!
//! ```text
//! layout   which key of which vendor means what      record   what is known, in few octets
//! decode   data record ─▶ finding                    tree     nodes ─▶ networks in order
//! ```

mod decode;
mod layout;
mod record;
mod tree;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use foldhash::fast::FixedState;
use maxminddb::{MaxMindDbError, Reader};
use thiserror::Error;

use crate::networks::{Builder, Map};
use decode::{Budget, decode};
use record::Finder;
pub use record::{Content, FIELDS, Field, Location, Records};
use tree::{Leaf, Tree};

/// What comes before the metadata, which nothing else in the file tells apart.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// How many distinct locations one database may have: labels of maps are below 2^24.
pub const MAX_RECORDS: usize = (1 << 24) - 1;

/// What is known of the addresses.
#[derive(Debug)]
pub struct Database {
    /// What kind of database it says it is: `GeoLite2-City`.
    pub kind: String,
    /// When it was made, in seconds since 1970.
    pub built: u64,
    /// Networks of which it has a data record.
    pub networks: u64,
    /// Label 0: nothing is known; i + 1: record i.
    pub map: Map,
    /// The distinct locations.
    pub records: Records,
}

/// Why a file is no database that could be used.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// It cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is a folder, a pipe or the like.
    #[error("not a regular file")]
    NotAFile,
    /// It has no octets.
    #[error("the file is empty")]
    Empty,
    /// The end of the file is missing, or it is of another format.
    #[error("no metadata: not a MaxMind database, or torn (its end is missing)")]
    NoMetadata,
    /// The metadata is there, but it is not that of this file, or of another version of the format.
    #[error("its metadata does not fit (truncated, torn, or no such format): {0}")]
    Metadata(String),
    /// A path of the tree is longer than an address.
    #[error("the search tree is malformed: node {0} is deeper than an address has bits")]
    TooDeep(u32),
    /// Parts of the tree are reached by many ways.
    #[error("the search tree is malformed: its nodes are reached again and again")]
    Tangled,
    /// A leaf of the tree points nowhere.
    #[error("the search tree is malformed: node {node} points outside of the data section")]
    Outside {
        /// The leaf's parent.
        node: u32,
    },
    /// A data record cannot be read.
    #[error("data record at {offset} is malformed: {reason}")]
    Record {
        /// Octets from the start of the data section.
        offset: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// Decoding would take without end.
    #[error("its data records hold each other more often than they can be read")]
    Entangled,
    /// There are more locations than labels.
    #[error("it has more than {MAX_RECORDS} distinct locations")]
    TooMany,
}

impl Database {
    /// Reads a file whole.
    pub fn open(path: &Path) -> Result<Self, DatabaseError> {
        // a pipe would be waited for, a device read without end
        if !std::fs::metadata(path)?.is_file() {
            return Err(DatabaseError::NotAFile);
        }
        Self::read(&std::fs::read(path)?)
    }

    /// Reads the octets of a file.
    pub fn read(octets: &[u8]) -> Result<Self, DatabaseError> {
        let reader = reader(octets)?;
        let meta = reader.metadata();
        let tree = Tree::new(octets, meta);
        let mut builder = Builder::new(0);
        let mut finder = Finder::default();
        let mut labels: HashMap<u32, u32, FixedState> = HashMap::default();
        let mut budget = Budget::new(octets.len());
        let mut networks = 0;
        tree.walk(|leaf: Leaf| {
            let label = if let Some(&label) = labels.get(&leaf.offset) {
                label
            } else {
                let finding = decode(&reader, &leaf, &mut budget)?;
                let label = finder.label(&finding)?;
                labels.insert(leaf.offset, label);
                label
            };
            networks += 1;
            // what is known of nothing is a gap
            if label > 0 {
                if let Some((start, length)) = leaf.v4 {
                    builder.v4(start, length, label);
                }
                if let Some((start, length)) = leaf.v6 {
                    builder.v6(start, length, label);
                }
            }
            Ok(())
        })?;
        Ok(Self {
            kind: meta.database_type.clone(),
            built: meta.build_epoch,
            networks,
            map: builder.finish(),
            records: finder.finish(),
        })
    }
}

/// A reader of the data records, whose metadata is sound.
fn reader(octets: &[u8]) -> Result<Reader<&[u8]>, DatabaseError> {
    if octets.is_empty() {
        return Err(DatabaseError::Empty);
    }
    if !octets
        .windows(MARKER.len())
        .rev()
        .any(|window| window == MARKER)
    {
        return Err(DatabaseError::NoMetadata);
    }
    Reader::from_source(octets).map_err(|error| match error {
        MaxMindDbError::InvalidDatabase { message, .. } => DatabaseError::Metadata(message),
        other => DatabaseError::Metadata(other.to_string()),
    })
}
