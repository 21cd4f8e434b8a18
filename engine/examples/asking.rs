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

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fmt::{Display, Write as _};
use std::fs;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::time::{Duration, Instant};

use dnslb_engine::wire::name;
use libc::{c_uint, iovec, mmsghdr};
use socket2::{Domain, Socket, Type};

/// Packets per system call.
const BATCH: usize = 64;
/// Room for a query or an answer.
const BUFFER: usize = 1280;
const SOCKET_BUFFER: usize = 4 << 20;
/// A server that is silent for so long has lost everything that is under way.
const SILENCE: Duration = Duration::from_secs(1);

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_OPT: u16 = 41;
const CLIENT_SUBNET: u16 = 8;
/// Where rdata begin, counted from the end of the owner name: type, class, TTL, length.
const RDATA: usize = 10;

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
            let id = way.enter(now, &mut tally);
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
                    tally.lost += way.count as u64;
                    way = Way {
                        next: way.next,
                        ..Way::default()
                    };
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

/// What is under way, by message ID. IDs are given in turn, so that one which comes round again still under
/// way belongs to a query that was lost.
struct Way {
    /// When each was sent, in nanoseconds since the start; 0: not under way.
    open: Box<[u64]>,
    next: u16,
    count: usize,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            open: vec![0; 1 << 16].into(),
            next: 0,
            count: 0,
        }
    }
}

impl Way {
    fn enter(&mut self, now: Duration, tally: &mut Tally) -> u16 {
        let id = self.next;
        self.next = id.wrapping_add(1);
        let sent = now.as_nanos().max(1) as u64;
        if mem::replace(&mut self.open[usize::from(id)], sent) == 0 {
            self.count += 1;
        } else {
            tally.lost += 1;
        }
        id
    }

    /// When the query that an answer to `id` is awaited to was sent; nothing when none is. None is any more
    /// from now on.
    fn leave(&mut self, id: u16) -> Option<Duration> {
        let sent = mem::take(&mut self.open[usize::from(id)]);
        self.count -= usize::from(sent != 0);
        (sent != 0).then(|| Duration::from_nanos(sent))
    }
}

/// The queries, as they are sent but for the ID.
struct Queries {
    packets: Vec<Vec<u8>>,
    /// Where the question ends.
    question: usize,
}

impl Queries {
    fn new(name: &str, networks: Option<&str>) -> Result<Self, Failure> {
        let name = name::from_text(&format!("{}.", name.trim_end_matches('.')))
            .ok_or_else(|| format!("{name}: no domain name"))?;
        let head = [
            &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1][..],
            &name,
            &[0, 1, 0, 1],
        ]
        .concat();
        let question = head.len();
        let packet = |option: &[u8]| {
            let length = (option.len() as u16).to_be_bytes();
            [
                &head,
                &b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00"[..],
                &length,
                option,
            ]
            .concat()
        };
        let packets = match networks {
            None => vec![packet(&[])],
            Some(path) => fs::read_to_string(path)?
                .lines()
                .map(|line| {
                    Ok(packet(
                        &option(line).ok_or_else(|| format!("{path}: {line}"))?,
                    ))
                })
                .collect::<Result<_, Failure>>()?,
        };
        if packets.is_empty() {
            return Err("no network to ask from".into());
        }
        Ok(Self { packets, question })
    }

    fn get(&self, number: u64) -> &[u8] {
        &self.packets[(number % self.packets.len() as u64) as usize]
    }
}

/// A CLIENT-SUBNET option for a prefix, which has no bits set beyond its length.
fn option(prefix: &str) -> Option<Vec<u8>> {
    let (address, length) = prefix.split_once('/')?;
    let source: u8 = length.parse().ok()?;
    let (family, octets) = match address.parse().ok()? {
        IpAddr::V4(address) => (1, address.octets().to_vec()),
        IpAddr::V6(address) => (2, address.octets().to_vec()),
    };
    let address = octets.get(..usize::from(source).div_ceil(8))?;
    let length = 4 + address.len() as u8;
    let head = [0, CLIENT_SUBNET as u8, 0, length, 0, family, source, 0];
    Some([&head, address].concat())
}

/// What came of the queries.
#[derive(Default)]
struct Tally {
    sent: u64,
    answered: u64,
    lost: u64,
    octets: u64,
    seconds: f64,
    rcodes: BTreeMap<u8, u64>,
    scopes: BTreeMap<Option<u8>, u64>,
    addresses: BTreeMap<Ipv4Addr, u64>,
    /// How long each answer took, in nanoseconds.
    took: Vec<u32>,
}

impl Tally {
    fn count(&mut self, answer: &[u8], question: usize, now: Duration, way: &mut Way) {
        let [high, low, flags, codes, ..] = *answer else {
            return;
        };
        if flags & 0x80 == 0 {
            return; // no answer
        }
        let Some(sent) = way.leave(u16::from_be_bytes([high, low])) else {
            return; // an answer to what counts as lost
        };
        self.answered += 1;
        let took = now.saturating_sub(sent).as_nanos();
        self.took.push(u32::try_from(took).unwrap_or(u32::MAX));
        self.octets += answer.len() as u64;
        *self.rcodes.entry(codes & 0x0F).or_default() += 1;
        let seen = Seen::of(answer, question).unwrap_or_default();
        *self.scopes.entry(seen.scope).or_default() += 1;
        if let Some(address) = seen.address {
            *self.addresses.entry(address).or_default() += 1;
        }
    }

    fn json(&mut self) -> String {
        self.took.sort_unstable();
        let took = [500, 990, 999, 1000].map(|share: usize| {
            let at = self.took.len() * share / 1000;
            let one = self.took.get(at).or(self.took.last());
            let microseconds = one.map_or(0.0, |&nanoseconds| f64::from(nanoseconds) / 1e3);
            (share, microseconds)
        });
        let none = "none".to_owned();
        let scopes = self.scopes.iter().map(|(scope, count)| {
            let scope = scope.map_or_else(|| none.clone(), |scope| scope.to_string());
            (scope, *count)
        });
        format!(
            "{{\"sent\": {}, \"answered\": {}, \"lost\": {}, \"seconds\": {:.6}, \"octets\": {}, \
             \"rcodes\": {}, \"scopes\": {}, \"addresses\": {}, \"took\": {}}}",
            self.sent,
            self.answered,
            self.lost,
            self.seconds,
            self.octets,
            object(self.rcodes.iter().map(|(rcode, count)| (rcode, *count))),
            object(scopes),
            object(
                self.addresses
                    .iter()
                    .map(|(address, count)| (address, *count))
            ),
            object(took),
        )
    }
}

fn object(counts: impl IntoIterator<Item = (impl Display, impl Display)>) -> String {
    let mut text = String::new();
    for (key, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        write!(text, "{comma}\"{key}\": {count}").expect("writing to a string");
    }
    format!("{{{text}}}")
}

/// What an answer holds that is counted.
#[derive(Default)]
struct Seen {
    address: Option<Ipv4Addr>,
    scope: Option<u8>,
}

impl Seen {
    /// Reads an answer whose question ends at `question`; nothing when it ends too early.
    fn of(answer: &[u8], question: usize) -> Option<Self> {
        let mut seen = Self::default();
        let counts = answer.get(6..HEADER)?.as_chunks().0;
        let records: u32 = counts
            .iter()
            .map(|&of| u32::from(u16::from_be_bytes(of)))
            .sum();
        let mut rest = answer.get(question..)?;
        for _ in 0..records {
            rest = past_name(rest)?;
            let (rtype, length) = (word(rest)?, usize::from(word(rest.get(RDATA - 2..)?)?));
            let rdata = rest.get(RDATA..)?.get(..length)?;
            match rtype {
                TYPE_A if seen.address.is_none() => {
                    seen.address = rdata.first_chunk().map(|&octets| Ipv4Addr::from(octets));
                }
                TYPE_OPT => seen.scope = scope(rdata),
                _ => {}
            }
            rest = rest.get(RDATA + length..)?;
        }
        Some(seen)
    }
}

fn past_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        match *bytes.first()? {
            0 => return bytes.get(1..),
            0xC0.. => return bytes.get(2..),
            length => bytes = bytes.get(1 + usize::from(length)..)?,
        }
    }
}

/// The SCOPE PREFIX-LENGTH among an OPT record's options.
fn scope(mut options: &[u8]) -> Option<u8> {
    while let (Some(code), Some(length)) = (word(options), options.get(2..).and_then(word)) {
        if code == CLIENT_SUBNET {
            return options.get(7).copied();
        }
        options = options.get(4 + usize::from(length)..)?;
    }
    None
}

fn word(bytes: &[u8]) -> Option<u16> {
    bytes
        .first_chunk()
        .map(|&octets| u16::from_be_bytes(octets))
}

/// Buffers for a batch; the kernel is shown them only while it is called.
struct Packets {
    buffers: Vec<[u8; BUFFER]>,
    lengths: [usize; BATCH],
}

impl Packets {
    fn new() -> Self {
        Self {
            buffers: vec![[0; BUFFER]; BATCH],
            lengths: [0; BATCH],
        }
    }

    /// Send the first `count` packets.
    fn send(&mut self, fd: RawFd, count: usize) -> io::Result<()> {
        let mut sent = 0;
        while sent < count {
            let lengths = self.lengths;
            sent += self.with_headers(
                sent..count,
                |index| lengths[index],
                |headers| {
                    // SAFETY: the headers point at buffers of the lengths they state, all alive.
                    unsafe { libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as c_uint, 0) }
                },
            )?;
        }
        Ok(())
    }

    /// Take packets, waiting for the first where told to, and return how many came.
    fn receive(&mut self, fd: RawFd, wait: bool) -> io::Result<usize> {
        self.with_headers(
            0..BATCH,
            |_| BUFFER,
            |headers| {
                let flags = if wait {
                    libc::MSG_WAITFORONE
                } else {
                    libc::MSG_DONTWAIT
                };
                let (start, count) = (headers.as_mut_ptr(), headers.len() as c_uint);
                // SAFETY: as in `send`.
                unsafe { libc::recvmmsg(fd, start, count, flags as _, ptr::null_mut()) }
            },
        )
    }

    /// Make a system call with headers for some of the buffers; keep the lengths it tells.
    fn with_headers(
        &mut self,
        range: std::ops::Range<usize>,
        length: impl Fn(usize) -> usize,
        call: impl FnOnce(&mut [mmsghdr]) -> i32,
    ) -> io::Result<usize> {
        // SAFETY: all-zero is a valid value of these plain C structures: null pointers and numbers.
        let (mut vectors, mut headers): ([iovec; BATCH], [mmsghdr; BATCH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let first = range.start;
        for index in range.clone() {
            vectors[index].iov_base = self.buffers[index].as_mut_ptr().cast();
            vectors[index].iov_len = length(index);
            headers[index].msg_hdr.msg_iov = &raw mut vectors[index];
            headers[index].msg_hdr.msg_iovlen = 1;
        }
        let done = call(&mut headers[range]);
        let done = usize::try_from(done).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths[first..]
            .iter_mut()
            .zip(&headers[first..])
            .take(done)
        {
            *length = header.msg_len as usize;
        }
        Ok(done)
    }
}
