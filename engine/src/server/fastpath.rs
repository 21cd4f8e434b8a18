//! Interfaces that queries are taken from past the sockets, and the threads that do.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::worker::Worker;
use crate::xdp::{Opened, Port, Queue, XdpError};

use super::lock;

/// What is needed to take interfaces, and those that are taken.
#[derive(Default)]
pub(super) struct FastPath {
    /// The addresses that are served, once they are bound.
    pub(super) listen: Vec<SocketAddr>,
    ports: Vec<Arc<Port>>,
    /// Queues that nobody serves yet.
    waiting: Vec<Queue>,
    threads: Vec<JoinHandle<()>>,
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

    /// Give each queue that waits a thread of its own.
    pub(super) fn start(
        &mut self,
        mut spawn: impl FnMut(usize, Kept) -> io::Result<JoinHandle<()>>,
    ) -> io::Result<()> {
        for queue in std::mem::take(&mut self.waiting) {
            let number = self.threads.len();
            queue.start()?;
            self.threads.push(spawn(number, Mutex::new(queue))?);
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
}

/// Serve a queue with a worker.
pub(super) fn serve(queue: &Kept, worker: &mut Worker) -> io::Result<()> {
    lock(queue).serve(worker)
}
