//! Batches by `recvmmsg` and `sendmmsg`.

#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::thread;
use std::time::Instant;

use libc::{iovec, mmsghdr, sockaddr_in6};
use socket2::Socket;

use crate::dnstap::Ends;
use crate::settings::MAX_UDP_PAYLOAD;
use crate::stats::Drop;
use crate::worker::{PAUSE, Worker};

use super::pace::Pace;
use super::{Drain, MAX_QUERY};

/// Packets per batch. One system call for 64 packets makes its cost per packet small; more would
/// gain little and push the buffers out of the cache.
const BATCH: usize = 64;

/// The fewest packets that are asked for at once: it takes time to make room for more than will come.
const FEW: usize = 8;

/// Room for the largest answer, which each batch's last one may be.
const ROOM: usize = MAX_UDP_PAYLOAD as usize;

/// Answers begin at multiples of a cache line: one behind the other, as they take few pages then.
const LINE: usize = 64;

/// Room for a packet-info control message of either family, `cmsghdr` included.
const CONTROL: usize = 40;
/// Where its data begin: after `cmsghdr`, which is two words and two ints.
const CONTROL_DATA: usize = 16;

/// Answer on `socket` until the engine stops or retires, and then, for a while, what has been received by then.
pub(super) fn serve(socket: &Socket, any: bool, worker: &mut Worker) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    if any {
        ask_for_destination(socket)?;
    }
    let mut batch = Batch::new(any, local(socket)?);
    let mut drain = Drain::default();
    let mut pace = Pace::new();
    wake_on_time();
    loop {
        let stopping = worker.is_ending();
        if stopping && drain.is_over() {
            return Ok(());
        }
        let asked = batch.asked;
        match batch.receive(fd, stopping) {
            Ok(count) => {
                let received = Instant::now();
                worker.refresh();
                batch.answer(count, worker);
                batch.send(fd, worker);
                let answers = batch.ready.len() as u64;
                worker.counters().latency().add(received.elapsed(), answers);
                let full = count == asked || count > BATCH / 2;
                if let Some(pause) = pace.note(received, count, full).filter(|_| !stopping) {
                    thread::sleep(pause);
                }
            }
            Err(error) if is_passing(&error) => {
                if stopping {
                    return Ok(());
                }
                worker.refresh();
                if is_want(&error) {
                    thread::sleep(PAUSE);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Have the kernel end this thread's pauses when they are over, rather than with other timers' up to 50
/// microseconds later.
fn wake_on_time() {
    let slack: libc::c_ulong = 1_000; // nanoseconds
    // SAFETY: this call takes a number and changes nothing but this thread's timers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) };
}

/// The address that a socket is bound to.
fn local(socket: &Socket) -> io::Result<SocketAddr> {
    let bound = socket.local_addr()?.as_socket();
    bound.ok_or_else(|| ErrorKind::AddrNotAvailable.into())
}

/// Timeouts, signals, and ICMP errors of earlier answers, which concern nobody here.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
    ) || is_want(error)
}

/// Want of memory, which is told at once, without waiting for a packet.
fn is_want(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOBUFS))
}

/// Have the kernel say which of our addresses each packet was sent to.
fn ask_for_destination(socket: &Socket) -> io::Result<()> {
    let (level, option) = match socket.domain()? {
        socket2::Domain::IPV6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
        _ => (libc::IPPROTO_IP, libc::IP_PKTINFO),
    };
    let on: libc::c_int = 1;
    // SAFETY: the option's value is a c_int that outlives the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_ref(&on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[derive(Clone, Copy)]
#[repr(align(8))]
struct Control([u8; CONTROL]);

/// The buffers of a batch. The headers' pointers mean something during a system call only: they are made
/// right before each, of the buffers as they are borrowed then.
struct Batch {
    packets: Box<[[u8; MAX_QUERY]]>,
    answers: Box<[u8]>,
    peers: Box<[sockaddr_in6]>, // large enough for both families
    controls: Box<[Control]>,
    in_vectors: Box<[iovec]>,
    out_vectors: Box<[iovec]>,
    incoming: Box<[mmsghdr]>,
    outgoing: Box<[mmsghdr]>,
    ready: Vec<Ready>,
    /// How many packets to take next: twice as many as came last.
    asked: usize,
    any: bool,
    local: SocketAddr,
}

/// An answer to send, in the order of the answers' buffers.
struct Ready {
    /// The packet that it answers.
    to: usize,
    start: usize,
    length: usize,
}

fn boxed<T: Clone>(value: T) -> Box<[T]> {
    vec![value; BATCH].into_boxed_slice()
}

/// What was received into `packet`.
#[inline]
fn octets<'p>(incoming: &mmsghdr, packet: &'p [u8; MAX_QUERY]) -> &'p [u8] {
    &packet[..(incoming.msg_len as usize).min(MAX_QUERY)]
}

impl Batch {
    fn new(any: bool, local: SocketAddr) -> Self {
        // SAFETY: all-zero is a valid value of these plain C structures: null pointers and numbers.
        let (peer, vector, header): (sockaddr_in6, iovec, mmsghdr) =
            unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            packets: boxed([0; MAX_QUERY]),
            answers: vec![0; BATCH * ROOM].into(),
            peers: boxed(peer),
            controls: boxed(Control([0; CONTROL])),
            in_vectors: boxed(vector),
            out_vectors: boxed(vector),
            incoming: boxed(header),
            outgoing: boxed(header),
            ready: Vec::with_capacity(BATCH),
            asked: FEW,
            any,
            local,
        }
    }

    /// Wait for packets, and take as many as there are.
    fn receive(&mut self, fd: RawFd, stopping: bool) -> io::Result<usize> {
        let flags = if stopping {
            libc::MSG_DONTWAIT
        } else {
            libc::MSG_WAITFORONE
        };
        let buffers = self.packets.iter_mut().zip(&mut *self.peers);
        let headers = self.incoming.iter_mut().zip(&mut *self.in_vectors);
        let buffers = buffers.zip(&mut *self.controls).zip(headers);
        for (((packet, peer), control), (incoming, vector)) in buffers.take(self.asked) {
            vector.iov_base = packet.as_mut_ptr().cast();
            vector.iov_len = MAX_QUERY;
            let message = &mut incoming.msg_hdr;
            message.msg_name = ptr::from_mut(peer).cast();
            message.msg_namelen = mem::size_of::<sockaddr_in6>() as libc::socklen_t;
            message.msg_iov = ptr::from_mut(vector);
            message.msg_iovlen = 1;
            if self.any {
                message.msg_control = control.0.as_mut_ptr().cast();
                message.msg_controllen = CONTROL;
            }
        }
        // SAFETY: `asked` headers, of which there are BATCH, whose pointers were just made of distinct
        // buffers of `self`, with the buffers' lengths. The kernel writes through them during the call only, and between their
        // making and the end of the call nothing else touches those buffers.
        let count = unsafe {
            libc::recvmmsg(
                fd,
                self.incoming.as_mut_ptr(),
                self.asked as libc::c_uint,
                flags as _,
                ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        self.asked = (2 * count).clamp(FEW, BATCH);
        Ok(count)
    }

    /// Answer the first `count` packets received.
    fn answer(&mut self, count: usize, worker: &mut Worker) {
        self.ready.clear();
        let received = self.incoming.iter().zip(&self.packets).take(count);
        worker.look_ahead(received.map(|(incoming, packet)| octets(incoming, packet)));
        let mut start = 0;
        for (to, incoming) in self.incoming.iter().enumerate().take(count) {
            if incoming.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                worker.counters().dropped(Drop::Oversize);
                continue;
            }
            let client = address(&self.peers[to]);
            if self.is_senseless(to, client) {
                worker.counters().dropped(Drop::Source);
                continue;
            }
            let packet = octets(incoming, &self.packets[to]);
            let out = &mut self.answers[start..start + ROOM];
            let answer = worker.respond(client, packet, out);
            if worker.is_due() {
                let ends = self.ends(to, client);
                let out = &self.answers[start..];
                worker.sample(ends, packet, answer.and_then(|length| out.get(..length)));
            }
            let Some(length) = answer else {
                continue;
            };
            if self.any {
                any_interface(&mut self.controls[to].0, client);
            }
            self.ready.push(Ready { to, start, length });
            start += length.next_multiple_of(LINE);
        }
    }

    /// Whether an answer to the packet could not arrive, or would come back to ourselves.
    #[inline]
    fn is_senseless(&self, packet: usize, client: IpAddr) -> bool {
        // a sockaddr_in has its port where a sockaddr_in6 has
        let port = u16::from_be(self.peers[packet].sin6_port);
        port == 0 || port == self.local.port() && client == self.destination(packet)
    }

    /// Where the packet came from and where it was sent to.
    #[cold]
    fn ends(&self, packet: usize, client: IpAddr) -> Ends {
        let port = u16::from_be(self.peers[packet].sin6_port);
        Ends {
            peer: (client, port).into(),
            local: (self.destination(packet), self.local.port()).into(),
        }
    }

    /// Which of our addresses the packet was sent to.
    #[cold]
    fn destination(&self, packet: usize) -> IpAddr {
        let bound = self.local.ip();
        if !self.any || self.incoming[packet].msg_hdr.msg_controllen == 0 {
            return bound;
        }
        let data = &self.controls[packet].0[CONTROL_DATA..];
        match bound {
            // behind interface and local address of in_pktinfo
            IpAddr::V4(_) => data[8..].first_chunk::<4>().map(|&octets| octets.into()),
            IpAddr::V6(_) => data.first_chunk::<16>().map(|&octets| octets.into()),
        }
        .unwrap_or(bound)
    }

    /// Send the answers; one that the system refuses is counted and does not hold up the rest.
    fn send(&mut self, fd: RawFd, worker: &Worker) {
        let headers = self.outgoing.iter_mut().zip(&mut *self.out_vectors);
        let answers = self.answers.as_mut_ptr();
        for (ready, (outgoing, vector)) in self.ready.iter().zip(headers) {
            vector.iov_base = answers.wrapping_add(ready.start).cast();
            vector.iov_len = ready.length;
            let received = &self.incoming[ready.to].msg_hdr;
            let message = &mut outgoing.msg_hdr;
            message.msg_name = ptr::from_mut(&mut self.peers[ready.to]).cast();
            message.msg_namelen = received.msg_namelen;
            message.msg_iov = ptr::from_mut(vector);
            message.msg_iovlen = 1;
            if self.any {
                message.msg_control = self.controls[ready.to].0.as_mut_ptr().cast();
                message.msg_controllen = received.msg_controllen;
            }
        }
        let mut sent = 0;
        while sent < self.ready.len() {
            let rest = &mut self.outgoing[sent..self.ready.len()];
            // SAFETY: `rest` are headers whose pointers were made above of buffers of `self`, none of
            // which has been touched since. Each answer is where `answer` found room for the largest, so
            // within `answers`; the kernel has set the lengths of name and control when it filled them,
            // within the room that `receive` gave.
            let count =
                unsafe { libc::sendmmsg(fd, rest.as_mut_ptr(), rest.len() as libc::c_uint, 0) };
            match usize::try_from(count) {
                Ok(count) => sent += count.max(1),
                Err(_) if io::Error::last_os_error().kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    worker.counters().dropped(Drop::Unsent);
                    sent += 1;
                }
            }
        }
    }
}

/// The IP address of a peer.
fn address(peer: &sockaddr_in6) -> IpAddr {
    if i32::from(peer.sin6_family) == libc::AF_INET6 {
        return IpAddr::V6(Ipv6Addr::from(peer.sin6_addr.s6_addr));
    }
    // A sockaddr_in holds its address, in network order, where a sockaddr_in6 has its flow label.
    IpAddr::V4(Ipv4Addr::from(peer.sin6_flowinfo.to_ne_bytes()))
}

/// Keep the answer's source address but let the routing table choose its way out, unless the address
/// is link-local and means nothing without its interface.
fn any_interface(control: &mut [u8; CONTROL], client: IpAddr) {
    let interface = match client {
        IpAddr::V4(_) => CONTROL_DATA, // the first field of in_pktinfo
        IpAddr::V6(v6) if v6.is_unicast_link_local() => return,
        IpAddr::V6(_) => CONTROL_DATA + 16, // behind the address of in6_pktinfo
    };
    control[interface..interface + 4].fill(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_families() {
        let v4: socket2::SockAddr = "192.0.2.7:53"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into();
        let v6: socket2::SockAddr = "[2001:db8::7]:53"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into();
        for (given, text) in [(v4, "192.0.2.7"), (v6, "2001:db8::7")] {
            // SAFETY: a SockAddr's storage is larger than a sockaddr_in6 and zeroed behind its end.
            let peer = unsafe { given.as_ptr().cast::<sockaddr_in6>().read_unaligned() };
            assert_eq!(address(&peer).to_string(), text);
        }
    }

    #[test]
    fn control_messages_fit() {
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (room, data) = unsafe {
            (
                libc::CMSG_SPACE(mem::size_of::<libc::in6_pktinfo>() as u32),
                libc::CMSG_LEN(0),
            )
        };
        assert_eq!((room as usize, data as usize), (CONTROL, CONTROL_DATA));
    }
}
