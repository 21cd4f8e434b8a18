//! Many packets to a system call.

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;

use libc::{c_uint, iovec, mmsghdr};

/// Packets per system call.
pub(super) const BATCH: usize = 64;
/// Room for a query or an answer.
const BUFFER: usize = 1280;

/// Buffers for a batch; the kernel is shown them only while it is called.
pub(super) struct Packets {
    pub(super) buffers: Vec<[u8; BUFFER]>,
    pub(super) lengths: [usize; BATCH],
}

impl Packets {
    pub(super) fn new() -> Self {
        Self {
            buffers: vec![[0; BUFFER]; BATCH],
            lengths: [0; BATCH],
        }
    }

    /// Send the first `count` packets.
    pub(super) fn send(&mut self, fd: RawFd, count: usize) -> io::Result<()> {
        let mut sent = 0;
        while sent < count {
            let lengths = self.lengths;
            sent += self.with_headers(
                sent..count,
                |index| lengths[index],
                |headers| {
                    // SAFETY: the headers point at buffers of the lengths they state, all alive.
                    unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as c_uint, 0) }
                },
            )?;
        }
        Ok(())
    }

    /// Take packets, waiting for the first where told to, and return how many came.
    pub(super) fn receive(&mut self, fd: RawFd, wait: bool) -> io::Result<usize> {
        self.with_headers(
            0..BATCH,
            |_| BUFFER,
            |headers| {
                let flags = if wait {
                    libc::MSG_WAITFORONE
                } else {
                    libc::MSG_DONTWAIT
                };
                let (start, count) = (headers.as_mut_ptr(), headers.len() as c_uint);
                // SAFETY: as in `send`.
                unsafe { libc::recvmmsg(fd, start, count, flags as _, ptr::null_mut()) }
            },
        )
    }

    /// Make a system call with headers for some of the buffers; keep the lengths it tells.
    fn with_headers(
        &mut self,
        range: std::ops::Range<usize>,
        length: impl Fn(usize) -> usize,
        call: impl FnOnce(&mut [mmsghdr]) -> i32,
    ) -> io::Result<usize> {
        // SAFETY: all-zero is a valid value of these plain C structures: null pointers and numbers.
        let (mut vectors, mut headers): ([iovec; BATCH], [mmsghdr; BATCH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let first = range.start;
        for index in range.clone() {
            vectors[index].iov_base = self.buffers[index].as_mut_ptr().cast();
            vectors[index].iov_len = length(index);
            headers[index].msg_hdr.msg_iov = &raw mut vectors[index];
            headers[index].msg_hdr.msg_iovlen = 1;
        }
        let done = call(&mut headers[range]);
        let done = usize::try_from(done).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths[first..]
            .iter_mut()
            .zip(&headers[first..])
            .take(done)
        {
            *length = header.msg_len as usize;
        }
        Ok(done)
    }
}
