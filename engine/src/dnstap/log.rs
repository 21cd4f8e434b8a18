//! The thread of the query log: takes samples out of the rings, and writes them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

use super::message::Form;
use super::output::{Output, Target};
use super::{Sampling, frames};

/// How often rings are looked at when nothing was there, and when something was.
const IDLE: Duration = Duration::from_millis(50);
const BUSY: Duration = Duration::from_millis(2);

/// A reader that takes nothing for so long is given up.
const STUCK: Duration = Duration::from_secs(5);

/// How long to wait before another attempt to open: so long at first, doubled up to the most.
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// How long what was sampled may take to be written once the log ends.
const FAREWELL: Duration = Duration::from_secs(1);

/// The query log of a server, which may be changed while it runs.
#[derive(Default)]
pub struct QueryLog {
    counts: Arc<Counts>,
    running: Mutex<Option<Running>>,
}

/// What became of samples.
#[derive(Default)]
struct Counts {
    /// Frames written.
    written: AtomicU64,
    /// Samples that came faster than they were written.
    full: AtomicU64,
    /// Samples while there was nobody to write to.
    unconnected: AtomicU64,
    /// Frames that were on their way when the reader went.
    lost: AtomicU64,
    open: AtomicBool,
    /// Why the target is not open.
    problem: Mutex<Option<String>>,
}

/// The log's figures.
#[derive(Clone, Debug, Default)]
pub struct LogStats {
    /// Frames written.
    pub written: u64,
    /// What was not written, by reason; samples, and of those on their way, frames.
    pub dropped: [(&'static str, u64); 3],
    /// Whether there is somebody to write to.
    pub open: bool,
    /// Why not, if that was tried.
    pub problem: Option<String>,
}

struct Running {
    target: Target,
    form: Form,
    orders: Arc<Orders>,
    thread: JoinHandle<()>,
}

/// What the thread is told.
#[derive(Default)]
struct Orders {
    end: AtomicBool,
    look: AtomicBool,
}

impl QueryLog {
    /// Log to `target` from now on, each query with this probability; None: not at all.
    ///
    /// What goes where it went before goes on without a gap; a file that was moved away is begun anew.
    pub fn set(
        &self,
        sampling: &Arc<Sampling>,
        wanted: Option<(Target, Form, f64)>,
    ) -> io::Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((target, form, probability)) = wanted else {
            sampling.set_log(0.0);
            end(running.take());
            return Ok(());
        };
        match &*running {
            Some(now) if (&now.target, &now.form) == (&target, &form) => {
                now.orders.look.store(true, Ordering::Relaxed);
                now.thread.thread().unpark();
            }
            _ => {
                end(running.take());
                let orders = Arc::new(Orders::default());
                let writer = Writer {
                    target: target.clone(),
                    form: form.clone(),
                    orders: Arc::clone(&orders),
                    counts: Arc::clone(&self.counts),
                    sampling: Arc::clone(sampling),
                    output: None,
                    frames: Vec::new(),
                    held: 0,
                };
                let thread = thread::Builder::new()
                    .name("dnslb-dnstap".to_owned())
                    .spawn(|| writer.run())?;
                *running = Some(Running {
                    target,
                    form,
                    orders,
                    thread,
                });
            }
        }
        sampling.set_log(probability);
        Ok(())
    }

    /// The figures since the server was made.
    pub fn stats(&self) -> LogStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let problem = counts
            .problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        LogStats {
            written: read(&counts.written),
            dropped: [
                ("full", read(&counts.full)),
                ("unconnected", read(&counts.unconnected)),
                ("lost", read(&counts.lost)),
            ],
            open: counts.open.load(Ordering::Relaxed),
            problem: problem.clone(),
        }
    }
}

fn end(running: Option<Running>) {
    if let Some(Running { orders, thread, .. }) = running {
        orders.end.store(true, Ordering::Release);
        thread.thread().unpark();
        let _ = thread.join();
    }
}

/// What the thread works with.
struct Writer {
    target: Target,
    form: Form,
    orders: Arc<Orders>,
    counts: Arc<Counts>,
    sampling: Arc<Sampling>,
    output: Option<Output>,
    /// Frames that wait to be written, whole but for the first.
    frames: Vec<u8>,
    /// How many they are.
    held: u64,
}

impl Writer {
    fn run(mut self) {
        let mut backoff = BACKOFF;
        let mut due = Instant::now();
        while !self.is_ending() {
            if self.orders.look.swap(false, Ordering::Relaxed) {
                due = Instant::now();
                if let Some(moved) = self.output.take_if(|output| output.has_moved()) {
                    moved.close();
                }
            }
            if self.output.is_none() && Instant::now() >= due {
                match Output::open(&self.target) {
                    Ok(output) => {
                        self.output = Some(output);
                        backoff = BACKOFF;
                        self.tell(None);
                    }
                    Err(error) => {
                        due = Instant::now() + backoff;
                        backoff = (backoff * 2).min(MAX_BACKOFF);
                        self.tell(Some(error.to_string()));
                    }
                }
            }
            let found = self.drain();
            if let Err(error) = self.flush() {
                self.lose(&error);
                due = Instant::now() + backoff;
            } else if !found && self.output.as_ref().is_some_and(Output::is_gone) {
                self.lose(&io::Error::other("the reader has gone"));
                due = Instant::now() + backoff;
            }
            thread::park_timeout(if found { BUSY } else { IDLE });
        }
        self.drain();
        let _ = self.flush();
        add(&self.counts.lost, mem::take(&mut self.held));
        if let Some(output) = self.output.take()
            && self.frames.is_empty()
        {
            output.close();
        }
        self.tell(None);
    }

    fn is_ending(&self) -> bool {
        self.orders.end.load(Ordering::Acquire)
    }

    /// Take what was sampled. Returns whether there was anything.
    fn drain(&mut self) -> bool {
        let mut found = 0;
        let Self {
            form, frames, held, ..
        } = self;
        let open = self.output.is_some();
        let full = self.sampling.drain(|record| {
            found += 1;
            if open {
                form.tell(&record, |data| {
                    frames::append(frames, data);
                    *held += 1;
                });
            }
        });
        self.counts.full.store(full, Ordering::Relaxed);
        if !open {
            add(&self.counts.unconnected, found);
        }
        found > 0
    }

    /// Write what is held. Fails when nothing of it is taken for too long.
    fn flush(&mut self) -> io::Result<()> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let mut sent = 0;
        let mut moved = Instant::now();
        while sent < self.frames.len() {
            let count = output.write(&self.frames[sent..])?;
            sent += count;
            if count > 0 {
                moved = Instant::now();
            }
            let patience = if self.orders.end.load(Ordering::Acquire) {
                FAREWELL
            } else {
                STUCK
            };
            if moved.elapsed() >= patience {
                return Err(io::Error::other("the reader takes nothing"));
            }
        }
        self.frames.clear();
        add(&self.counts.written, mem::take(&mut self.held));
        Ok(())
    }

    /// Give up the output, and what was on its way.
    fn lose(&mut self, error: &io::Error) {
        self.output = None;
        self.frames.clear();
        add(&self.counts.lost, mem::take(&mut self.held));
        self.tell(Some(error.to_string()));
    }

    fn tell(&self, problem: Option<String>) {
        self.counts
            .open
            .store(self.output.is_some(), Ordering::Relaxed);
        let place = &self.counts.problem;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
