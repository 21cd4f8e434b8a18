//! What is left of an answer beyond the rate: sound, and no longer than the query.

use std::sync::Arc;

use dnslb_engine::cookie::Cookies;
use dnslb_engine::rrl::{Budgets, Class, LimitSpec, Limited, Limits};
use dnslb_engine::settings::Settings;
use dnslb_engine::stats::{Counters, Drop, Transport};
use dnslb_engine::wire::MAX_MESSAGE;
use dnslb_engine::worker::{Shared, Worker};

use crate::generate::Generator;
use crate::{TC, check, snapshot};

const PACKETS: usize = 60_000;

/// What the option of a cookie grows by when the server's part is added.
const SERVER_COOKIE: usize = 16;

const NXDOMAIN: u16 = 3;

/// A worker of a server that gives each address family one answer a second.
fn worker(transport: Transport, slip: u8) -> (Worker, Arc<Counters>) {
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
    shared.swap(Arc::new(snapshot));
    (Worker::new(&shared, &counters, 1), counters)
}

#[test]
fn what_is_truncated_is_no_longer_than_its_query() {
    let (mut worker, counters) = worker(Transport::Udp, 1);
    let mut generator = Generator::new(0x00D5_1B01);
    let mut out = vec![0; MAX_MESSAGE];
    let truncated = || counters.limits(Limited::Truncated as usize);
    let (mut with_flag, mut without) = (0, 0);
    for index in 0..PACKETS {
        let (kind, client, packet) = generator.next();
        let before = truncated();
        let length = worker.respond(client, &packet, &mut out);
        if truncated() == before {
            continue;
        }
        let answer = &out[..length.expect("an answer")];
        let outcome = std::panic::catch_unwind(|| {
            let rcode = check(kind, Transport::Udp, &packet, Some(answer)).expect("an answer");
            assert!(answer.len() <= packet.len() + SERVER_COOKIE);
            if !packet.windows(4).any(|option| option == [0, 10, 0, 8]) {
                assert!(answer.len() <= packet.len());
            }
            rcode
        });
        let rcode = outcome.unwrap_or_else(|_| {
            panic!("packet {index}, {kind:?}, from {client}: {packet:02x?} got {answer:02x?}")
        });
        if u16::from_be_bytes([answer[2], answer[3]]) & TC != 0 {
            with_flag += 1;
        } else {
            assert_ne!(rcode, NXDOMAIN, "has records");
            without += 1;
        }
    }
    assert!(with_flag > PACKETS / 10 && without > PACKETS / 10);
}

#[test]
fn what_is_dropped_is_counted_and_tcp_is_not_limited() {
    for (transport, all) in [(Transport::Udp, false), (Transport::Tcp, true)] {
        let (mut worker, counters) = worker(transport, 0);
        let mut generator = Generator::new(0x00D5_1B02);
        let mut out = vec![0; MAX_MESSAGE];
        let (mut sent, mut due) = (0, 0);
        for _ in 0..PACKETS / 10 {
            let (_, client, packet) = generator.next();
            due += u64::from(packet.len() >= 12 && packet[2] & 0x80 == 0);
            sent += u64::from(worker.respond(client, &packet, &mut out).is_some());
        }
        assert_eq!(sent == due, all);
        assert_eq!(counters.drops(Drop::Rate as usize), due - sent);
        assert_eq!(counters.limits(Limited::Dropped as usize), due - sent);
    }
}
