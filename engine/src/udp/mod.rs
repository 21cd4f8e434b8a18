//! The UDP loop: receive a batch, answer it, send the batch.

use std::io;
use std::time::Duration;

use socket2::Socket;

use crate::worker::Worker;

#[cfg(target_os = "linux")]
mod mmsg;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;

/// The longest query that is received; none that means anything comes near.
const MAX_QUERY: usize = 2048;

/// How often an idle worker looks whether there is a new snapshot to move to or the engine stops.
const IDLE: Duration = Duration::from_millis(100);

/// Answer on `socket` until the engine stops. `any` says that the socket is bound to the wildcard
/// address, so that answers have to name the address that was asked.
pub fn serve(socket: &Socket, any: bool, worker: &mut Worker) -> io::Result<()> {
    socket.set_read_timeout(Some(IDLE))?;
    #[cfg(target_os = "linux")]
    return mmsg::serve(socket, any, worker);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = any;
        portable::serve(socket, worker)
    }
}
