//! The input that takes the longest.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::time::{ClockId, clock_gettime};

/// The folder that the slowest inputs are kept in; without it, they are told only.
const FOLDER: &str = "DNSLB_FUZZ_SLOWEST";

/// An input that seems slow is timed so many times, of which the fastest counts: others were disturbed.
const RUNS: usize = 10;

/// Calls that are timed together, as the clock costs more than a short one ...
const CALLS: u32 = 16;

/// ... and where one call takes so long, it is timed by itself.
const LONG: Duration = Duration::from_micros(100);

/// The longest time that any input has taken so far.
pub(crate) struct Slowest {
    /// What it is the slowest of, in one word.
    what: &'static str,
    most: Duration,
    folder: Option<OsString>,
}

impl Slowest {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            most: Duration::ZERO,
            folder: env::var_os(FOLDER),
        }
    }

    /// Do the `work` of an input, and say so if it is the slowest one.
    pub(crate) fn time(&mut self, input: &[u8], mut work: impl FnMut()) {
        let began = Instant::now();
        work();
        let seemed = began.elapsed();
        if seemed <= self.most {
            return;
        }
        let calls = if seemed < LONG { CALLS } else { 1 };
        let mut least = Duration::MAX;
        for _ in 0..RUNS {
            let began = cpu();
            for _ in 0..calls {
                work();
            }
            least = least.min(cpu().saturating_sub(began) / calls);
            if least <= self.most {
                return;
            }
        }
        self.most = least;
        eprintln!("slowest {}: {:.2} us", self.what, least.as_secs_f64() * 1e6);
        if let Some(folder) = &self.folder {
            let _ = fs::write(Path::new(folder).join(self.what), input); // told all the same
        }
    }
}

/// The CPU time of this thread, which no other takes from.
fn cpu() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime)
        .try_into()
        .unwrap_or_default()
}
