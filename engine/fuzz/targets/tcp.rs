//! Streams in, the answers to their messages out, in their order.

#![no_main]

use std::cell::RefCell;

use dnslb_fuzz::{mutate, tcp::Target};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

thread_local!(static TARGET: RefCell<Target> = RefCell::default());

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| {
    TARGET.with_borrow_mut(|target| target.run(input));
});

fuzz_mutator!(|input: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate::tcp(input, size, most, seed).unwrap_or_else(|| fuzzer_mutate(input, size, most))
});
