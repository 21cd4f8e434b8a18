//! The answering half of dnslb.
//!
//! Python decides, the engine answers: everything here walks what was published and decides nothing.
//! Layers look down only:
//!
//! ```text
//! python    the only file that knows PyO3
//! server    sockets, threads, publishing
//! udp, tcp, xdp/  carry packets      worker    one thread's share: snapshot, counters, dice
//! dnstap/   the query log: samples, copied by workers, told by a thread of its own
//! respond   packet in, answer out: pure      reply, chain   the response in the making
//! rrl/      what is beyond the rate that a network has a right to
//! settings  how answers look in general     cookie   who has shown that it receives what we send
//! geo/      databases of locations: MaxMind's format
//! networks/ address → label: what answers by location are looked up in
//! lookup    owner name → zone content      select   plan → leaf
//! ahead     a batch's way through memory, before its answers are made
//! zones     records → tables, and rules     plan     what plans compile to
//! master    reads master files
//! wire/     the format of messages
//! ```

mod ahead;
mod chain;
pub mod cookie;
pub mod dnstap;
pub mod geo;
pub mod latency;
pub mod lookup;
pub mod master;
pub mod networks;
pub mod plan;
mod reply;
pub mod respond;
pub mod rrl;
pub mod select;
pub mod server;
pub mod settings;
pub mod snapshot;
pub mod stats;
pub mod tcp;
pub mod udp;
pub mod wire;
pub mod worker;
pub mod xdp;
pub mod zones;

#[cfg(feature = "python")]
mod python;
