//! Interfaces whose queries are taken past the sockets, and the threads that do.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use crate::stats::Counters;
use crate::wire::Rcode;
use crate::xdp::{Opened, Port, Queue, XdpError};

/// Interfaces on their way: prepared, then with threads that wait, then attached.
#[derive(Default)]
pub(super) struct FastPath {
    /// Interfaces that are not attached yet, each with its queues.
    prepared: Vec<(Port, Vec<Queue>)>,
    /// Where the threads that wait get their queues from, in the order of `prepared`.
    waiting: Vec<Sender<Task>>,
    attached: Vec<Arc<Port>>,
    threads: Vec<JoinHandle<()>>,
    /// Of all threads, by interface.
    counters: Vec<(String, Arc<Counters>)>,
}

/// What a thread is to serve.
pub(super) type Task = (Arc<Port>, Queue);

/// Starts a thread, which has a number and gets its task later, and tells where it counts.
pub(super) type Start<'s> =
    &'s mut dyn FnMut(usize, Receiver<Task>) -> io::Result<(JoinHandle<()>, Arc<Counters>)>;

impl FastPath {
    /// Make ready what it takes to have the queries of all of `interfaces`, or of none.
    pub(super) fn prepare(
        &mut self,
        interfaces: &[String],
        listen: &[SocketAddr],
    ) -> Result<(), XdpError> {
        let ports = interfaces.iter().map(|name| Port::prepare(name, listen));
        self.prepared = ports.collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Start a thread for each queue of the interfaces that are prepared.
    pub(super) fn start(&mut self, start: Start<'_>) -> io::Result<()> {
        for (port, queues) in &self.prepared {
            for _ in queues {
                let (task, waits) = mpsc::channel();
                let (thread, counters) = start(self.threads.len(), waits)?;
                self.waiting.push(task);
                self.threads.push(thread);
                self.counters.push((port.name().to_owned(), counters));
            }
        }
        Ok(())
    }

    /// Have the queries of all interfaces that are prepared, or of none.
    pub(super) fn attach(&mut self) -> Result<Vec<Opened>, XdpError> {
        let mut all = Vec::new();
        let mut tasks = std::mem::take(&mut self.waiting).into_iter();
        for (port, mut queues) in std::mem::take(&mut self.prepared) {
            match port.attach(&mut queues) {
                Ok(opened) => all.push(opened),
                Err(error) => {
                    drop(tasks); // whose threads end
                    self.release();
                    return Err(error);
                }
            }
            let port = Arc::new(port);
            self.attached.push(Arc::clone(&port));
            for (queue, task) in queues.into_iter().zip(&mut tasks) {
                let _ = task.send((Arc::clone(&port), queue)); // the thread waits
            }
        }
        Ok(all)
    }

    /// Let go of all interfaces: the sockets get what comes by them, and what was received is answered.
    pub(super) fn release(&mut self) {
        self.prepared.clear();
        self.waiting.clear();
        for port in self.attached.drain(..) {
            port.end();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
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
