//! Taking sockets: all of them or none; those that are given before new ones.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

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
    places: Vec<Place>,
    workers: usize,
}

/// The sockets on an address.
struct Place {
    address: SocketAddr,
    udp: Vec<Socket>,
    tcp: Vec<Socket>,
}

/// Sockets by the threads that serve them.
pub(super) struct Shares {
    pub(super) udp: Vec<Arc<UdpSocket>>,
    /// For each worker its listeners.
    pub(super) tcp: Vec<Vec<Arc<TcpListener>>>,
}

/// A UDP socket, and whether it is bound to the wildcard address.
pub(super) struct UdpSocket {
    pub(super) socket: Socket,
    pub(super) any: bool,
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Sockets {
    /// Have `workers` UDP and TCP sockets on each address. Those of `given` that are bound to one are
    /// taken, all of them, since what the kernel has put into one would be lost with it; the others are
    /// closed.
    pub(super) fn bind(
        listen: &[SocketAddr],
        workers: usize,
        given: Vec<OwnedFd>,
    ) -> Result<Self, ListenError> {
        let mut given = Given::of(given);
        let mut all = Self {
            places: Vec::new(),
            workers,
        };
        for &address in listen {
            let fail = |source| ListenError { address, source };
            let found = given.address(address);
            let bound = found.map_or_else(|| vacant(address), Ok).map_err(fail)?;
            let mut place = Place {
                address: bound,
                udp: given.take(bound, Type::DGRAM),
                tcp: given.take(bound, Type::STREAM),
            };
            if place.udp.is_empty() {
                place.udp = (0..workers)
                    .map(|_| udp(bound))
                    .collect::<Result<_, _>>()
                    .map_err(fail)?;
            }
            if place.tcp.is_empty() {
                place.tcp = (0..workers)
                    .map(|_| tcp(bound))
                    .collect::<Result<_, _>>()
                    .map_err(fail)?;
            }
            for listener in &place.tcp {
                listener.listen(BACKLOG).map_err(fail)?;
            }
            all.places.push(place);
        }
        Ok(all)
    }

    /// What was bound, in the order asked for.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.places.iter().map(|place| place.address).collect()
    }

    /// The sockets for as many threads as there are workers, or more: what is given is served in any
    /// case. Workers without a socket get one only here, since a socket that shares a port gets a part of
    /// the queries from then on, and nobody would have answered them before.
    pub(super) fn share(self) -> io::Result<Shares> {
        let mut shares = Shares {
            udp: Vec::new(),
            tcp: (0..self.workers).map(|_| Vec::new()).collect(),
        };
        for place in self.places {
            let address = place.address;
            let any = address.ip().is_unspecified();
            for socket in fill(place.udp, self.workers, || udp(address))? {
                shares.udp.push(Arc::new(UdpSocket { socket, any }));
            }
            let listeners = fill(place.tcp, self.workers, || {
                let listener = tcp(address)?;
                listener.listen(BACKLOG)?;
                Ok(listener)
            })?;
            for (index, listener) in listeners.into_iter().enumerate() {
                shares.tcp[index % self.workers].push(Arc::new(listener.into()));
            }
        }
        Ok(shares)
    }
}

impl Shares {
    /// Each socket once.
    pub(super) fn handles(&self) -> Vec<Handle> {
        let udp = self.udp.iter().map(|socket| Arc::clone(socket) as Handle);
        let tcp = self.tcp.iter().flatten();
        udp.chain(tcp.map(|listener| Arc::clone(listener) as Handle))
            .collect()
    }
}

/// A socket that is kept open.
pub(super) type Handle = Arc<dyn AsFd + Send + Sync>;

/// Sockets from elsewhere that nobody has taken yet, each with what it is bound to.
struct Given(Vec<(SocketAddr, Type, Socket)>);

impl Given {
    fn of(given: Vec<OwnedFd>) -> Self {
        let known = given.into_iter().filter_map(|fd| {
            let socket = Socket::from(fd);
            let bound = socket.local_addr().ok()?.as_socket()?;
            Some((bound, socket.r#type().ok()?, socket))
        });
        Self(known.collect())
    }

    /// What one of them is bound to that serves `address`, whose port 0 is any.
    fn address(&self, address: SocketAddr) -> Option<SocketAddr> {
        let mut all = self.0.iter().map(|(bound, ..)| *bound);
        all.find(|bound| bound.ip() == address.ip() && [0, bound.port()].contains(&address.port()))
    }

    /// All of them of this kind on `address`.
    fn take(&mut self, address: SocketAddr, kind: Type) -> Vec<Socket> {
        let fits = |(bound, is, _): &mut (SocketAddr, Type, Socket)| {
            (bound.ip(), bound.port(), *is) == (address.ip(), address.port(), kind)
        };
        self.0
            .extract_if(.., fits)
            .map(|(.., socket)| socket)
            .collect()
    }
}

/// `sockets`, and as many further ones as `workers` lack. Where no further one can be had, since those that
/// were given share their port with nobody, workers share them.
fn fill(
    mut sockets: Vec<Socket>,
    workers: usize,
    open: impl Fn() -> io::Result<Socket>,
) -> io::Result<Vec<Socket>> {
    let given = sockets.len();
    while sockets.len() < workers {
        let socket = match open() {
            Err(_) => sockets[sockets.len() % given].try_clone()?,
            Ok(socket) => socket,
        };
        sockets.push(socket);
    }
    Ok(sockets)
}

fn udp(address: SocketAddr) -> io::Result<Socket> {
    let socket = open(address, Type::DGRAM, true)?;
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    Ok(socket)
}

fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let listener = open(address, Type::STREAM, true)?;
    // What it accepts inherits both; answers are gathered already when they are sent.
    let _ = listener.set_send_buffer_size(UNSENT);
    listener.set_tcp_nodelay(true)?;
    Ok(listener)
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
