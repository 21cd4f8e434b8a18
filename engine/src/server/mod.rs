//! The engine as a whole: what it publishes, the sockets it holds, the threads that answer.

mod publisher;
mod sockets;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use tokio::sync::watch;

pub use publisher::{BackendKey, PublishError};
pub use sockets::ListenError;

use crate::plan::{ServiceKey, ServiceSpec};
use crate::stats::{Counters, Drop, Transport};
use crate::wire::MAX_MESSAGE;
use crate::worker::{Shared, Worker};
use crate::zones::ZoneSpec;
use crate::{tcp, udp};
use publisher::Publisher;
use sockets::Sockets;

/// How long a worker that failed waits before it goes on, so that a fault that stays does not spin.
const PAUSE: Duration = Duration::from_millis(100);

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

/// Counters since the engine was made.
#[derive(Debug, Default)]
pub struct Stats {
    /// The generation of the snapshot in force.
    pub generation: u64,
    /// Answers sent, by transport and rcode.
    pub queries: HashMap<(&'static str, &'static str), u64>,
    /// Packets without an answer, by reason.
    pub drops: HashMap<&'static str, u64>,
    /// Answers by service and backend.
    pub answers: HashMap<BackendKey, u64>,
}

/// The engine.
pub struct Server {
    shared: Arc<Shared>,
    publisher: Mutex<Publisher>,
    life: Mutex<Life>,
    /// For `answer`: a worker per transport, and the buffer that they answer into.
    direct: Mutex<(Worker, Worker, Vec<u8>)>,
}

enum Life {
    New,
    Bound(Sockets),
    Running(Vec<JoinHandle<()>>, watch::Sender<bool>),
    Stopped,
}

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
            direct: Mutex::new(direct),
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
    ) -> Result<u64, PublishError> {
        lock(&self.publisher).publish(&self.shared, plans, zones)
    }

    /// Take UDP and TCP sockets, for so many workers, on every address.
    pub fn bind(
        &self,
        listen: &[SocketAddr],
        workers: usize,
    ) -> Result<Vec<SocketAddr>, BindError> {
        let mut life = lock(&self.life);
        match &*life {
            Life::New => {}
            Life::Bound(_) => return Err(LifeError::Bound.into()),
            Life::Running(..) => return Err(LifeError::Running.into()),
            Life::Stopped => return Err(LifeError::Stopped.into()),
        }
        let sockets = Sockets::bind(listen, workers.max(1))?;
        let bound = sockets.addresses.clone();
        *life = Life::Bound(sockets);
        Ok(bound)
    }

    /// Start the threads that answer.
    pub fn start(&self) -> Result<(), LifeError> {
        let mut life = lock(&self.life);
        let sockets = match std::mem::replace(&mut *life, Life::Stopped) {
            Life::Bound(sockets) => sockets,
            Life::New => {
                *life = Life::New;
                return Err(LifeError::NotBound);
            }
            Life::Running(threads, stop) => {
                *life = Life::Running(threads, stop);
                return Err(LifeError::Running);
            }
            Life::Stopped => return Err(LifeError::Stopped),
        };
        let (stop, stopped) = watch::channel(false);
        let mut threads = Vec::new();
        let spawn = |name: String, body: Box<dyn FnOnce() + Send>| {
            let thread = thread::Builder::new().name(name).spawn(body);
            thread.map_err(|error| LifeError::Thread(error.to_string()))
        };
        for (index, socket) in sockets.udp.into_iter().enumerate() {
            let mut worker = self.worker(Transport::Udp);
            let body = move || {
                supervise(&mut worker, |worker| {
                    udp::serve(&socket.socket, socket.any, worker)
                });
            };
            threads.push(spawn(format!("dnslb-udp-{index}"), Box::new(body))?);
        }
        for (index, listeners) in sockets.tcp.into_iter().enumerate() {
            let mut worker = self.worker(Transport::Tcp);
            let stopped = stopped.clone();
            let body = move || {
                supervise(&mut worker, |worker| {
                    tcp::serve(&listeners, worker, stopped.clone())
                });
            };
            threads.push(spawn(format!("dnslb-tcp-{index}"), Box::new(body))?);
        }
        *life = Life::Running(threads, stop);
        Ok(())
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
        publisher.reap();
        publisher.stats(&self.shared)
    }

    /// Answer what has been received, close the sockets and join the threads. Does nothing twice.
    pub fn stop(&self) {
        let life = std::mem::replace(&mut *lock(&self.life), Life::Stopped);
        self.shared.stopping.store(true, Ordering::Release);
        if let Life::Running(threads, stop) = life {
            let _ = stop.send(true);
            for thread in threads {
                let _ = thread.join();
            }
        }
    }

    fn worker(&self, transport: Transport) -> Worker {
        let counters: Arc<Counters> = lock(&self.publisher).counters(transport);
        Worker::new(&self.shared, &counters, seed())
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

/// Run a worker until the engine stops: neither an error of the system nor a fault of our own may
/// leave an address without an answer for good.
fn supervise(worker: &mut Worker, serve: impl Fn(&mut Worker) -> std::io::Result<()>) {
    loop {
        let ended = catch_unwind(AssertUnwindSafe(|| serve(worker)));
        if worker.is_stopping() {
            return;
        }
        if !matches!(ended, Ok(Ok(()))) {
            worker.counters().dropped(Drop::Failed);
            thread::sleep(PAUSE);
        }
    }
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
