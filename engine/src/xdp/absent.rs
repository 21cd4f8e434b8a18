//! What `xdp` is on systems without `AF_XDP`: nothing that could be had.

use std::io;
use std::net::SocketAddr;

use super::{Opened, XdpError};
use crate::worker::Worker;

/// An interface, which nobody has.
pub enum Port {}

/// A queue of an interface, which nobody has.
pub enum Queue {}

impl Port {
    /// Say that there is no such thing here.
    pub fn prepare(name: &str, _listen: &[SocketAddr]) -> Result<(Self, Vec<Queue>), XdpError> {
        Err(XdpError {
            interface: name.to_owned(),
            what: "only Linux has AF_XDP",
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Never called.
    pub fn attach(&self, _queues: &mut [Queue]) -> Result<Opened, XdpError> {
        match *self {}
    }

    /// Never called.
    pub fn end(&self) {}

    /// Never called.
    #[must_use]
    pub fn name(&self) -> &str {
        match *self {}
    }
}

impl Queue {
    /// Never called.
    pub fn serve(&mut self, _port: &Port, _worker: &mut Worker) -> io::Result<()> {
        match *self {}
    }
}
