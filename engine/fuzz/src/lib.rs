//! What the fuzz targets share. What holds of every answer is defined beside the engine's seeded tests,
//! in `tests/packets/`, and so is the corpus of odd packets that fuzzing starts from.

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/packets"]
mod packets {
    pub(crate) mod arena;
    pub(crate) mod asked;
    pub(crate) mod chain;
    pub(crate) mod check;
    pub(crate) mod corpus;
    pub(crate) mod generate;
    pub(crate) mod message;
    pub(crate) mod snapshot;
}

pub mod mutate;
pub mod respond;
mod seeds;
mod slowest;
pub mod tcp;

use packets::{arena, asked, chain, check, corpus, generate, message, snapshot};
