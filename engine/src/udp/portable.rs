//! One packet at a time, for systems without `recvmmsg`: development, not production.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::Instant;

use socket2::Socket;

use crate::dnstap::Ends;
use crate::settings::MAX_UDP_PAYLOAD;
use crate::stats::Drop;
use crate::worker::Worker;

use super::{Drain, MAX_QUERY};

/// Answer on `socket` until the engine stops, and then, for a while, what has been received by then.
pub(super) fn serve(socket: &Socket, worker: &mut Worker) -> io::Result<()> {
    let socket: UdpSocket = socket.try_clone()?.into();
    let local = socket.local_addr()?;
    let mut packet = [0; MAX_QUERY + 1];
    let mut out = [0; MAX_UDP_PAYLOAD as usize];
    let mut drain = Drain::default();
    loop {
        let stopping = worker.is_ending();
        if stopping && drain.is_over() {
            return Ok(());
        }
        let (length, peer) = match socket.recv_from(&mut packet) {
            Ok(received) => received,
            Err(error) if is_passing(&error) => {
                if stopping {
                    return Ok(());
                }
                worker.refresh();
                continue;
            }
            Err(error) => return Err(error),
        };
        let received = Instant::now();
        worker.refresh();
        if length > MAX_QUERY {
            worker.counters().dropped(Drop::Oversize);
        } else if peer.port() == 0 || peer == local {
            worker.counters().dropped(Drop::Source);
        } else {
            let packet = &packet[..length];
            let answer = worker.respond(peer.ip(), packet, &mut out);
            let answer = answer.map(|length| &out[..length]);
            if worker.is_due() {
                worker.sample(Ends { peer, local }, packet, answer);
            }
            if let Some(answer) = answer {
                if socket.send_to(answer, peer).is_err() {
                    worker.counters().dropped(Drop::Unsent);
                }
                worker.counters().latency().add(received.elapsed(), 1);
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::ConnectionRefused
    )
}
