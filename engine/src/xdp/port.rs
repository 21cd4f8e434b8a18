//! An interface, and the queues that its frames come on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How often an idle worker looks whether there is a new snapshot to move to or the engine stops.
const IDLE: Duration = Duration::from_millis(100);

/// How long what was received by then is answered, once it ends.
const DRAIN: Duration = Duration::from_millis(500);

/// How long another may take to let go of an interface.
const PATIENCE: Duration = Duration::from_secs(1);

/// Addresses that the program knows at the most.
const ADDRESSES: usize = 4096;

/// An interface, with the program running on it until it is dropped.
pub struct Port {
    name: String,
    /// What the program is tied to the interface by.
    _link: OwnedFd,
    sockets: OwnedFd,
    mtu: usize,
    ending: AtomicBool,
}

/// A queue of an interface, to be served by one thread.
pub struct Queue {
    port: Arc<Port>,
    number: u32,
    socket: Socket,
    batch: Vec<Received>,
}

impl Port {
    /// Take an interface for queries to the addresses of `listen`.
    pub fn open(name: &str, listen: &[SocketAddr]) -> Result<(Vec<Queue>, Opened), XdpError> {
        let fail = |what| {
            let interface = name.to_owned();
            move |source| XdpError {
                interface,
                what,
                source,
            }
        };
        let interface = Interface::find(name).map_err(fail("no such interface"))?;
        let addresses = bpf::map(Map::Hash, program::KEY, 4, ADDRESSES);
        let addresses = addresses.map_err(fail("the kernel makes no map"))?;
        for address in asked(listen).map_err(fail("addresses cannot be listed"))? {
            bpf::put(&addresses, &key(address), 1).map_err(fail("too many addresses"))?;
        }
        let sockets = bpf::map(Map::Sockets, 4, 4, interface.queues.max(1) as usize);
        let sockets = sockets.map_err(fail("the kernel makes no map of sockets"))?;
        let program = program::program(&addresses, &sockets, program::PASS);
        let program = bpf::load(&program).map_err(fail("the kernel does not take the program"))?;
        let (link, mode) = patiently(|| bpf::attach(&program, interface.index))
            .map_err(fail("the program cannot be attached"))?;
        let port = Arc::new(Self {
            name: name.to_owned(),
            _link: link,
            sockets,
            mtu: interface.mtu,
            ending: AtomicBool::new(false),
        });
        let mut queues = Vec::new();
        for number in 0..interface.queues {
            let socket = patiently(|| Socket::open(interface.index, number))
                .map_err(fail("a queue cannot be had"))?;
            queues.push(Queue {
                port: Arc::clone(&port),
                number,
                socket,
                batch: Vec::with_capacity(BATCH),
            });
        }
        let opened = Opened {
            queues: queues.len(),
            mode,
            copies: queues.iter().any(|queue| queue.socket.copies()),
        };
        Ok((queues, opened))
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Have the threads that serve the interface let go of it.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Release);
    }
}

impl Queue {
    /// The interface.
    #[must_use]
    pub fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// Have the program give the queue's frames to this one, which `serve` is to be called for.
    pub fn start(&self) -> io::Result<()> {
        let number = self.socket.number();
        bpf::put(&self.port.sockets, &self.number.to_ne_bytes(), number)
    }

    /// Answer until the engine stops or the interface is let go; and then, for a while, what has been
    /// received by then.
    pub fn serve(&mut self, worker: &mut Worker) -> io::Result<()> {
        let mut ended = None;
        loop {
            if ended.is_none() && (worker.is_ending() || self.port.ending.load(Ordering::Acquire)) {
                // from now on the sockets get what comes
                let _ = bpf::remove(&self.port.sockets, &self.number.to_ne_bytes());
                ended = Some(Instant::now());
            }
            self.socket.receive(&mut self.batch, BATCH);
            if let Some(ended) = ended
                && (self.batch.is_empty() || ended.elapsed() > DRAIN)
            {
                return Ok(());
            }
            worker.refresh();
            if self.batch.is_empty() {
                if !self.socket.wait(IDLE)? {
                    return Ok(()); // the interface is gone, and nothing comes by it any more
                }
                continue;
            }
            let received = Instant::now();
            let answers = self.answer(worker);
            self.socket.flush();
            let took = received.elapsed();
            worker.counters().latency().add(took, answers);
            self.socket.give_back(&mut self.batch);
        }
    }

    /// Answer a batch. Returns how many answers there are.
    fn answer(&mut self, worker: &mut Worker) -> u64 {
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
                worker.counters().dropped(Drop::Source);
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
            let Some(vacant) = self.socket.vacant() else {
                worker.counters().dropped(Drop::Unsent);
                continue;
            };
            let (frame, out) = self.socket.pair(received, &vacant);
            let query = datagram.message(frame);
            let room = datagram.room(self.port.mtu).min(MAX_UDP_PAYLOAD.into());
            let length = out
                .get_mut(datagram.start..)
                .and_then(|out| out.get_mut(..room.min(out.len())))
                .and_then(|out| worker.respond(ends.peer.ip(), query, out));
            if worker.is_due() {
                let answer = length.and_then(|length| out.get(datagram.start..)?.get(..length));
                worker.sample(ends, query, answer);
            }
            match length.and_then(|length| datagram.answer(frame, out, length)) {
                Some(length) => {
                    self.socket.send(vacant, length);
                    answers += 1;
                }
                None => self.socket.keep(vacant),
            }
        }
        answers
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
fn patiently<T>(attempt: impl Fn() -> io::Result<T>) -> io::Result<T> {
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

/// The addresses and ports that are asked where `listen` is listened on: for the wildcard, those that the
/// system has by now.
fn asked(listen: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
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
