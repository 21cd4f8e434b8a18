//! The program that the kernel runs for each packet an interface receives, as instructions of eBPF
//! (RFC 9669). It takes UDP for addresses of ours to a socket of ours, and passes on all the rest.

use std::os::fd::{AsRawFd, OwnedFd};

/// Octets of a key of the map of addresses: an IPv6 address, or IPv4's in it, a port, and two zeros.
pub(super) const KEY: usize = 20;

/// What the kernel does with a packet.
pub(super) const PASS: u32 = 2;

const ETHERTYPE_IPV4: i32 = ethertype(0x0800);
const ETHERTYPE_IPV6: i32 = ethertype(0x86DD);
const UDP: i32 = 17;

// Where things stand in a frame: an Ethernet header of 14 octets, then IPv4's of 20 or IPv6's of 40,
// then UDP's of 8.
const TO: i16 = 0;
const FROM: i16 = 6;
const TYPE: i16 = 12;
const V4: i16 = 14;
const V4_END: i32 = 14 + 20 + 8;
const V6_NEXT: i16 = 14 + 6;
const V6_TO: i16 = 14 + 24;
const V6_PORT: i16 = 14 + 40 + 2;
const V6_END: i32 = 14 + 40 + 8;
const V4_FRAGMENT: i16 = V4 + 6;
const V4_PROTOCOL: i16 = V4 + 9;
const V4_TO: i16 = V4 + 16;
const V4_PORT: i16 = V4 + 20 + 2;

/// The bit of a hardware address' first octet that means many.
const IS_GROUP: i32 = 1;

/// Version 4 and a header of five words, which is one without options.
const PLAIN_V4: i32 = 0x45;

/// The flag "more fragments" and the offset, as they are read from memory.
const IS_FRAGMENT: i32 = u16::from_ne_bytes([0x3F, 0xFF]) as i32;

/// What stands before an IPv4 address in IPv6's (RFC 4291 section 2.5.5.2), as it is read from memory.
const MAPPED: i32 = i32::from_ne_bytes([0, 0, 0xFF, 0xFF]);

/// Where the key is built, below the end of the stack.
const STACK: i16 = -24;

// What the registers hold.
const RESULT: u8 = 0;
const FIRST: u8 = 1; // arguments of calls, and the context at the start
const SECOND: u8 = 2;
const THIRD: u8 = 3;
const FRAME: u8 = 7;
const END: u8 = 8;
const SCRATCH: u8 = 5;
const CONTEXT: u8 = 6;
const FRAME_POINTER: u8 = 10;

// Fields of the context, `struct xdp_md`.
const DATA: i16 = 0;
const DATA_END: i16 = 4;
const QUEUE: i16 = 16;

// Functions of the kernel's.
const MAP_LOOKUP: i32 = 1;
const REDIRECT_MAP: i32 = 51;

/// How an Ethernet type in network order is read from memory.
const fn ethertype(number: u16) -> i32 {
    number.to_be() as i32
}

/// An instruction.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    value: i32,
}

/// A program in the making: jumps to the end are set once it is known.
#[derive(Default)]
struct Assembly {
    code: Vec<Instruction>,
    passing: Vec<usize>,
}

/// The sizes that are read and written.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Size {
    Word = 0x00,
    Half = 0x08,
    Byte = 0x10,
}

impl Assembly {
    fn add(&mut self, code: u8, to: u8, from: u8, offset: i16, value: i32) {
        self.code.push(Instruction {
            code,
            // two halves of an octet, in the order that the machine has for bits
            registers: if cfg!(target_endian = "big") {
                to << 4 | from
            } else {
                from << 4 | to
            },
            offset,
            value,
        });
    }

    fn copy(&mut self, to: u8, from: u8) {
        self.add(0xBF, to, from, 0, 0);
    }

    fn set(&mut self, to: u8, value: i32) {
        self.add(0xB7, to, 0, 0, value);
    }

    fn plus(&mut self, to: u8, value: i32) {
        self.add(0x07, to, 0, 0, value);
    }

    fn and(&mut self, to: u8, mask: i32) {
        self.add(0x57, to, 0, 0, mask);
    }

    fn load(&mut self, size: Size, to: u8, from: u8, offset: i16) {
        self.add(0x61 | size as u8, to, from, offset, 0);
    }

    fn store(&mut self, size: Size, to: u8, offset: i16, from: u8) {
        self.add(0x63 | size as u8, to, from, offset, 0);
    }

    fn store_value(&mut self, to: u8, offset: i16, value: i32) {
        self.add(0x62, to, 0, offset, value);
    }

    fn map(&mut self, to: u8, map: &OwnedFd) {
        const MAP_FD: u8 = 1;
        self.add(0x18, to, MAP_FD, 0, map.as_raw_fd());
        self.add(0, 0, 0, 0, 0);
    }

    fn call(&mut self, function: i32) {
        self.add(0x85, 0, 0, 0, function);
    }

    fn exit(&mut self) {
        self.add(0x95, 0, 0, 0, 0);
    }

    /// Pass on what has another value in the lower half of a register.
    fn pass_unless(&mut self, register: u8, value: i32) {
        self.passing.push(self.code.len());
        self.add(0x56, register, 0, 0, value);
    }

    fn pass_if(&mut self, register: u8, value: i32) {
        self.passing.push(self.code.len());
        self.add(0x15, register, 0, 0, value);
    }

    /// Pass on frames that end before `length` octets.
    fn pass_shorter(&mut self, length: i32) {
        self.copy(SCRATCH, FRAME);
        self.plus(SCRATCH, length);
        self.passing.push(self.code.len());
        self.add(0x2D, SCRATCH, END, 0, 0);
    }

    /// A jump, whose end `land` tells.
    fn jump(&mut self) -> usize {
        self.add(0x05, 0, 0, 0, 0);
        self.code.len() - 1
    }

    fn jump_unless(&mut self, register: u8, value: i32) -> usize {
        self.add(0x55, register, 0, 0, value);
        self.code.len() - 1
    }

    fn land(&mut self, jump: usize) {
        let over = self.code.len() - jump - 1;
        self.code[jump].offset = i16::try_from(over).expect("a short program");
    }

    /// Copy from the frame to the key.
    fn key(&mut self, size: Size, at: i16, from: i16) {
        self.load(size, SCRATCH, FRAME, from);
        self.store(size, FRAME_POINTER, STACK + at, SCRATCH);
    }
}

/// The program, for the interface's hardware address, a map of addresses and one of sockets, by the interface's queue. What is for an
/// address of ours, but has no socket, becomes `otherwise`.
pub(super) fn program(
    to: [u8; 6],
    addresses: &OwnedFd,
    sockets: &OwnedFd,
    otherwise: u32,
) -> Vec<Instruction> {
    let mut it = Assembly::default();
    it.copy(CONTEXT, FIRST);
    it.load(Size::Word, FRAME, CONTEXT, DATA);
    it.load(Size::Word, END, CONTEXT, DATA_END);
    it.pass_shorter(V4_END);
    // frames to others come where all are listened to, and answers to groups would flood the network
    let [t0, t1, t2, t3, t4, t5] = to;
    it.load(Size::Word, SCRATCH, FRAME, TO);
    it.pass_unless(SCRATCH, i32::from_ne_bytes([t0, t1, t2, t3]));
    it.load(Size::Half, SCRATCH, FRAME, TO + 4);
    it.pass_unless(SCRATCH, u16::from_ne_bytes([t4, t5]).into());
    it.load(Size::Byte, SCRATCH, FRAME, FROM);
    it.and(SCRATCH, IS_GROUP);
    it.pass_unless(SCRATCH, 0);
    it.load(Size::Half, SCRATCH, FRAME, TYPE);
    let other = it.jump_unless(SCRATCH, ETHERTYPE_IPV4);

    it.load(Size::Byte, SCRATCH, FRAME, V4);
    it.pass_unless(SCRATCH, PLAIN_V4);
    it.load(Size::Half, SCRATCH, FRAME, V4_FRAGMENT);
    it.and(SCRATCH, IS_FRAGMENT);
    it.pass_unless(SCRATCH, 0);
    it.load(Size::Byte, SCRATCH, FRAME, V4_PROTOCOL);
    it.pass_unless(SCRATCH, UDP);
    it.store_value(FRAME_POINTER, STACK, 0);
    it.store_value(FRAME_POINTER, STACK + 4, 0);
    it.store_value(FRAME_POINTER, STACK + 8, MAPPED);
    it.key(Size::Word, 12, V4_TO);
    it.store_value(FRAME_POINTER, STACK + 16, 0);
    it.key(Size::Half, 16, V4_PORT);
    let found = it.jump();

    it.land(other);
    it.pass_unless(SCRATCH, ETHERTYPE_IPV6);
    it.pass_shorter(V6_END);
    it.load(Size::Byte, SCRATCH, FRAME, V6_NEXT);
    it.pass_unless(SCRATCH, UDP);
    for at in [0, 4, 8, 12] {
        it.key(Size::Word, at, V6_TO + at);
    }
    it.store_value(FRAME_POINTER, STACK + 16, 0);
    it.key(Size::Half, 16, V6_PORT);

    it.land(found);
    it.map(FIRST, addresses);
    it.copy(SECOND, FRAME_POINTER);
    it.plus(SECOND, STACK.into());
    it.call(MAP_LOOKUP);
    it.pass_if(RESULT, 0);
    it.map(FIRST, sockets);
    it.load(Size::Word, SECOND, CONTEXT, QUEUE);
    it.set(THIRD, otherwise.cast_signed());
    it.call(REDIRECT_MAP);
    it.exit();

    for jump in std::mem::take(&mut it.passing) {
        it.land(jump);
    }
    it.set(RESULT, PASS.cast_signed());
    it.exit();
    it.code
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::bpf::{self, Map};
    use super::super::frame::tests::{MINE, v4_frame, v6_frame};
    use super::super::port::key;
    use super::*;

    /// What the program does with what is for us, here, where there are no sockets.
    const OURS: u32 = 1;

    /// A program that knows 192.0.2.1 and `2001:db8::1`, port 53; None where the kernel does not let us.
    fn loaded() -> Option<OwnedFd> {
        let make = || {
            let addresses = bpf::map(Map::Hash, KEY, 4, 8)?;
            for address in ["192.0.2.1:53", "[2001:db8::1]:53"] {
                bpf::put(&addresses, &key(address.parse().unwrap()), 1)?;
            }
            let sockets = bpf::map(Map::Sockets, 4, 4, 1)?;
            bpf::load(&program(MINE, &addresses, &sockets, OURS))
        };
        match make() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("not run: programs of eBPF need root");
                None
            }
            loaded => Some(loaded.unwrap()),
        }
    }

    #[test]
    fn queries_for_us_are_taken_and_all_else_is_passed_on() {
        let Some(program) = loaded() else { return };
        let run = |frame: &[u8]| bpf::run(&program, frame).unwrap();
        let v4 = v4_frame([0x40, 0], 0x45, 17);
        let v6 = v6_frame(17);
        assert_eq!(run(&v4), OURS);
        assert_eq!(run(&v6), OURS);
        for (name, frame) in [
            ("a first fragment", v4_frame([0x20, 0], 0x45, 17)),
            ("a last fragment", v4_frame([0, 1], 0x45, 17)),
            ("options", v4_frame([0, 0], 0x46, 17)),
            ("TCP", v4_frame([0, 0], 0x45, 6)),
            ("an extension header", v6_frame(44)),
        ] {
            assert_eq!(run(&frame), PASS, "{name}");
        }
        let mut from_many = v4.clone();
        from_many[6] |= 1;
        assert_eq!(run(&from_many), PASS);
        // each octet of what is compared: hardware address, types, addresses, ports
        for (frame, compared) in [
            (&v4, [0..6, 12..14, 30..34, 36..38]),
            (&v6, [0..6, 12..14, 38..54, 56..58]),
        ] {
            for at in compared.into_iter().flatten() {
                let mut other = frame.clone();
                other[at] ^= 1;
                assert_eq!(run(&other), PASS, "octet {at}");
            }
        }
    }

    #[test]
    fn frames_that_end_early_are_passed_on() {
        let Some(program) = loaded() else { return };
        // the kernel runs no program on less than an Ethernet header
        for (frame, whole) in [(v4_frame([0, 0], 0x45, 17), 42), (v6_frame(17), 62)] {
            for length in 14..whole {
                assert_eq!(bpf::run(&program, &frame[..length]).unwrap(), PASS);
            }
            assert_eq!(bpf::run(&program, &frame[..whole]).unwrap(), OURS);
        }
    }
}
