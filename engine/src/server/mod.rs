//! The engine as a whole: what it publishes, the sockets it holds, the threads that answer.

mod fastpath;
mod publisher;
mod sockets;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;

pub use publisher::{BackendKey, PublishError};
pub use sockets::ListenError;

use crate::dnstap::{Form, LogStats, QueryLog, Record, Target};
use crate::latency::Latencies;
use crate::plan::{ServiceKey, ServiceSpec};
use crate::rrl::{Class, Network};
use crate::settings::Settings;
use crate::stats::{Counters, Drop, Transport};
use crate::tcp::{Census, Gate, Limits};
use crate::wire::MAX_MESSAGE;
use crate::worker::{PAUSE, Shared, Worker, now};
use crate::xdp::{Opened, XdpError};
use crate::zones::ZoneSpec;
use crate::{tcp, udp};
use fastpath::FastPath;
use publisher::Publisher;
use sockets::{Handle, Shares, Sockets};

/// Calls that come at the wrong time.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LifeError {
    #[error("no address is bound")]
    NotBound,
    #[error("addresses are bound already")]
    Bound,
    #[error("the engine runs already")]
    Running,
    #[error("the engine has stopped")]
    Stopped,
    #[error("a thread cannot be started: {0}")]
    Thread(String),
}

/// Answers sent, by transport and rcode.
pub type Queries = HashMap<(&'static str, &'static str), u64>;

/// Counters since the engine was made, or since the first of those that it took over from was.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The generation of the snapshot in force.
    pub generation: u64,
    /// Answers sent, by transport and rcode.
    pub queries: Queries,
    /// Packets without an answer, by reason.
    pub drops: HashMap<&'static str, u64>,
    /// Answers beyond the rate, by what became of them.
    pub limited: HashMap<&'static str, u64>,
    /// Answers by service and backend.
    pub answers: HashMap<BackendKey, u64>,
    /// How long answers took, by transport.
    pub latency: HashMap<&'static str, Latencies>,
    /// TCP connections.
    pub tcp: Census,
}

/// The engine.
pub struct Server {
    shared: Arc<Shared>,
    publisher: Mutex<Publisher>,
    life: Mutex<Life>,
    /// There once addresses are bound.
    gate: OnceLock<Arc<Gate>>,
    /// For `answer`: a worker per transport, and the buffer that they answer into.
    direct: Mutex<(Worker, Worker, Vec<u8>)>,
    log: QueryLog,
    fast_path: Mutex<FastPath>,
}

enum Life {
    New,
    Bound(Sockets, Arc<Gate>),
    Running(Threads, Vec<Handle>),
    Stopped,
}

type Threads = Vec<(Transport, JoinHandle<()>)>;

/// What a thread does.
type Body = Box<dyn FnOnce() + Send>;

/// Starts a named thread; a parameter so that a test can run out of threads.
type Spawn<'s> = &'s mut dyn FnMut(String, Body) -> io::Result<JoinHandle<()>>;

impl Default for Server {
    fn default() -> Self {
        let shared = Arc::new(Shared::default());
        let mut publisher = Publisher::default();
        let mut worker = |transport| {
            let counters = publisher.counters(transport);
            Worker::new(&shared, &counters, seed())
        };
        let direct = (
            worker(Transport::Udp),
            worker(Transport::Tcp),
            vec![0; MAX_MESSAGE],
        );
        Self {
            publisher: Mutex::new(publisher),
            life: Mutex::new(Life::New),
            gate: OnceLock::new(),
            direct: Mutex::new(direct),
            log: QueryLog::default(),
            fast_path: Mutex::default(),
            shared,
        }
    }
}

impl Server {
    /// Swap in a new snapshot; see `Engine.publish` in Python.
    pub fn publish(
        &self,
        plans: &[(ServiceKey, Arc<ServiceSpec>)],
        zones: Option<&[ZoneSpec]>,
        settings: Option<Settings>,
    ) -> Result<u64, PublishError> {
        let mut publisher = lock(&self.publisher);
        let generation = publisher.publish(&self.shared, plans, zones, settings)?;
        let (udp, tcp, _) = &mut *lock(&self.direct);
        udp.refresh();
        tcp.refresh();
        publisher.reap(&self.shared);
        Ok(generation)
    }

    /// Take UDP and TCP sockets, for so many workers, on every address; those of `given` that are
    /// bound to one before new ones.
    pub fn bind(
        &self,
        listen: &[SocketAddr],
        workers: usize,
        limits: Limits,
        given: Vec<OwnedFd>,
    ) -> Result<Vec<SocketAddr>, BindError> {
        let mut life = lock(&self.life);
        match &*life {
            Life::New => {}
            Life::Bound(..) => return Err(LifeError::Bound.into()),
            Life::Running(..) => return Err(LifeError::Running.into()),
            Life::Stopped => return Err(LifeError::Stopped.into()),
        }
        let sockets = Sockets::bind(listen, workers.max(1), given)?;
        let bound = sockets.addresses();
        let gate = self.gate.get_or_init(|| Gate::new(limits));
        *life = Life::Bound(sockets, Arc::clone(gate));
        Ok(bound)
    }

    /// Start the threads that answer.
    pub fn start(&self) -> Result<(), LifeError> {
        self.start_on(&mut |name, body| thread::Builder::new().name(name).spawn(body))
    }

    /// Start all threads or, on an error, none: those that run already are ended.
    fn start_on(&self, spawn: Spawn<'_>) -> Result<(), LifeError> {
        let mut life = lock(&self.life);
        let (sockets, gate) = match std::mem::replace(&mut *life, Life::Stopped) {
            Life::Bound(sockets, gate) => (sockets, gate),
            Life::New => {
                *life = Life::New;
                return Err(LifeError::NotBound);
            }
            running @ Life::Running(..) => {
                *life = running;
                return Err(LifeError::Running);
            }
            Life::Stopped => return Err(LifeError::Stopped),
        };
        let shares = sockets.share();
        let shares = shares.map_err(|error| LifeError::Thread(error.to_string()))?;
        let mut threads = Threads::new();
        let handles = shares.handles();
        for (transport, name, body) in self.bodies(shares, &gate) {
            match spawn(name, body) {
                Ok(handle) => threads.push((transport, handle)),
                Err(error) => {
                    self.end(threads);
                    return Err(LifeError::Thread(error.to_string()));
                }
            }
        }
        if let Err(error) = self.start_fast_path() {
            lock(&self.fast_path).release();
            self.end(threads);
            return Err(LifeError::Thread(error.to_string()));
        }
        *life = Life::Running(threads, handles);
        Ok(())
    }

    /// Make ready what it takes to have the queries of all of `interfaces`, or of none, past the sockets.
    pub fn prepare(&self, interfaces: &[String]) -> Result<(), TakeError> {
        let listen = match &*lock(&self.life) {
            Life::Bound(sockets, _) => sockets.addresses(),
            Life::New => return Err(LifeError::NotBound.into()),
            Life::Running(..) => return Err(LifeError::Running.into()),
            Life::Stopped => return Err(LifeError::Stopped.into()),
        };
        Ok(lock(&self.fast_path).prepare(interfaces, &listen)?)
    }

    /// Have the queries of the interfaces that are prepared, from all of them, or on an error from none: then
    /// the sockets go on to have them.
    pub fn attach(&self) -> Result<Vec<Opened>, TakeError> {
        let life = lock(&self.life);
        if !matches!(&*life, Life::Running(..)) {
            return Err(LifeError::Stopped.into());
        }
        Ok(lock(&self.fast_path).attach()?)
    }

    /// Start the threads of interfaces that are prepared; they wait until `attach`.
    fn start_fast_path(&self) -> io::Result<()> {
        lock(&self.fast_path).start(&mut |number, waits| {
            let (shared, counters) = self.share(Transport::Udp);
            let counted = Arc::clone(&counters);
            let body = move || {
                let Ok((port, queue)) = waits.recv() else {
                    return;
                };
                // whoever goes on where a worker has failed has to find the queue again
                let queue = Mutex::new(queue);
                supervise(&shared, &counters, |mut worker| {
                    lock(&queue).serve(&port, &mut worker)
                });
            };
            let thread = thread::Builder::new().name(format!("dnslb-xdp-{number}"));
            Ok((thread.spawn(body)?, counted))
        })
    }

    /// How many answers were made past the sockets, by interface.
    pub fn attached(&self) -> HashMap<String, u64> {
        lock(&self.fast_path).answers()
    }

    /// What each thread is to do, with its name.
    fn bodies(&self, taken: Shares, gate: &Arc<Gate>) -> Vec<(Transport, String, Body)> {
        let mut bodies: Vec<(Transport, String, Body)> = Vec::new();
        for (index, socket) in taken.udp.into_iter().enumerate() {
            let (shared, counters) = self.share(Transport::Udp);
            let body = move || {
                supervise(&shared, &counters, |mut worker| {
                    udp::serve(&socket.socket, socket.any, &mut worker)
                });
            };
            bodies.push((Transport::Udp, format!("dnslb-udp-{index}"), Box::new(body)));
        }
        for (index, listeners) in taken.tcp.into_iter().enumerate() {
            let (shared, counters) = self.share(Transport::Tcp);
            let gate = Arc::clone(gate);
            let body = move || {
                supervise(&shared, &counters, |worker| {
                    tcp::serve(&listeners, worker, &gate)
                });
            };
            bodies.push((Transport::Tcp, format!("dnslb-tcp-{index}"), Box::new(body)));
        }
        bodies
    }

    /// Answer one packet as the network's workers would.
    pub fn answer(&self, transport: Transport, client: IpAddr, packet: &[u8]) -> Option<Vec<u8>> {
        let (udp, tcp, out) = &mut *lock(&self.direct);
        let worker = match transport {
            Transport::Udp => udp,
            Transport::Tcp => tcp,
        };
        worker.refresh();
        let length = worker.respond(client, packet, out)?;
        Some(out[..length].to_vec())
    }

    /// Read the counters.
    pub fn stats(&self) -> Stats {
        let mut publisher = lock(&self.publisher);
        publisher.reap(&self.shared);
        let mut stats = publisher.stats(&self.shared);
        if let Some(gate) = self.gate.get() {
            stats.tcp += gate.census();
        }
        stats
    }

    /// The generation in force and the answers sent: what nearly all else of `stats` moves with.
    pub fn asked(&self) -> (u64, Queries) {
        let mut publisher = lock(&self.publisher);
        publisher.reap(&self.shared);
        (self.shared.current.load().generation, publisher.queries())
    }

    /// The networks that were limited within the last `within`, each with how many answers were.
    pub fn limited(&self, within: Duration) -> HashMap<(Network, Class), u64> {
        let since = now().saturating_sub(within.as_millis() as u64);
        lock(&self.publisher).limited(since)
    }

    /// Log queries to a target from now on, with this probability each; None: not at all.
    pub fn log(&self, wanted: Option<(Target, Form, f64)>) -> io::Result<()> {
        self.log.set(&self.shared.sampling, wanted)
    }

    /// What became of the queries that were to be logged.
    pub fn logged(&self) -> LogStats {
        self.log.stats()
    }

    /// Have queries copied for `samples` with this probability.
    pub fn sample(&self, probability: f64) {
        self.shared.sampling.set_top(probability);
    }

    /// At most so many of the queries that were copied and not told yet.
    pub fn samples(&self, most: usize) -> Vec<Record> {
        self.shared.sampling.samples(most)
    }

    /// Answer what has been received, close the sockets and join the threads. Does nothing twice.
    pub fn stop(&self) {
        let life = std::mem::replace(&mut *lock(&self.life), Life::Stopped);
        self.shared.stopping.store(true, Ordering::Release);
        lock(&self.fast_path).release();
        if let Life::Running(threads, handles) = life {
            drop(handles);
            self.end(threads);
        }
        let _ = self.log.set(&self.shared.sampling, None); // nothing is sampled any more
    }

    /// The sockets that are served, to be handed to who takes over.
    pub fn sockets(&self) -> Vec<RawFd> {
        match &*lock(&self.life) {
            Life::Running(_, handles) => fds(handles),
            Life::New | Life::Bound(..) | Life::Stopped => Vec::new(),
        }
    }

    /// Leave the sockets to who has taken them over: nothing new is taken, what was received is
    /// answered, and TCP clients are served until they go, for the time `within` at the most. Returns
    /// once UDP is over.
    pub fn retire(&self, within: Duration) {
        let mut life = lock(&self.life);
        let Life::Running(threads, handles) = &mut *life else {
            return;
        };
        let _ = self.shared.retiring.set(Instant::now() + within);
        handles.clear();
        lock(&self.fast_path).release();
        for (_, handle) in threads.extract_if(.., |(transport, _)| *transport == Transport::Udp) {
            let _ = handle.join();
        }
    }

    /// Go on counting from where another engine has stopped.
    pub fn restore(&self, stats: Stats) {
        lock(&self.publisher).restore(stats);
    }

    fn end(&self, threads: Threads) {
        self.shared.stopping.store(true, Ordering::Release);
        for (_, handle) in threads {
            let _ = handle.join();
        }
    }

    /// What the workers of a thread are made of.
    fn share(&self, transport: Transport) -> (Arc<Shared>, Arc<Counters>) {
        let counters = lock(&self.publisher).counters(transport);
        self.shared.sampling.watch(counters.rings());
        (Arc::clone(&self.shared), counters)
    }
}

impl std::ops::Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Why addresses were not bound.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the variants' own messages say it")]
pub enum BindError {
    #[error(transparent)]
    Life(#[from] LifeError),
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Why interfaces were not taken.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the variants' own messages say it")]
pub enum TakeError {
    #[error(transparent)]
    Life(#[from] LifeError),
    #[error(transparent)]
    Xdp(#[from] XdpError),
}

/// Run a worker until it ends: neither an error of the system nor a fault of our own may
/// leave an address without an answer for good. Each attempt has a worker of its own, and none outlives
/// it: a worker that nobody refreshes would keep its snapshot alive.
fn supervise(
    shared: &Arc<Shared>,
    counters: &Arc<Counters>,
    serve: impl Fn(Worker) -> io::Result<()>,
) {
    loop {
        let worker = Worker::new(shared, counters, seed());
        let ended = catch_unwind(AssertUnwindSafe(|| serve(worker)));
        if shared.is_ending() || matches!(ended, Ok(Ok(()))) {
            return;
        }
        counters.dropped(Drop::Failed);
        thread::sleep(PAUSE);
    }
}

fn fds(handles: &[Handle]) -> Vec<RawFd> {
    handles
        .iter()
        .map(|handle| handle.as_fd().as_raw_fd())
        .collect()
}

/// A mutex guards plain data here, which a panic leaves as valid as it was.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that differs between workers and runs; the standard library draws its hashers' keys from
/// the system's random source.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream, UdpSocket};

    use super::*;
    use crate::wire::name;
    use crate::zones::RrsetSpec;

    /// How long a busy machine may take.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn zone() -> ZoneSpec {
        let origin = name::from_text("example.").unwrap();
        let soa = RrsetSpec {
            owner: origin.clone(),
            rtype: 6,
            ttl: 300,
            rdatas: vec![[&origin[..], &origin, &[0; 20]].concat()],
        };
        ZoneSpec::new(&origin, &[soa], &[]).unwrap()
    }

    fn bound() -> Server {
        let server = Server::default();
        server.publish(&[], Some(&[zone()]), None).unwrap();
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        server
            .bind(&[listen], 2, Limits::default(), Vec::new())
            .unwrap();
        server
    }

    fn wait(until: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !until() {
            assert!(Instant::now() < deadline, "has not come");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn idle_workers_let_old_snapshots_go() {
        let server = bound();
        server.start().unwrap();
        let snapshot = server.shared.current.load_full();
        // this test, the engine, its workers for `answer`, and two threads for each transport
        wait(|| Arc::strong_count(&snapshot) == 1 + 1 + DIRECT + 4);
        let old = Arc::downgrade(&snapshot.zones);
        drop(snapshot);
        server.publish(&[], Some(&[]), None).unwrap();
        wait(|| old.strong_count() == 0);
    }

    /// A query for the SOA of the zone, with this ID.
    fn query(id: u16) -> Vec<u8> {
        let rest = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x06\x00\x01";
        [&id.to_be_bytes()[..], rest].concat()
    }

    #[test]
    fn another_engine_takes_the_sockets_over_and_no_query_is_lost() {
        const QUERIES: u16 = 3_000;
        let old = bound();
        old.start().unwrap();
        let given: Vec<OwnedFd> = match &*lock(&old.life) {
            Life::Running(_, handles) => handles
                .iter()
                .map(|handle| handle.as_fd().try_clone_to_owned().unwrap())
                .collect(),
            _ => unreachable!("it runs"),
        };
        let address = UdpSocket::from(given[0].try_clone().unwrap())
            .local_addr()
            .unwrap();
        let mut kept = TcpStream::connect(address).unwrap();
        let ask = |stream: &mut TcpStream| {
            let packet = query(7);
            stream
                .write_all(&(packet.len() as u16).to_be_bytes())
                .unwrap();
            stream.write_all(&packet).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            stream
                .read_exact(&mut vec![0; u16::from_be_bytes(length).into()])
                .unwrap();
        };
        ask(&mut kept);

        let new = Server::default();
        new.publish(&[], Some(&[zone()]), None).unwrap();
        // other workers, and an address that is not served any more
        let other = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let given = given.into_iter().chain([other.into()]).collect();
        let taken = new.bind(&[address], 3, Limits::default(), given).unwrap();
        assert_eq!(taken, [address]);

        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(address).unwrap();
        let mut answer = [0; 512];
        for id in 0..QUERIES {
            client.send(&query(id)).unwrap();
            match id {
                1_000 => new.start().unwrap(),
                2_000 => old.retire(PATIENCE),
                _ => {}
            }
            client.recv(&mut answer).unwrap();
            assert_eq!(answer[..2], id.to_be_bytes());
            assert_eq!(answer[3] & 0xF, 0, "of the zone that both have");
        }
        ask(&mut kept); // by the old one, whose connection it is
        ask(&mut TcpStream::connect(address).unwrap());
        assert_eq!((old.stats().tcp.accepted, new.stats().tcp.accepted), (1, 1));

        let udp = |stats: &Stats| stats.queries[&("udp", "NOERROR")];
        let (before, own) = (old.stats(), new.stats());
        assert_eq!(udp(&before) + udp(&own), u64::from(QUERIES));
        new.restore(before);
        assert_eq!(udp(&new.stats()), u64::from(QUERIES));
        drop(kept);
        wait(|| old.stats().tcp.open == 0);
        old.stop();
        ask(&mut TcpStream::connect(address).unwrap());
    }

    #[test]
    fn who_retires_does_not_wait_for_ever() {
        let old = bound();
        old.start().unwrap();
        old.retire(Duration::ZERO);
        old.stop();
        assert!(old.sockets().is_empty());
    }

    #[test]
    fn direct_answers_keep_no_snapshot() {
        let server = bound();
        for transport in [Transport::Udp, Transport::Tcp] {
            server.answer(transport, Ipv4Addr::LOCALHOST.into(), &[0; 12]);
        }
        let old = Arc::downgrade(&server.shared.current.load().zones);
        server.publish(&[], Some(&[]), None).unwrap();
        assert_eq!(old.strong_count(), 0);
    }

    #[test]
    fn a_start_that_fails_midway_leaves_no_thread() {
        const THREADS: usize = 3;
        let server = bound();
        let mut left = THREADS;
        let error = server.start_on(&mut |name, body| {
            left = left.checked_sub(1).ok_or(io::ErrorKind::OutOfMemory)?;
            thread::Builder::new().name(name).spawn(body)
        });
        assert!(matches!(error, Err(LifeError::Thread(_))));
        // a thread's body holds what the workers share, and so does the server
        assert_eq!(Arc::strong_count(&server.shared), 1 + DIRECT);
        assert_eq!(server.start(), Err(LifeError::Stopped));
    }

    /// Workers for `answer`, one per transport.
    const DIRECT: usize = 2;
}
