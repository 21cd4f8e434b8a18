//! What inputs cost in a build without instruments: `cost TARGET FILE...`; the slowest ones are told.

use std::{env, fs, io};

use dnslb_fuzz::{respond, tcp};

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1);
    let is_tcp = arguments.next().is_some_and(|target| target == "tcp");
    let (mut messages, mut streams) = (respond::Target::new(), tcp::Target::new());
    for path in arguments {
        let input = fs::read(path)?;
        if is_tcp {
            streams.run(&input);
        } else {
            messages.run(&input);
        }
    }
    Ok(())
}
