//! What is left of an answer beyond the rate: sound, and no longer than the query.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use dnslb_engine::cookie::Cookies;
use dnslb_engine::rrl::{Budgets, Class, LimitSpec, Limited, Limits};
use dnslb_engine::settings::Settings;
use dnslb_engine::snapshot::Snapshot;
use dnslb_engine::stats::{Counters, Drop, Transport};
use dnslb_engine::wire::MAX_MESSAGE;
use dnslb_engine::worker::{Shared, Worker};

use crate::arena::Way;
use crate::check::{Outcome, check_bare};
use crate::generate::Generator;
use crate::{corpus, snapshot};

const PACKETS: usize = 60_000;

/// What the option of a cookie grows by when the server's part is added.
const SERVER_COOKIE: usize = 16;

const NXDOMAIN: u16 = 3;

/// A worker of a server that gives each address family one answer a second, and its snapshot.
fn worker(transport: Transport, slip: u8) -> (Worker, Arc<Counters>, Arc<Snapshot>) {
    let limits = Limits::new(&LimitSpec {
        log_only: false,
        rates: [1; Class::ALL.len()],
        burst: 0,
        slip,
        prefix: (0, 0),
        exempt: Vec::new(),
    });
    let (mut snapshot, tallies) = snapshot::everything();
    snapshot.settings = Arc::new(Settings {
        identity: Some(Box::from(&[b'i'; 100][..])),
        cookies: Some(Cookies {
            secrets: Box::from([[7; 16]]),
            required: false,
        }),
        rrl: Some(limits),
        ..Settings::default()
    });
    let counters = Arc::new(Counters::new(transport));
    counters.reserve(tallies);
    let shared = Arc::new(Shared::default());
    shared.budgets.get_or_init(Budgets::default);
    let snapshot = Arc::new(snapshot);
    shared.swap(Arc::clone(&snapshot));
    (Worker::new(&shared, &counters, 1), counters, snapshot)
}

#[test]
fn what_is_truncated_is_no_longer_than_its_query() {
    let (mut worker, counters, snapshot) = worker(Transport::Udp, 1);
    let mut generator = Generator::new(0x00D5_1B01);
    let mut out = vec![0; MAX_MESSAGE];
    let truncated = || counters.limits(Limited::Truncated as usize);
    let (mut with_flag, mut without) = (0, 0);
    for index in 0..PACKETS {
        let (kind, way, packet) = generator.next();
        let way = Way {
            transport: Transport::Udp,
            ..way
        };
        let before = truncated();
        let length = worker.respond(way.client, &packet, &mut out);
        if truncated() == before {
            continue;
        }
        let answer = &out[..length.expect("an answer")];
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let outcome = check_bare(way, &snapshot, &packet, answer);
            assert!(answer.len() <= packet.len() + SERVER_COOKIE);
            if !packet.windows(4).any(|option| option == [0, 10, 0, 8]) {
                assert!(answer.len() <= packet.len());
            }
            outcome
        }));
        let outcome = outcome.unwrap_or_else(|_| {
            let [packet, got] = [&packet[..], answer].map(corpus::write);
            panic!("packet {index}, {kind:?}, {way:?}:\n{packet}got {got}")
        });
        if let Outcome::Message(_, true) = outcome {
            with_flag += 1;
        } else {
            assert_ne!(outcome.rcode(), Some(NXDOMAIN), "has records");
            without += 1;
        }
    }
    assert!(with_flag > PACKETS / 10 && without > PACKETS / 10);
}

#[test]
fn what_is_dropped_is_counted_and_tcp_is_not_limited() {
    for (transport, all) in [(Transport::Udp, false), (Transport::Tcp, true)] {
        let (mut worker, counters, _) = worker(transport, 0);
        let mut generator = Generator::new(0x00D5_1B02);
        let mut out = vec![0; MAX_MESSAGE];
        let (mut sent, mut due) = (0, 0);
        for _ in 0..PACKETS / 10 {
            let (_, way, packet) = generator.next();
            due += u64::from(packet.len() >= 12 && packet[2] & 0x80 == 0);
            sent += u64::from(worker.respond(way.client, &packet, &mut out).is_some());
        }
        assert_eq!(sent == due, all);
        assert_eq!(counters.drops(Drop::Rate as usize), due - sent);
        assert_eq!(counters.limits(Limited::Dropped as usize), due - sent);
    }
}
