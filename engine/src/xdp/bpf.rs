//! The system call `bpf`: maps, programs, and what ties a program to an interface.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::Mode;
use super::program::Instruction;

const MAP_CREATE: libc::c_int = 0;
const MAP_UPDATE: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
#[cfg(test)]
const PROG_RUN: libc::c_int = 10;
const LINK_CREATE: libc::c_int = 28;

const PROG_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;

/// Sorts of maps.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(super) enum Map {
    Hash = 1,
    Sockets = 17,
}

/// Call `bpf`.
///
/// # Safety
///
/// `attributes` has to be what `command` reads, and its pointers have to point at what it reads there. Commands
/// that write there need a pointer that may be written to.
unsafe fn bpf<T>(command: libc::c_int, attributes: *const T) -> io::Result<libc::c_int> {
    // SAFETY: the caller vouches for what `attributes` says; its size is given.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, mem::size_of::<T>()) };
    libc::c_int::try_from(result)
        .ok()
        .filter(|&result| result >= 0)
        .ok_or_else(io::Error::last_os_error)
}

/// Take what `bpf` returned.
fn owned(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// A new map.
pub(super) fn map(sort: Map, key: usize, value: usize, entries: usize) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        sort: u32,
        key: u32,
        value: u32,
        entries: u32,
        flags: u32,
    }
    let attributes = Attributes {
        sort: sort as u32,
        key: key as u32,
        value: value as u32,
        entries: entries as u32,
        flags: 0,
    };
    // SAFETY: MAP_CREATE begins with these five numbers, and there are no pointers.
    unsafe { bpf(MAP_CREATE, &raw const attributes) }.map(owned)
}

/// An entry of a map.
#[repr(C)]
struct Entry {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Put an entry into a map whose keys have `K` octets and whose values are of 32 bits.
pub(super) fn put<const K: usize>(map: &OwnedFd, key: &[u8; K], value: u32) -> io::Result<()> {
    let entry = Entry {
        map: map.as_raw_fd().cast_unsigned(),
        padding: 0,
        key: key.as_ptr() as u64,
        value: std::ptr::from_ref(&value) as u64,
        flags: 0,
    };
    // SAFETY: as MAP_UPDATE_ELEM has it; key and value have the sizes that the map was made with, and
    // outlive the call.
    unsafe { bpf(MAP_UPDATE, &raw const entry) }.map(|_| ())
}

/// Load a program.
pub(super) fn load(program: &[Instruction]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attributes {
        sort: u32,
        count: u32,
        instructions: u64,
        license: u64,
        log: [u64; 2],
        version: u32,
        flags: u32,
        name: [u8; 16],
        interface: u32,
        attached: u32,
    }
    let attributes = Attributes {
        sort: PROG_TYPE_XDP,
        count: program.len() as u32,
        instructions: program.as_ptr() as u64,
        license: c"MIT".as_ptr() as u64,
        log: [0; 2],
        version: 0,
        flags: 0,
        name: *b"dnslb\0\0\0\0\0\0\0\0\0\0\0",
        interface: 0,
        attached: ATTACH_XDP,
    };
    // SAFETY: as PROG_LOAD has it; the instructions, as many as are told, and the licence outlive the
    // call, and no log is asked for.
    unsafe { bpf(PROG_LOAD, &raw const attributes) }.map(owned)
}

/// Run a program on the packets of an interface for as long as what is returned is kept.
pub(super) fn attach(program: &OwnedFd, interface: u32) -> io::Result<(OwnedFd, Mode)> {
    #[repr(C)]
    struct Attributes {
        program: u32,
        interface: u32,
        attached: u32,
        flags: u32,
    }
    let with = |mode| {
        let attributes = Attributes {
            program: program.as_raw_fd().cast_unsigned(),
            interface,
            attached: ATTACH_XDP,
            flags: match mode {
                Mode::Generic => 1 << 1,
                Mode::Native => 1 << 2,
            },
        };
        // SAFETY: LINK_CREATE begins with these four numbers, and there are no pointers.
        unsafe { bpf(LINK_CREATE, &raw const attributes) }.map(|fd| (owned(fd), mode))
    };
    with(Mode::Native).or_else(|error| match error.raw_os_error() {
        Some(libc::EOPNOTSUPP | libc::EINVAL | libc::ENOMEM) => with(Mode::Generic),
        _ => Err(error),
    })
}

/// Run a program once, on a frame. Returns what is to become of that.
#[cfg(test)]
pub(super) fn run(program: &OwnedFd, frame: &[u8]) -> io::Result<u32> {
    #[repr(C)]
    struct Attributes {
        program: u32,
        result: u32,
        sizes: [u32; 2],
        frame: u64,
        out: u64,
        repeat: u32,
        duration: u32,
        context: [u64; 3],
    }
    let mut attributes = Attributes {
        program: program.as_raw_fd().cast_unsigned(),
        result: 0,
        sizes: [frame.len() as u32, 0],
        frame: frame.as_ptr() as u64,
        out: 0,
        repeat: 1,
        duration: 0,
        context: [0; 3],
    };
    // SAFETY: as PROG_TEST_RUN has it; the frame, whose length is told, outlives the call, and no
    // output is asked for. The kernel writes into `attributes`, which is borrowed for that.
    unsafe { bpf(PROG_RUN, (&raw mut attributes).cast_const()) }?;
    Ok(attributes.result)
}
