//! A socket of the family `AF_XDP`: memory shared with the kernel, and four rings that say whose
//! each frame of it is (`Documentation/networking/af_xdp.rst` of the kernel).
//!
//! The first half of the frames is for receiving, the second for sending, and no frame changes sides.

#![allow(unsafe_code)]

use std::io;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{xdp_desc, xdp_mmap_offsets, xdp_ring_offset};

/// Octets of a frame's place: a page, as interfaces without buffers of several parts want it.
const FRAME: usize = 4096;

/// Frames on each side: so many queries wait while the worker is kept from its CPU.
const FRAMES: u32 = 2048;

/// Octets of all frames.
const MEMORY: usize = 2 * FRAMES as usize * FRAME;

/// Memory mapped into the process.
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: a mapping belongs to no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// `length` octets of `fd`'s from `offset` on, or fresh ones.
    fn new(length: usize, source: Option<(RawFd, libc::off_t)>) -> io::Result<Self> {
        let (fd, offset) = source.unwrap_or((-1, 0));
        let flags = match source {
            Some(_) => libc::MAP_SHARED | libc::MAP_POPULATE,
            None => libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
        };
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses a place where nothing is mapped.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, access, flags, fd, offset) };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { start, length }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Where the octet at `offset` is.
    fn at<T>(&self, offset: u64) -> NonNull<T> {
        let offset = offset as usize;
        assert!(offset + mem::size_of::<T>() <= self.length);
        // SAFETY: within the mapping, as was just made sure.
        unsafe { self.start.add(offset) }.cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and what borrows from it is gone.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

/// A word at the head of a ring, in the mapping that the ring owns.
struct Word(NonNull<AtomicU32>);

impl Word {
    fn get(&self) -> &AtomicU32 {
        // SAFETY: in a mapping that lives as long as the ring that this is part of; the kernel looks at it
        // as an atomic too.
        unsafe { self.0.as_ref() }
    }
}

/// A ring of which we are one end and the kernel the other.
struct Ring<T> {
    produced: Word,
    consumed: Word,
    flags: Word,
    slots: NonNull<T>,
    size: u32,
    /// How far we are: what the kernel is told by `tell`.
    mine: u32,
    _mapping: Mapping,
    _slots: PhantomData<T>,
}

// SAFETY: what the pointers lead to is the mapping that the ring owns.
unsafe impl<T: Send> Send for Ring<T> {}

impl<T: Copy> Ring<T> {
    fn new(socket: RawFd, page: u64, of: &xdp_ring_offset, size: u32) -> io::Result<Self> {
        let length = of.desc as usize + size as usize * mem::size_of::<T>();
        let page = libc::off_t::try_from(page).map_err(io::Error::other)?;
        let mapping = Mapping::new(length, Some((socket, page)))?;
        Ok(Self {
            produced: Word(mapping.at(of.producer)),
            consumed: Word(mapping.at(of.consumer)),
            flags: Word(mapping.at(of.flags)),
            slots: mapping.at(of.desc),
            size,
            mine: 0,
            _mapping: mapping,
            _slots: PhantomData,
        })
    }

    /// How many slots hold something that the kernel has put there.
    fn ready(&self) -> u32 {
        let produced = self.produced.get().load(Ordering::Acquire);
        produced.wrapping_sub(self.mine)
    }

    /// How many slots there are to put something into.
    fn room(&self) -> u32 {
        let consumed = self.consumed.get().load(Ordering::Acquire);
        self.size - self.mine.wrapping_sub(consumed)
    }

    fn slot(&self) -> NonNull<T> {
        let at = self.mine & (self.size - 1);
        // SAFETY: `at` is below `size`, and so many slots are in the mapping.
        unsafe { self.slots.add(at as usize) }
    }

    /// Take what is in the next slot, which has to be ready.
    fn take(&mut self) -> T {
        // SAFETY: the slot is in the mapping and, as it is ready, ours until `mine` is told.
        let value = unsafe { self.slot().read() };
        self.mine = self.mine.wrapping_add(1);
        value
    }

    /// Fill the next slot, for which there has to be room.
    fn put(&mut self, value: T) {
        // SAFETY: the slot is in the mapping and, as there is room, ours until `mine` is told.
        unsafe { self.slot().write(value) };
        self.mine = self.mine.wrapping_add(1);
    }

    /// Tell the kernel what we have taken.
    fn tell_taken(&self) {
        self.consumed.get().store(self.mine, Ordering::Release);
    }

    /// Tell the kernel what we have put.
    fn tell_put(&self) {
        self.produced.get().store(self.mine, Ordering::Release);
    }

    /// Whether the kernel has to be called for it to see what we have put.
    fn sleeps(&self) -> bool {
        self.flags.get().load(Ordering::Relaxed) & libc::XDP_RING_NEED_WAKEUP != 0
    }
}

/// A frame that was received.
#[derive(Clone, Copy)]
pub(super) struct Received {
    at: u64,
    length: u32,
}

/// An open socket, for one queue of an interface.
pub(super) struct Socket {
    fd: OwnedFd,
    fill: Ring<u64>,
    done: Ring<u64>,
    received: Ring<xdp_desc>,
    sent: Ring<xdp_desc>,
    /// Frames to fill: those that are not under way.
    vacant: Vec<u64>,
    memory: Mapping,
    /// Whether the kernel copies between the interface's memory and ours.
    copies: bool,
}

impl Socket {
    /// A socket that is of no interface yet; needs `CAP_NET_RAW`.
    pub(super) fn open() -> io::Result<Self> {
        // SAFETY: makes a descriptor, which nobody else knows.
        let fd = unsafe {
            let fd = libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let raw = fd.as_raw_fd();
        let memory = Mapping::new(MEMORY, None)?;
        let registered = libc::xdp_umem_reg {
            addr: memory.start.as_ptr() as u64,
            len: MEMORY as u64,
            chunk_size: FRAME as u32,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        set(raw, libc::XDP_UMEM_REG, &registered)?;
        for option in [
            libc::XDP_UMEM_FILL_RING,
            libc::XDP_UMEM_COMPLETION_RING,
            libc::XDP_RX_RING,
            libc::XDP_TX_RING,
        ] {
            set(raw, option, &FRAMES)?;
        }
        let of = offsets(raw)?;
        let (fill, done) = (
            libc::XDP_UMEM_PGOFF_FILL_RING,
            libc::XDP_UMEM_PGOFF_COMPLETION_RING,
        );
        let (received, sent) = (libc::XDP_PGOFF_RX_RING, libc::XDP_PGOFF_TX_RING);
        let mut socket = Self {
            fill: Ring::new(raw, fill, &of.fr, FRAMES)?,
            done: Ring::new(raw, done, &of.cr, FRAMES)?,
            received: Ring::new(raw, received.cast_unsigned(), &of.rx, FRAMES)?,
            sent: Ring::new(raw, sent.cast_unsigned(), &of.tx, FRAMES)?,
            vacant: frames(FRAMES).collect(),
            memory,
            copies: true,
            fd,
        };
        for frame in frames(0) {
            socket.fill.put(frame);
        }
        socket.fill.tell_put();
        Ok(socket)
    }

    /// Have the frames of an interface's queue that the program redirects.
    pub(super) fn bind(&mut self, interface: u32, queue: u32) -> io::Result<()> {
        let raw = self.fd.as_raw_fd();
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            sxdp_flags: libc::XDP_USE_NEED_WAKEUP,
            sxdp_ifindex: interface,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: 0,
        };
        // SAFETY: an address of this family, with its length.
        let result = unsafe {
            libc::bind(
                raw,
                ptr::from_ref(&address).cast(),
                mem::size_of_val(&address) as libc::socklen_t,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        let mut options = libc::xdp_options { flags: 0 };
        self.copies = get(raw, (libc::SOL_XDP, libc::XDP_OPTIONS), &mut options).is_err()
            || options.flags & libc::XDP_OPTIONS_ZEROCOPY == 0;
        Ok(())
    }

    /// The descriptor, for the map of sockets.
    pub(super) fn number(&self) -> u32 {
        self.fd.as_raw_fd().cast_unsigned()
    }

    /// Take at most `most` frames that were received.
    pub(super) fn receive(&mut self, into: &mut Vec<Received>, most: usize) {
        for _ in 0..self.received.ready().min(most as u32) {
            let xdp_desc { addr, len, .. } = self.received.take();
            into.push(Received {
                at: addr,
                length: len,
            });
        }
        self.received.tell_taken();
    }

    /// What was received.
    pub(super) fn frame(&self, received: &Received) -> &[u8] {
        let length = received.length as usize;
        let in_frame = received.at as usize % FRAME;
        assert!(in_frame + length <= FRAME && (received.at as usize) < MEMORY / 2);
        // SAFETY: within one frame of the first half of the memory, as was just made sure, and the frame is ours
        // until it is given back, which takes `self` mutably.
        unsafe { std::slice::from_raw_parts(self.memory.at(received.at).as_ptr(), length) }
    }

    /// What was received, and a frame to fill, which `send` sends; None while all are under way.
    pub(super) fn pair(&mut self, received: &Received) -> Option<(&[u8], &mut [u8])> {
        if self.vacant.is_empty() {
            self.take_back();
        }
        let vacant = *self.vacant.last()?;
        assert!(vacant as usize >= MEMORY / 2);
        let room = self.memory.at::<[u8; FRAME]>(vacant);
        // SAFETY: a frame of the second half of the memory, which is ours while it is vacant; the other
        // slice is of the first half.
        let room = unsafe { &mut *room.as_ptr() };
        Some((self.frame(received), room))
    }

    /// Have the first `length` octets of the frame that `pair` gave out sent, with the next `flush`.
    pub(super) fn send(&mut self, length: usize) {
        // there is room: the ring has a slot for each frame of this side
        if let Some(addr) = self.vacant.pop() {
            self.sent.put(xdp_desc {
                addr,
                len: length as u32,
                options: 0,
            });
        }
    }

    /// Give frames back, for others to be received into.
    pub(super) fn give_back(&mut self, received: &mut Vec<Received>) {
        for received in received.drain(..) {
            // there is room: the ring has a slot for each frame of this side
            self.fill.put(received.at - received.at % FRAME as u64);
        }
        self.fill.tell_put();
    }

    /// Have the kernel send what is to be sent: where it copies, each call copies some; else one call
    /// wakes the interface's driver.
    pub(super) fn flush(&mut self) {
        self.sent.tell_put();
        for _ in 0..if self.copies { FRAMES } else { 1 } {
            if self.sent.room() == FRAMES || !self.sent.sleeps() {
                break;
            }
            let raw = self.fd.as_raw_fd();
            // SAFETY: sends no octets, and takes no pointers.
            let result =
                unsafe { libc::sendto(raw, ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0) };
            let passing = [libc::EAGAIN, libc::EINTR, libc::EBUSY];
            let error = io::Error::last_os_error().raw_os_error();
            if result < 0 && !error.is_some_and(|error| passing.contains(&error)) {
                break;
            }
        }
        self.take_back();
    }

    fn take_back(&mut self) {
        for _ in 0..self.done.ready() {
            let frame = self.done.take();
            self.vacant.push(frame);
        }
        self.done.tell_taken();
    }

    /// Whether no frame that was received is to be taken.
    pub(super) fn is_idle(&self) -> bool {
        self.received.ready() == 0
    }

    /// Whether no frame is on its way out.
    pub(super) fn is_sent(&self) -> bool {
        self.vacant.len() == FRAMES as usize
    }

    /// Wait for a frame, for so long at the most. Returns false when the interface is gone.
    pub(super) fn wait(&self, limit: Duration) -> io::Result<bool> {
        let mut poll = libc::pollfd {
            fd: self.fd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let limit = libc::c_int::try_from(limit.as_millis()).unwrap_or(libc::c_int::MAX);
        // SAFETY: one structure, which outlives the call.
        match unsafe { libc::poll(&raw mut poll, 1, limit) } {
            0 => {
                // poll does not tell, so this is asked when nothing has come
                let mut error: libc::c_int = 0;
                get(
                    self.fd.as_raw_fd(),
                    (libc::SOL_SOCKET, libc::SO_ERROR),
                    &mut error,
                )?;
                Ok(error == 0)
            }
            1.. => Ok(poll.revents & (libc::POLLERR | libc::POLLNVAL) == 0),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(true),
                error => Err(error),
            },
        }
    }

    /// Whether the kernel copies between the interface's memory and ours.
    pub(super) fn copies(&self) -> bool {
        self.copies
    }
}

/// The frames of a side, by the number of its first.
fn frames(first: u32) -> impl Iterator<Item = u64> {
    (first..first + FRAMES).map(|frame| u64::from(frame) * FRAME as u64)
}

fn set<T>(socket: RawFd, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value outlives the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_XDP,
            option,
            ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Read an option whose value is `value`'s size and made of numbers.
fn get<T>(
    socket: RawFd,
    (level, option): (libc::c_int, libc::c_int),
    value: &mut T,
) -> io::Result<()> {
    let mut length = mem::size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes no more than `length` octets, and any octets are a valid value.
    let result = unsafe {
        libc::getsockopt(
            socket,
            level,
            option,
            ptr::from_mut(value).cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn offsets(socket: RawFd) -> io::Result<xdp_mmap_offsets> {
    // SAFETY: all-zero is a valid value of these numbers.
    let mut offsets: xdp_mmap_offsets = unsafe { mem::zeroed() };
    get(
        socket,
        (libc::SOL_XDP, libc::XDP_MMAP_OFFSETS),
        &mut offsets,
    )?;
    Ok(offsets)
}
