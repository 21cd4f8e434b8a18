//! Taking sockets: all of them or none.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;

/// How often another free port is tried when the one found for UDP is taken for TCP.
const ATTEMPTS: usize = 20;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// What the socket holds while a worker is busy; the kernel gives as much as its limit allows.
const BUFFER: usize = 4 << 20;

/// What the kernel keeps of answers that a TCP client does not take: two of the longest, and no such
/// megabytes as it would give a client that asks for much and reads nothing.
const UNSENT: usize = 128 << 10;

/// An address that cannot be had.
#[derive(Debug, Error)]
#[error("{address}: {source}")]
pub struct ListenError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

/// Sockets, bound.
pub(super) struct Sockets {
    /// What was bound, in the order asked for.
    pub(super) addresses: Vec<SocketAddr>,
    /// One per worker and address.
    pub(super) udp: Vec<UdpSocket>,
    /// For each worker one per address.
    pub(super) tcp: Vec<Vec<TcpListener>>,
}

/// A UDP socket, and whether it is bound to the wildcard address.
pub(super) struct UdpSocket {
    pub(super) socket: Socket,
    pub(super) any: bool,
}

impl Sockets {
    /// Bind `workers` UDP and TCP sockets on each address.
    pub(super) fn bind(listen: &[SocketAddr], workers: usize) -> Result<Self, ListenError> {
        let mut all = Self {
            addresses: Vec::new(),
            udp: Vec::new(),
            tcp: (0..workers).map(|_| Vec::new()).collect(),
        };
        for &address in listen {
            let fail = |source| ListenError { address, source };
            let bound = vacant(address).map_err(fail)?;
            all.addresses.push(bound);
            for listeners in &mut all.tcp {
                let socket = open(bound, Type::DGRAM, true).map_err(fail)?;
                let _ = socket.set_recv_buffer_size(BUFFER);
                let _ = socket.set_send_buffer_size(BUFFER);
                all.udp.push(UdpSocket {
                    socket,
                    any: bound.ip().is_unspecified(),
                });
                let listener = open(bound, Type::STREAM, true).map_err(fail)?;
                // What it accepts inherits both; answers are gathered already when they are sent.
                let _ = listener.set_send_buffer_size(UNSENT);
                listener.set_tcp_nodelay(true).map_err(fail)?;
                listener.listen(BACKLOG).map_err(fail)?;
                listeners.push(listener.into());
            }
        }
        Ok(all)
    }
}

/// Make sure that nobody else holds `address` for UDP or TCP, and turn port 0 into a free port.
///
/// Sockets that share a port among workers would also share it with another server of the same user,
/// and each would get a part of the queries. A socket that does not share finds out.
fn vacant(address: SocketAddr) -> io::Result<SocketAddr> {
    let mut attempts = if address.port() == 0 { ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        let udp = open(address, Type::DGRAM, false)?;
        let bound = udp
            .local_addr()?
            .as_socket()
            .ok_or(ErrorKind::AddrNotAvailable)?;
        match open(bound, Type::STREAM, false).and_then(|tcp| tcp.listen(1)) {
            Ok(()) => return Ok(bound),
            Err(_) if attempts > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

fn open(address: SocketAddr, kind: Type, shared: bool) -> io::Result<Socket> {
    let protocol = if kind == Type::DGRAM {
        Protocol::UDP
    } else {
        Protocol::TCP
    };
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // 0.0.0.0 and :: are two addresses
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?; // connections of an earlier run may linger
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}
