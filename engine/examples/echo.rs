//! The kernel's limit, for `bench/run.py`: packets in and out by `recvmmsg` and `sendmmsg`, and
//! nothing done to them but what makes a response: the QR bit, and the size of a real answer.
//!
//! Batch and socket are as in the engine (`udp/mmsg.rs`, `server/sockets.rs`). Arguments: the
//! address to listen on, and how many zero octets to add to each packet.

#![allow(unsafe_code, reason = "the system calls are what is measured")]

use std::env;
use std::error::Error;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{c_uint, iovec, mmsghdr, sockaddr_in6, socklen_t};
use socket2::{Domain, Socket, Type};

const BATCH: usize = 64;
const BUFFER: usize = 2048;
const SOCKET_BUFFER: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().ok_or("no address to listen on")?;
    let address: SocketAddr = address.parse()?;
    let padding: usize = arguments.next().as_deref().unwrap_or("0").parse()?;
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    socket.set_reuse_port(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&address.into())?;
    echo(&socket, padding)
}

fn echo(socket: &Socket, padding: usize) -> Result<(), Box<dyn Error>> {
    let fd = socket.as_raw_fd();
    let mut packets = vec![[0_u8; BUFFER]; BATCH];
    // SAFETY: all-zero is a valid value of these plain C structures: null pointers and numbers.
    let (peer, vector, header): (sockaddr_in6, iovec, mmsghdr) =
        unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
    let mut peers = vec![peer; BATCH];
    let mut vectors = vec![vector; BATCH];
    let mut headers = vec![header; BATCH];
    for index in 0..BATCH {
        vectors[index].iov_base = packets[index].as_mut_ptr().cast();
        headers[index].msg_hdr.msg_name = ptr::from_mut(&mut peers[index]).cast();
        headers[index].msg_hdr.msg_iov = &raw mut vectors[index];
        headers[index].msg_hdr.msg_iovlen = 1;
    }
    loop {
        for index in 0..BATCH {
            vectors[index].iov_len = BUFFER - padding;
            headers[index].msg_hdr.msg_namelen = mem::size_of::<sockaddr_in6>() as socklen_t;
        }
        // SAFETY: BATCH headers that point at buffers of the lengths they state, all alive.
        let received = unsafe {
            let headers = headers.as_mut_ptr();
            libc::recvmmsg(
                fd,
                headers,
                BATCH as c_uint,
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for index in 0..received {
            packets[index][2] |= 0x80;
            vectors[index].iov_len = headers[index].msg_len as usize + padding;
        }
        // SAFETY: as above; the lengths to send are within the buffers.
        let sent = unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), received as c_uint, 0) };
        if sent < 0 {
            return Err(io::Error::last_os_error().into());
        }
    }
}
