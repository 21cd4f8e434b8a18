//! Queries of every sort, each answered in a function of its own, for `bench/instructions.py` to count the
//! instructions that `respond` takes for one.
//!
//! Under callgrind; run alone it prints nothing. Each sort is answered `ROUNDS` times over, so the numbers are
//! those of a warm server; what callgrind counts does not depend on the machine's load.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use dnslb_engine::cookie::Cookies;
use dnslb_engine::networks::Builder;
use dnslb_engine::plan::{BackendSpec, NodeSpec, PlanSpec, Plans, ServicePlan, SlotCache};
use dnslb_engine::settings::Settings;
use dnslb_engine::snapshot::Snapshot;
use dnslb_engine::stats::{Counters, Transport};
use dnslb_engine::wire::Rcode;
use dnslb_engine::worker::{Shared, Worker};
use dnslb_engine::zones::{ZoneSpec, Zones};

mod zone;

use zone::wire;

/// How often each sort's queries are answered.
const ROUNDS: usize = 20;

/// Different queries of one sort.
const QUERIES: usize = 100;

/// Names with an address in the zone.
const NAMES: usize = 1_000;

const A: u16 = 1;
const HTTPS: u16 = 65;

/// EDNS with a payload of 1232 octets and no option.
const PLAIN: &[u8] = b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x00";
/// The same with the cookie of a client that has none of the server's yet.
const COOKIE: &[u8] =
    b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x0C\x00\x0A\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08";
/// The same with a client subnet, 198.51.100.0/24.
const SUBNET: &[u8] =
    b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x0B\x00\x08\x00\x07\x00\x01\x18\x00\xC6\x33\x64";

/// Functions that answer queries, by name, so that callgrind tells them apart.
macro_rules! sorts {
    ($($name:ident: $queries:expr;)*) => {
        $(
            #[inline(never)]
            fn $name(worker: &mut Worker, queries: &[Vec<u8>]) -> usize {
                black_box(stringify!($name)); // or the linker would make one function of all
                answer(worker, queries)
            }
        )*

        fn run(worker: &mut Worker) {
            $(
                let queries: Vec<Vec<u8>> = $queries;
                assert_eq!(black_box($name)(worker, black_box(&queries)), ROUNDS * QUERIES);
            )*
        }
    };
}

sorts! {
    static_hit: sort(|at| query(&format!("n{at}"), A, PLAIN));
    static_without_edns: sort(|at| query(&format!("n{at}"), A, b""));
    mixed_case: sort(|at| query(&format!("N{at}"), A, PLAIN));
    nodata: sort(|at| query(&format!("n{at}"), 28, PLAIN));
    nxdomain: sort(|at| query(&format!("none{at}"), A, PLAIN));
    wildcard: sort(|at| query(&format!("w{at}.wild"), A, PLAIN));
    referral: sort(|at| query(&format!("w{at}.lab"), A, PLAIN));
    refused: sort(|_| [HEADER, b"\x03www\x07example\x03org\x00\x00\x01\x00\x01", PLAIN].concat());
    cycle: sort(|_| query("cycle", A, PLAIN));
    cycle_https: sort(|_| query("cycle", HTTPS, PLAIN));
    random: sort(|_| query("random", A, PLAIN));
    hash: sort(|_| query("hash", A, PLAIN));
    network: sort(|_| query("network", A, SUBNET));
    eight_addresses: sort(|_| query("eight", A, PLAIN));
    cookie: sort(|_| query("cycle", A, COOKIE));
    malformed: sort(|at| query(&format!("n{at}"), A, b"x"));
}

fn main() {
    let shared = Arc::new(Shared::default());
    shared.swap(Arc::new(snapshot()));
    let counters = Arc::new(Counters::new(Transport::Udp));
    counters.reserve(16);
    run(&mut Worker::new(&shared, &counters, 1));
}

/// Answer all queries, `ROUNDS` times. Returns how many got an answer.
#[inline]
fn answer(worker: &mut Worker, queries: &[Vec<u8>]) -> usize {
    let client = IpAddr::from([192, 0, 2, 1]);
    let mut out = [0; 4096];
    let mut answered = 0;
    for _ in 0..ROUNDS {
        for query in queries {
            answered += usize::from(worker.respond(client, query, &mut out).is_some());
            black_box(&out);
        }
    }
    answered
}

const HEADER: &[u8] = &[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];

fn query(name: &str, qtype: u16, rest: &[u8]) -> Vec<u8> {
    let mut header = HEADER.to_vec();
    header[11] = u8::from(!rest.is_empty());
    // in the letter case given, which `wire` would keep as well
    [
        &header[..],
        &wire(name),
        &qtype.to_be_bytes(),
        &[0, 1],
        rest,
    ]
    .concat()
}

fn sort(query: impl Fn(usize) -> Vec<u8>) -> Vec<Vec<u8>> {
    (0..QUERIES).map(query).collect()
}

fn snapshot() -> Snapshot {
    let mut slots = SlotCache::default();
    let mut tallies = 0;
    let mut services = Vec::new();
    let mut keys = Vec::new();
    let mut places = HashMap::new();
    for (place, (owner, plans)) in plans().into_iter().enumerate() {
        let compiled = Arc::new(Plans::compile(&plans, &mut slots).expect("plans"));
        services.push(Arc::new(ServicePlan::new(&compiled, None, |_| {
            tallies += 1;
            tallies - 1
        })));
        let key = ("example.com.".to_owned(), owner.to_owned());
        places.insert(key.clone(), place as u32);
        keys.push((wire(owner), key));
    }
    Snapshot {
        generation: 1,
        zones: Arc::new(zones(&keys, &places)),
        plans: services,
        settings: Arc::new(Settings {
            cookies: Some(Cookies {
                secrets: [*b"a secret of ours"].into(),
                required: false,
            }),
            ..Settings::default()
        }),
    }
}

/// A service for each kind of node.
fn plans() -> Vec<(&'static str, Vec<(u16, PlanSpec)>)> {
    let leaf = |numbers: std::ops::Range<u8>| NodeSpec::Answer {
        backends: numbers
            .map(|number| BackendSpec {
                pool: "pool".to_owned(),
                name: format!("b{number}"),
                addresses: vec![IpAddr::from([192, 0, 2, number])],
                target: None,
            })
            .collect(),
        ttl: 30,
        rcode: Rcode::NoError,
        given: None,
    };
    let plan = |root: NodeSpec| PlanSpec {
        nodes: vec![leaf(1..2), leaf(2..3), root],
    };
    let cycle = || plan(NodeSpec::Cycle(vec![0, 1, 0]));
    let random = plan(NodeSpec::Random(vec![(2.0, 0), (1.0, 1)]));
    let hash = plan(NodeSpec::Hash {
        slots: 65_536,
        choices: vec![(1, 2.0, 0), (2, 1.0, 1)],
        prefix: (24, 56),
        bound: None,
    });
    let mut map = Builder::new(0);
    for third in 0..=255 {
        map.v4(
            u32::from_be_bytes([198, 51, third, 0]),
            24,
            u32::from(third % 2),
        );
    }
    let network = plan(NodeSpec::Network {
        map: Arc::new(map.finish()),
        choices: vec![0, 1],
    });
    let eight = PlanSpec {
        nodes: vec![leaf(1..9)],
    };
    vec![
        ("cycle", vec![(A, cycle()), (HTTPS, cycle())]),
        ("random", vec![(A, random)]),
        ("hash", vec![(A, hash)]),
        ("network", vec![(A, network)]),
        ("eight", vec![(A, eight)]),
    ]
}

fn zones(
    services: &[(Vec<u8>, (String, String))],
    places: &HashMap<(String, String), u32>,
) -> Zones {
    let mut rrsets = zone::rrsets(NAMES);
    rrsets.push(zone::set("lab", 2, &wire("ns.lab")));
    rrsets.push(zone::set("ns.lab", A, &zone::ADDRESS));
    let zone = ZoneSpec::new(&wire(""), &rrsets, services).expect("a zone");
    Zones::compile(&[zone], places).expect("a zone")
}
