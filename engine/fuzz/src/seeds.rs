//! What fuzzing starts from: the corpus of odd packets, and sound queries.

use std::path::Path;
use std::{env, fs};

use crate::corpus;
use crate::generate::Generator;

/// The folder that seeds are written to; without it none are.
const FOLDER: &str = "DNSLB_FUZZ_SEEDS";

/// How many sound queries there are among the seeds.
const QUERIES: usize = 500;

/// Write the inputs that a target makes of the packets.
pub(crate) fn write(inputs: impl Fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>) {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let engine = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let odd = corpus::read(&engine).into_iter().map(|odd| odd.packet);
    let mut generator = Generator::new(0x05EE_D500);
    let queries = (0..QUERIES).map(|_| generator.query());
    for (index, input) in inputs(odd.chain(queries).collect()).iter().enumerate() {
        let path = Path::new(&folder).join(index.to_string());
        fs::write(&path, input).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
