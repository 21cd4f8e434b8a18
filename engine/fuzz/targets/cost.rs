//! What inputs of the target `respond` cost in a build without instruments: `cost FILE...`; the slowest
//! ones are told.

use std::{env, fs, io};

use dnslb_fuzz::respond::Target;

fn main() -> io::Result<()> {
    let mut target = Target::new();
    for path in env::args_os().skip(1) {
        target.run(&fs::read(path)?);
    }
    Ok(())
}
