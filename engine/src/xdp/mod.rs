//! UDP past the kernel's sockets, on interfaces that are named for it (`AF_XDP`).
//!
//! ```text
//! frame ─▶ program, in the kernel: is it UDP for an address of ours?
//!             no  ─▶ the kernel, as ever; what is for us comes to our sockets
//!             yes ─▶ socket: memory shared with the kernel ─▶ worker ─▶ frame
//! ```
//!
//! The sockets of `udp` stay bound to the same addresses. They get what this does not take: fragments,
//! options, other interfaces, and everything where there is no program, as before and after a
//! replacement.

#[cfg(not(target_os = "linux"))]
mod absent;
#[cfg(target_os = "linux")]
mod bpf;
#[cfg(target_os = "linux")]
mod frame;
#[cfg(target_os = "linux")]
mod interface;
#[cfg(target_os = "linux")]
mod port;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod socket;

use std::io;

use thiserror::Error;

#[cfg(not(target_os = "linux"))]
pub use absent::{Port, Queue};
#[cfg(target_os = "linux")]
pub use port::{Port, Queue};

/// An interface that cannot be had.
#[derive(Debug, Error)]
#[error("{interface}: {what}: {source}")]
pub struct XdpError {
    /// Its name.
    pub interface: String,
    /// What could not be done.
    pub what: &'static str,
    /// What the system says.
    pub source: io::Error,
}

/// How the kernel runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the interface's driver, before the kernel has made anything of a packet.
    Native,
    /// Behind it, for drivers that cannot.
    Generic,
}

impl Mode {
    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

/// What an interface is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its name.
    pub interface: String,
    /// How many queues it has.
    pub queues: usize,
    /// Where the program runs.
    pub mode: Mode,
    /// Whether frames are copied between the interface's memory and ours.
    pub copies: bool,
}
