//! An interface, and the queues that its frames come on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::bpf::{self, Map};
use super::frame::Datagram;
use super::interface::{self, Interface};
use super::program;
use super::socket::{Received, Socket};
use super::{Opened, XdpError};
use crate::dnstap::Ends;
use crate::settings::MAX_UDP_PAYLOAD;
use crate::stats::Drop;
use crate::worker::{PAUSE, Worker};

/// Frames of a batch.
const BATCH: usize = 64;

/// The longest query that is answered; none that means anything comes near.
const MAX_QUERY: usize = 2048;

/// How often an idle worker looks whether there is a new snapshot to move to or the interface is let go.
const IDLE: Duration = Duration::from_millis(100);

/// How long what was received by then is answered, once the interface is let go.
const DRAIN: Duration = Duration::from_millis(500);

/// How long frames may be on their way from the program to the socket.
const LAST: Duration = Duration::from_millis(20);

/// How long another may take to let go of an interface.
const PATIENCE: Duration = Duration::from_secs(1);

/// Addresses that the program knows at the most.
const ADDRESSES: usize = 4096;

/// An interface: first prepared, which needs privileges, then attached.
pub struct Port {
    name: String,
    interface: Interface,
    program: OwnedFd,
    sockets: OwnedFd,
    /// What the program is tied to the interface by, while it is.
    link: Mutex<Option<OwnedFd>>,
    /// When it was let go.
    ended: OnceLock<Instant>,
}

/// A queue of an interface, to be served by one thread.
pub struct Queue {
    number: u32,
    socket: Socket,
    batch: Vec<Received>,
}

impl Port {
    /// Make ready what it takes to have an interface's queries to the addresses of `listen`.
    pub fn prepare(name: &str, listen: &[SocketAddr]) -> Result<(Self, Vec<Queue>), XdpError> {
        let fail = |what| failing(name, what);
        let interface = Interface::find(name).map_err(fail("no such interface"))?;
        let addresses = bpf::map(Map::Hash, program::KEY, 4, ADDRESSES);
        let addresses = addresses.map_err(fail("the kernel makes no map"))?;
        let asked = asked(listen, &interface).map_err(fail("addresses cannot be listed"))?;
        for address in asked {
            bpf::put(&addresses, &key(address), 1).map_err(fail("too many addresses"))?;
        }
        let sockets = bpf::map(Map::Sockets, 4, 4, interface.queues.max(1) as usize);
        let sockets = sockets.map_err(fail("the kernel makes no map of sockets"))?;
        let code = program::program(interface.address, &addresses, &sockets, program::PASS);
        let program = bpf::load(&code).map_err(fail("the kernel does not take the program"))?;
        let open = |number| {
            Ok(Queue {
                number,
                socket: Socket::open()?,
                batch: Vec::with_capacity(BATCH),
            })
        };
        let queues: io::Result<_> = (0..interface.queues).map(open).collect();
        let port = Self {
            name: name.to_owned(),
            interface,
            program,
            sockets,
            link: Mutex::default(),
            ended: OnceLock::new(),
        };
        Ok((port, queues.map_err(fail("no socket"))?))
    }

    /// Have the interface's queries from now on: `serve` is to be called for each of `queues`.
    pub fn attach(&self, queues: &mut [Queue]) -> Result<Opened, XdpError> {
        let fail = |what| failing(&self.name, what);
        let index = self.interface.index;
        for queue in &mut *queues {
            let socket = &mut queue.socket;
            patiently(|| socket.bind(index, queue.number))
                .map_err(fail("a queue cannot be had"))?;
            bpf::put(&self.sockets, &queue.number.to_ne_bytes(), socket.number())
                .map_err(fail("the kernel does not take a socket"))?;
        }
        let (link, mode) = patiently(|| bpf::attach(&self.program, index))
            .map_err(fail("the program cannot be attached"))?;
        *self.link() = Some(link);
        Ok(Opened {
            interface: self.name.clone(),
            queues: queues.len(),
            mode,
            copies: queues.iter().any(|queue| queue.socket.copies()),
        })
    }

    /// Have the sockets of the system get what comes from now on, and the threads that serve the queues end.
    pub fn end(&self) {
        *self.link() = None;
        let _ = self.ended.set(Instant::now());
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn link(&self) -> std::sync::MutexGuard<'_, Option<OwnedFd>> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Answer what comes on a queue of `port` until that is let go; and then, for a while, what has been
    /// received by then.
    pub fn serve(&mut self, port: &Port, worker: &mut Worker) -> io::Result<()> {
        // what a worker has failed on is not given to the next one
        self.socket.give_back(&mut self.batch);
        let mut quiet = false; // since nothing has come while it was waited for the last
        loop {
            let ended = port.ended.get();
            worker.refresh();
            self.socket.receive(&mut self.batch, BATCH);
            if !self.batch.is_empty() {
                quiet = false;
                let received = Instant::now();
                let answers = self.answer(port, worker);
                self.socket.flush();
                worker.counters().latency().add(received.elapsed(), answers);
                self.socket.give_back(&mut self.batch);
            }
            match ended {
                Some(ended) if ended.elapsed() > DRAIN => return Ok(()),
                _ if !self.socket.is_idle() => {}
                Some(_) if quiet && self.socket.is_sent() => return Ok(()),
                Some(_) => {
                    self.socket.wait(LAST)?;
                    self.socket.flush();
                    quiet = true;
                }
                // where the interface is gone, nothing comes by it any more
                None if !self.socket.wait(IDLE)? => return Ok(()),
                None => {}
            }
        }
    }

    /// Answer a batch. Returns how many answers there are.
    fn answer(&mut self, port: &Port, worker: &mut Worker) -> u64 {
        let mut answers = 0;
        let mut datagrams = [None; BATCH];
        for (datagram, received) in datagrams.iter_mut().zip(&self.batch) {
            *datagram = Datagram::read(self.socket.frame(received));
        }
        let read = || datagrams.iter().zip(&self.batch);
        worker.look_ahead(read().map(|(datagram, received)| {
            let frame = self.socket.frame(received);
            datagram.as_ref().map_or(&[][..], |it| it.message(frame))
        }));
        for (datagram, received) in datagrams.iter().zip(&self.batch) {
            let Some(datagram) = datagram else {
                worker.counters().dropped(Drop::Damaged);
                continue;
            };
            if datagram.end - datagram.start > MAX_QUERY {
                worker.counters().dropped(Drop::Oversize);
                continue;
            }
            let ends = datagram.ends;
            if is_senseless(ends) {
                worker.counters().dropped(Drop::Source);
                continue;
            }
            let Some((frame, out)) = self.socket.pair(received) else {
                worker.counters().dropped(Drop::Unsent);
                continue;
            };
            let query = datagram.message(frame);
            let room = datagram
                .room(port.interface.mtu)
                .min(MAX_UDP_PAYLOAD.into());
            let length = out
                .get_mut(datagram.start..)
                .and_then(|out| out.get_mut(..room.min(out.len())))
                .and_then(|out| worker.respond(ends.peer.ip(), query, out));
            if worker.is_due() {
                let answer = length.and_then(|length| out.get(datagram.start..)?.get(..length));
                worker.sample(ends, query, answer);
            }
            if let Some(length) = length.and_then(|length| datagram.answer(frame, out, length)) {
                self.socket.send(length);
                answers += 1;
            }
        }
        answers
    }
}

fn failing(interface: &str, what: &'static str) -> impl FnOnce(io::Error) -> XdpError {
    let interface = interface.to_owned();
    move |source| XdpError {
        interface,
        what,
        source,
    }
}

/// Whether an answer could not arrive, or would come back to ourselves: what the kernel does not let
/// through to sockets either.
fn is_senseless(ends: Ends) -> bool {
    let Ends { peer, local } = ends;
    let ip = peer.ip();
    let far = ip.is_loopback() && !local.ip().is_loopback();
    far || ip.is_unspecified()
        || ip.is_multicast()
        || ip == Ipv4Addr::BROADCAST
        || peer.port() == 0
        || peer == local
}

/// Try until nobody else has it any more: who lets go of something has not done so the moment it says so.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < end => {
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// The addresses and ports that are asked by `interface` where `listen` is listened on: for the
/// wildcard, those that the system has by now. Its own, of loopback, are nobody else's.
fn asked(listen: &[SocketAddr], interface: &Interface) -> io::Result<Vec<SocketAddr>> {
    let mut all = Vec::new();
    for &one in listen {
        if one.ip().is_unspecified() {
            let own = interface::addresses()?.into_iter();
            let own = own.filter(|own| own.is_ipv4() == one.is_ipv4());
            all.extend(own.map(|own| SocketAddr::new(own, one.port())));
        } else {
            all.push(one);
        }
    }
    all.retain(|one| interface.is_loopback || !one.ip().is_loopback());
    Ok(all)
}

/// An address as the program looks for it.
pub(super) fn key(address: SocketAddr) -> [u8; program::KEY] {
    let mut key = [0; program::KEY];
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    key[..16].copy_from_slice(&ip.octets());
    key[16..18].copy_from_slice(&address.port().to_be_bytes());
    key
}
