//! What `xdp` is on systems without `AF_XDP`: nothing that could be had.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Opened, XdpError};
use crate::worker::Worker;

/// An interface, which nobody has.
pub enum Port {}

/// A queue of an interface, which nobody has.
pub enum Queue {}

impl Port {
    /// Say that there is no such thing here.
    pub fn open(name: &str, _listen: &[SocketAddr]) -> Result<(Vec<Queue>, Opened), XdpError> {
        Err(XdpError {
            interface: name.to_owned(),
            what: "only Linux has AF_XDP",
            source: io::ErrorKind::Unsupported.into(),
        })
    }

    /// Never called.
    #[must_use]
    pub fn name(&self) -> &str {
        match *self {}
    }

    /// Never called.
    pub fn end(&self) {}
}

impl Queue {
    /// Never called.
    #[must_use]
    pub fn port(&self) -> &Arc<Port> {
        match *self {}
    }

    /// Never called.
    pub fn start(&self) -> io::Result<()> {
        match *self {}
    }

    /// Never called.
    pub fn serve(&mut self, _worker: &mut Worker) -> io::Result<()> {
        match *self {}
    }
}
