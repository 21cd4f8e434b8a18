//! Nanoseconds that `Worker::respond` takes for a query, by what is asked and by what limits its rate: the
//! part of a query's cost that is the engine's own.
//!
//! Behind it is what counting their times costs, which is for a batch: of one query on a quiet server, of up to
//! 64 on a busy one.
//!
//! `cargo run --release --example cost [rounds]` prints a Markdown table of the least of
//! all rounds: whatever else runs on the machine can only add.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use dnslb_engine::dnstap::Ends;
use dnslb_engine::rrl::{Budgets, Class, LimitSpec, Limits};
use dnslb_engine::settings::Settings;
use dnslb_engine::snapshot::Snapshot;
use dnslb_engine::stats::{Counters, Transport};
use dnslb_engine::worker::{Shared, Worker};
use dnslb_engine::zones::{ZoneSpec, Zones};

mod zone;

use zone::wire;

/// Different queries of one sort: more than the caches hold.
const QUERIES: usize = 1 << 16;

/// Queries that are timed together: so few that most are not interrupted by what else runs here.
const CHUNK: u32 = 1 << 11;

/// Queries that a busy worker takes at once.
const BATCH: usize = 8;

/// Names that the zone has.
const NAMES: usize = 100_000;

/// How rates are limited.
const LIMITS: [&str; 4] = ["off", "within", "networks", "beyond"];

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(5, |text| text.parse().expect("a number"));
    let sorts = [
        ("hit, one name", sort(|_| "n0".to_owned())),
        (
            "hit, all names",
            sort(|at| format!("n{}", at * 7919 % NAMES)),
        ),
        ("NXDOMAIN, one name", sort(|_| "none".to_owned())),
        ("NXDOMAIN, random names", sort(random)),
        ("NXDOMAIN, random names of 100 labels", sort(deep)),
        (
            "wildcard, random names",
            sort(|at| format!("{}.wild", random(at))),
        ),
        (
            "wildcard, random names of 100 labels",
            sort(|at| format!("{}.wild", deep(at))),
        ),
    ];
    println!("| ns per query | {} |", LIMITS.join(" | "));
    println!("| --- |{}", " --- |".repeat(LIMITS.len()));
    let zones = Arc::new(zones());
    let mut workers = LIMITS.map(|limit| worker(&zones, limit));
    let mut least = vec![[f64::INFINITY; LIMITS.len()]; sorts.len()];
    for _ in 0..rounds {
        for ((_, queries), least) in sorts.iter().zip(&mut least) {
            for ((limit, worker), least) in LIMITS.iter().zip(&mut workers).zip(least) {
                *least = least.min(measure(worker, queries, limit));
            }
        }
    }
    for ((about, _), least) in sorts.iter().zip(least) {
        println!(
            "| {about} | {} |",
            least.map(|one| format!("{one:.0}")).join(" | ")
        );
    }
    println!(
        "\nWhat counting the times of answers adds to a batch: {:.0} ns",
        counting()
    );
}

/// Nanoseconds that two looks at the clock and one count take, as the UDP loop does for each batch.
fn counting() -> f64 {
    let counters = Counters::new(Transport::Udp);
    let mut least = f64::INFINITY;
    for _ in 0..64 {
        let began = Instant::now();
        for _ in 0..CHUNK {
            let received = black_box(Instant::now());
            black_box(&counters).latency().add(received.elapsed(), 1);
        }
        least = least.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(CHUNK));
    }
    least
}

fn measure(worker: &mut Worker, queries: &[Vec<u8>], limit: &str) -> f64 {
    let mut out = [0; 4096];
    let mut least = f64::INFINITY;
    let mut began = Instant::now();
    for (at, query) in queries.iter().enumerate() {
        if at % CHUNK as usize == 0 && at > 0 {
            least = least.min(began.elapsed().as_secs_f64() * 1e9 / f64::from(CHUNK));
            began = Instant::now();
        }
        if at % BATCH == 0 {
            // as the UDP loop does for each batch
            worker.refresh();
            let batch = queries.iter().skip(at).take(BATCH);
            worker.look_ahead(batch.map(Vec::as_slice));
        }
        let client = match limit {
            "networks" => IpAddr::from((at as u32).wrapping_mul(0x9E37_79B1).to_be_bytes()),
            _ => IpAddr::from([192, 0, 2, 1]),
        };
        let answer = black_box(worker.respond(client, black_box(query), &mut out));
        if worker.is_due() {
            // as the UDP loop does; nothing is sampled here, so this is what the question costs
            let ends = Ends {
                peer: (client, 4242).into(),
                local: (client, 53).into(),
            };
            worker.sample(ends, query, answer.and_then(|length| out.get(..length)));
        }
    }
    least
}

fn worker(zones: &Arc<Zones>, limit: &str) -> Worker {
    let rate = if limit == "beyond" { 20 } else { 100_000 };
    let limits = (limit != "off").then(|| {
        Limits::new(&LimitSpec {
            log_only: false,
            rates: [rate; Class::ALL.len()],
            burst: 60_000,
            slip: 2,
            prefix: (24, 56),
            exempt: Vec::new(),
        })
    });
    let shared = Arc::new(Shared::default());
    shared.budgets.get_or_init(Budgets::default);
    shared.swap(Arc::new(Snapshot {
        generation: 1,
        zones: Arc::clone(zones),
        plans: Vec::new(),
        settings: Arc::new(Settings {
            rrl: limits,
            ..Settings::default()
        }),
    }));
    Worker::new(&shared, &Arc::new(Counters::new(Transport::Udp)), 1)
}

fn zones() -> Zones {
    let zone = ZoneSpec::new(&wire(""), &zone::rrsets(NAMES), &[]).expect("a zone");
    Zones::compile(&[zone], &HashMap::default()).expect("a zone")
}

fn sort(name: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
    let query = |at| {
        [
            &[0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1][..],
            &wire(&name(at)),
            b"\x00\x01\x00\x01\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x00",
        ]
        .concat()
    };
    (0..QUERIES).map(query).collect()
}

/// A label that looks like none before it.
fn random(at: usize) -> String {
    format!(
        "{:013x}",
        (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 12
    )
}

fn deep(at: usize) -> String {
    format!("{}{}", random(at), ".a".repeat(99))
}
