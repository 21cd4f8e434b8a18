//! Asks a server on loopback for the A records of one name, from one network after another: each query
//! says in its CLIENT-SUBNET option (RFC 7871) whom it is from, which `dnsperf` cannot vary.
//!
//! `asking SERVER NAME AMOUNT OUTSTANDING [NETWORKS]`
//!
//! AMOUNT is a number of queries, or of seconds with an `s` behind it. OUTSTANDING is how many queries are
//! kept under way; or, with a `/s` behind it, how many are sent a second, whatever comes back, and with `/s~`
//! sleeping in between, so that others can use the CPU too, rather than looking for answers all the time.
//! NETWORKS is a file with a prefix in each line, asked from in this order, again and
//! again; without it the queries carry EDNS but no option. Prints one line of JSON: what was sent, answered
//! and lost, the time, the answers' size together, how often there was each rcode, each scope (`none`:
//! no option in the answer) and each first address; and how many microseconds answers took, from the batch's
//! sending to the batch's receipt: as many of each thousand as the keys say took so long or less.

#![allow(
    unsafe_code,
    reason = "sendmmsg and recvmmsg, so that asking costs less than answering"
)]

mod answers;
mod packets;
mod queries;
mod tally;
mod way;

use std::env;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use packets::{BATCH, Packets};
use queries::Queries;
use tally::Tally;
use way::Way;

const SOCKET_BUFFER: usize = 4 << 20;
/// A server that is silent for so long has lost everything that is under way.
const SILENCE: Duration = Duration::from_secs(1);

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let ([server, name, amount, outstanding], rest) = arguments
        .split_first_chunk()
        .ok_or("usage: asking SERVER NAME AMOUNT OUTSTANDING [NETWORKS]")?;
    let server: SocketAddr = server.parse()?;
    if !server.ip().is_loopback() {
        return Err(format!("{server} is not on loopback: nobody else is put under load").into());
    }
    let queries = Queries::new(name, rest.first().map(String::as_str))?;
    let amount = match amount.strip_suffix('s') {
        Some(seconds) => Amount::Time(Duration::try_from_secs_f64(seconds.parse()?)?),
        None => Amount::Queries(amount.parse()?),
    };
    let pace = Pace::read(outstanding)?;
    let socket = Socket::new(Domain::for_address(server), Type::DGRAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.set_read_timeout(Some(SILENCE))?;
    socket.connect(&server.into())?;
    let mut tally = ask(&socket, &queries, amount, pace)?;
    println!("{}", tally.json());
    Ok(())
}

/// When to stop asking.
#[derive(Clone, Copy)]
enum Amount {
    Queries(u64),
    Time(Duration),
}

/// How many are sent.
#[derive(Clone, Copy)]
enum Pace {
    /// So many are under way.
    Window(usize),
    /// So many a second.
    Rate { each: f64, sleep: bool },
}

impl Pace {
    fn read(text: &str) -> Result<Self, Failure> {
        if let Some(rate) = text.strip_suffix("/s") {
            let (each, sleep) = (rate.parse()?, false);
            return Ok(Self::Rate { each, sleep });
        }
        if let Some(rate) = text.strip_suffix("/s~") {
            let (each, sleep) = (rate.parse()?, true);
            return Ok(Self::Rate { each, sleep });
        }
        let window: usize = text.parse()?;
        if !(1..=usize::from(u16::MAX) / 2).contains(&window) {
            return Err("OUTSTANDING has to leave half of the message IDs free".into());
        }
        Ok(Self::Window(window))
    }

    /// How many may be sent now.
    fn free(self, elapsed: Duration, sent: u64, way: &Way) -> usize {
        match self {
            Self::Window(window) => window.saturating_sub(way.count),
            Self::Rate { each, .. } => {
                let due = ((elapsed.as_secs_f64() * each) as i64).cast_unsigned();
                due.saturating_sub(sent) as usize
            }
        }
    }
}

fn ask(socket: &Socket, queries: &Queries, amount: Amount, pace: Pace) -> io::Result<Tally> {
    let fd = socket.as_raw_fd();
    let mut tally = Tally::default();
    let mut packets = Packets::new();
    let mut way = Way::default();
    let began = Instant::now();
    let mut heard = Duration::ZERO;
    loop {
        let now = began.elapsed();
        let left = match amount {
            Amount::Queries(all) => (all - tally.sent) as usize,
            Amount::Time(limit) if now < limit => usize::MAX,
            Amount::Time(_) => 0,
        };
        let free = pace.free(now, tally.sent, &way);
        let count = free.min(left).min(BATCH);
        for index in 0..count {
            let (id, lost) = way.enter(now);
            tally.lost += u64::from(lost);
            let query = queries.get(tally.sent);
            tally.sent += 1;
            let packet = &mut packets.buffers[index];
            packet[..query.len()].copy_from_slice(query);
            packet[..2].copy_from_slice(&id.to_be_bytes());
            packets.lengths[index] = query.len();
        }
        packets.send(fd, count)?;
        if way.count == 0 && left == 0 {
            break;
        }
        let wait = match pace {
            Pace::Window(_) if count == BATCH && free > BATCH => continue, // fills the window first
            Pace::Window(_) => true,
            Pace::Rate { each, sleep: true } if count < BATCH => {
                sleep_until(fd, Duration::from_secs_f64(1.0 / each))?;
                false
            }
            Pace::Rate { .. } => false,
        };
        match packets.receive(fd, wait) {
            Ok(received) => {
                heard = began.elapsed();
                for index in 0..received {
                    let answer = &packets.buffers[index][..packets.lengths[index]];
                    tally.count(answer, queries.question, heard, &mut way);
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // at a rate only what is under way at the end can be given up for lost
                if wait || (left == 0 && now.saturating_sub(heard) >= SILENCE) {
                    tally.lost += way.give_up() as u64;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    tally.seconds = match amount {
        Amount::Time(limit) if matches!(pace, Pace::Rate { .. }) => limit.as_secs_f64(),
        _ => began.elapsed().as_secs_f64(),
    };
    Ok(tally)
}

/// Wait until something can be received, but no longer than `limit`.
fn sleep_until(fd: RawFd, limit: Duration) -> io::Result<()> {
    let mut interest = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    let limit = libc::timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: limit.subsec_nanos().into(),
    };
    // SAFETY: one descriptor of ours, a valid time, no signal mask.
    let done = unsafe { libc::ppoll(&raw mut interest, 1, &raw const limit, ptr::null()) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
