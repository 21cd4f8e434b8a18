//! Interfaces whose queries are taken past the sockets, and the threads that do.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::lock;
use crate::stats::Counters;
use crate::wire::Rcode;
use crate::worker::Worker;
use crate::xdp::{Opened, Port, Queue, XdpError};

/// What is needed to take interfaces, and those that are taken.
#[derive(Default)]
pub(super) struct FastPath {
    /// The addresses that are served, once they are bound.
    pub(super) listen: Vec<SocketAddr>,
    ports: Vec<Arc<Port>>,
    /// Queues that nobody serves yet.
    waiting: Vec<Queue>,
    threads: Vec<JoinHandle<()>>,
    /// Of all threads that there have been, by interface.
    counters: Vec<(String, Arc<Counters>)>,
}

/// A queue that its thread takes anew when it failed.
pub(super) type Kept = Mutex<Queue>;

impl FastPath {
    /// Take all of `interfaces`, or none.
    pub(super) fn take(&mut self, interfaces: &[String]) -> Result<Vec<Opened>, XdpError> {
        let mut taken = Vec::new();
        let mut all = Vec::new();
        for name in interfaces {
            let (queues, opened) = Port::open(name, &self.listen)?;
            taken.extend(queues);
            all.push(opened);
        }
        let ports = taken.iter().map(|queue| Arc::clone(queue.port()));
        self.ports.extend(ports);
        self.waiting.extend(taken);
        Ok(all)
    }

    /// Give each queue that waits a thread of its own, which `spawn` starts and counts.
    pub(super) fn start(
        &mut self,
        mut spawn: impl FnMut(usize, Kept) -> io::Result<(JoinHandle<()>, Arc<Counters>)>,
    ) -> io::Result<()> {
        for queue in std::mem::take(&mut self.waiting) {
            let number = self.threads.len();
            let name = queue.port().name().to_owned();
            queue.start()?;
            let (thread, counters) = spawn(number, Mutex::new(queue))?;
            self.threads.push(thread);
            self.counters.push((name, counters));
        }
        Ok(())
    }

    /// Let go of all interfaces: what was received is answered first.
    pub(super) fn release(&mut self) {
        for port in &self.ports {
            port.end();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
        self.waiting.clear();
        self.ports.clear();
    }

    /// How many answers were made by each interface.
    pub(super) fn answers(&self) -> HashMap<String, u64> {
        let mut answers = HashMap::new();
        for (name, counters) in &self.counters {
            let count: u64 = (0..Rcode::ALL.len()).map(|at| counters.rcode(at)).sum();
            *answers.entry(name.clone()).or_default() += count;
        }
        answers
    }
}

/// Serve a queue with a worker.
pub(super) fn serve(queue: &Kept, worker: &mut Worker) -> io::Result<()> {
    lock(queue).serve(worker)
}
