//! The UDP loop: receive a batch, answer it, send the batch.

use std::io;
use std::time::{Duration, Instant};

use socket2::Socket;

use crate::worker::Worker;

#[cfg(target_os = "linux")]
mod mmsg;
#[cfg(any(target_os = "linux", test))]
mod pace;
#[cfg(any(not(target_os = "linux"), test))]
mod portable;

/// The longest query that is received; none that means anything comes near.
const MAX_QUERY: usize = 2048;

/// How often an idle worker looks whether there is a new snapshot to move to or the engine stops.
const IDLE: Duration = Duration::from_millis(100);

/// How long a worker goes on with what keeps coming once the engine stops.
const DRAIN: Duration = Duration::from_millis(500);

/// The time left for what has been received, once the engine stops.
#[derive(Default)]
struct Drain(Option<Instant>);

impl Drain {
    /// Whether it is over; it begins with the first call.
    fn is_over(&mut self) -> bool {
        self.0.get_or_insert_with(Instant::now).elapsed() >= DRAIN
    }
}

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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::stats::{Counters, Drop, Transport};
    use crate::wire::{HEADER, Rcode};
    use crate::worker::Shared;

    type Loop = fn(&Socket, &mut Worker) -> io::Result<()>;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01";

    /// How long an answer may take on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Serve nothing yet, which fails every query, on `local` while `client` runs.
    fn run(serve: Loop, local: Ipv4Addr, client: impl FnOnce(SocketAddr)) -> Arc<Counters> {
        let shared = Arc::new(Shared::default());
        let counters = Arc::new(Counters::new(Transport::Udp));
        let mut worker = Worker::new(&shared, &counters, 1);
        let socket = UdpSocket::bind((local, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let socket = Socket::from(socket);
        socket.set_read_timeout(Some(IDLE)).unwrap();
        let thread = thread::spawn(move || serve(&socket, &mut worker));
        client(address);
        shared.stopping.store(true, Ordering::Release);
        thread.join().unwrap().unwrap();
        counters
    }

    /// Stop while clients never do.
    fn ends_under_load(serve: Loop) {
        const CLIENTS: usize = 6; // so many that the loop alone does not keep up with them
        let flooding = Arc::new(AtomicBool::new(true));
        let mut flood = Vec::new();
        run(serve, Ipv4Addr::LOCALHOST, |address| {
            let client = connect(address);
            client.send(QUERY).unwrap();
            assert_eq!(client.recv(&mut [0; 512]).unwrap(), QUERY.len());
            for _ in 0..CLIENTS {
                let client = connect(address);
                let flooding = Arc::clone(&flooding);
                flood.push(thread::spawn(move || {
                    while flooding.load(Ordering::Relaxed) {
                        let _ = client.send(QUERY);
                    }
                }));
            }
        });
        flooding.store(false, Ordering::Relaxed);
        for thread in flood {
            thread.join().unwrap();
        }
    }

    #[test]
    fn the_portable_loop_ends_under_load() {
        ends_under_load(portable::serve);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_batching_loop_ends_under_load() {
        ends_under_load(|socket, worker| mmsg::serve(socket, false, worker));
    }

    fn connect(address: SocketAddr) -> UdpSocket {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(address).unwrap();
        client
    }

    fn answers_what_it_should(serve: Loop) {
        const QUERIES: u8 = 150; // more than a batch
        let counters = run(serve, Ipv4Addr::LOCALHOST, |address| {
            let client = connect(address);
            client.send(&[0; HEADER - 1]).unwrap();
            client.send(&[0xFF; HEADER]).unwrap();
            client.send(&[0; MAX_QUERY + 1]).unwrap();
            client.send(&[0; MAX_QUERY]).unwrap();
            let mut ids: Vec<u8> = (0..QUERIES).collect();
            for &id in &ids {
                client.send(&[&[id], &QUERY[1..]].concat()).unwrap();
            }
            let mut answer = [0; 512];
            assert_eq!(client.recv(&mut answer).unwrap(), HEADER, "a form error");
            for _ in 0..QUERIES {
                let length = client.recv(&mut answer).unwrap();
                assert_eq!(length, QUERY.len());
                assert_eq!(answer[1..4], [0x34, 0x81, 0x02], "not ready");
                ids.retain(|&id| id != answer[0]);
            }
            assert!(ids.is_empty(), "without an answer: {ids:?}");
        });
        for (place, rcode) in Rcode::ALL.into_iter().enumerate() {
            let expected = match rcode {
                Rcode::FormErr => 1,
                Rcode::ServFail => u64::from(QUERIES),
                _ => 0,
            };
            assert_eq!(counters.rcode(place), expected, "{rcode:?}");
        }
        for (place, reason) in Drop::ALL.into_iter().enumerate() {
            let expected = matches!(reason, Drop::Short | Drop::Response | Drop::Oversize);
            assert_eq!(counters.drops(place), u64::from(expected), "{reason:?}");
        }
    }

    #[test]
    fn the_portable_loop_answers() {
        answers_what_it_should(portable::serve);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_batching_loop_answers() {
        answers_what_it_should(|socket, worker| mmsg::serve(socket, false, worker));
    }

    /// Send from the very socket that serves, so that each packet comes from where it goes to.
    fn ignores_itself(serve: fn(&Socket, &mut Worker, bool) -> io::Result<()>, any: bool) {
        let shared = Arc::new(Shared::default());
        let counters = Arc::new(Counters::new(Transport::Udp));
        let mut worker = Worker::new(&shared, &counters, 1);
        let local = if any {
            Ipv4Addr::UNSPECIFIED
        } else {
            Ipv4Addr::LOCALHOST
        };
        let own = UdpSocket::bind((local, 0)).unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, own.local_addr().unwrap().port()));
        let socket = Socket::from(own.try_clone().unwrap());
        socket.set_read_timeout(Some(IDLE)).unwrap();
        let thread = thread::spawn(move || serve(&socket, &mut worker, any));
        own.send_to(QUERY, address).unwrap();
        // the same port at another address is somebody else
        if !any {
            let other = (Ipv4Addr::new(127, 0, 0, 2), address.port());
            ask(&UdpSocket::bind(other).unwrap(), address);
        }
        ask(&UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), address);
        shared.stopping.store(true, Ordering::Release);
        thread.join().unwrap().unwrap();
        let answered = if any { 1 } else { 2 };
        assert_eq!(counters.rcode(Rcode::ServFail.place()), answered);
        assert_eq!(counters.drops(Drop::Source as usize), 1);
    }

    fn ask(client: &UdpSocket, address: SocketAddr) {
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.send_to(QUERY, address).unwrap();
        assert_eq!(client.recv(&mut [0; 512]).unwrap(), QUERY.len());
    }

    #[test]
    fn the_portable_loop_ignores_itself() {
        ignores_itself(|socket, worker, _| portable::serve(socket, worker), false);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_batching_loop_ignores_itself() {
        for any in [false, true] {
            ignores_itself(|socket, worker, any| mmsg::serve(socket, any, worker), any);
        }
    }

    /// A connected client takes answers from the address that it asked, and from no other.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_answer_comes_from_the_address_that_was_asked() {
        let serve: Loop = |socket, worker| mmsg::serve(socket, true, worker);
        run(serve, Ipv4Addr::UNSPECIFIED, |bound| {
            for last in 1..4 {
                let client = connect((Ipv4Addr::new(127, 0, 0, last), bound.port()).into());
                client.send(QUERY).unwrap();
                assert_eq!(client.recv(&mut [0; 512]).unwrap(), QUERY.len());
            }
        });
    }
}
