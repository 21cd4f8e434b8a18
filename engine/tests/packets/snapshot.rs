//! A snapshot with everything that zones and plans can hold.

use std::collections::HashMap;
use std::sync::Arc;

use dnslb_engine::networks::Map;
use dnslb_engine::plan::{
    BackendSpec, Given, NodeSpec, PlanSpec, Plans, ServiceKey, ServicePlan, ServiceSpec, SlotCache,
};
use dnslb_engine::snapshot::Snapshot;
use dnslb_engine::wire::{Rcode, name};
use dnslb_engine::zones::{RrsetSpec, ZoneSpec, Zones};

/// Names that are worth asking for, or whose children are.
pub(crate) const NAMES: &[&str] = &[
    ".",
    "com.",
    "example.com.",
    "www.example.com.",
    "alias.example.com.",
    "away.example.com.",
    "loop.example.com.",
    "c0.example.com.",
    "c2.example.com.",
    "steered.example.com.",
    "big.example.com.",
    "wild.example.com.",
    "wildalias.example.com.",
    "lab.example.com.",
    "ns.lab.example.com.",
    "wide.example.com.",
    "broad.example.com.",
    "vast.example.com.",
    "deep.empty.example.com.",
    "empty.example.com.",
    "mail.example.com.",
    "answer.example.com.",
    "cycle.example.com.",
    "random.example.com.",
    "hash.example.com.",
    "network.example.com.",
    "nested.example.com.",
    "many.example.com.",
    "target.example.com.",
    "nodata.example.com.",
    "servfail.example.com.",
    "any.example.com.",
    "sub.example.com.",
    "www.sub.example.com.",
    "no.sub.example.com.",
    "www.plain.example.com.",
    "b.lab.example.com.",
    "dname.example.com.",
    "occluded.dname.example.com.",
    "dd.example.com.",
    "long.example.com.",
    "grow.example.com.",
    "off.example.com.",
    "sd.example.com.",
    "back.sd.example.com.",
    "todname.example.com.",
    "turn.example.com.",
    "there.turn.example.com.",
    "dn.example.",
    "a.z.example.",
    "example.org.",
    "version.bind.",
    "version.server.",
    "id.server.",
    "hostname.bind.",
];

/// Apexes of zones whose parent zone is served too.
pub(crate) const NESTED: &[&str] = &["sub.example.com.", "plain.example.com."];

/// The longest negative TTL of the zones, in seconds.
pub(crate) const NEGATIVE_TTL: u32 = 60;

/// The snapshot, and how many tallies its plans name.
pub(crate) fn everything() -> (Snapshot, usize) {
    let services = services();
    let keys: Vec<ServiceKey> = services
        .iter()
        .map(|(name, _)| ("example.com.".to_owned(), (*name).to_owned()))
        .collect();
    let places: HashMap<ServiceKey, u32> = keys.iter().cloned().zip(0..).collect();
    let owners = keys
        .iter()
        .map(|key| (wire(&format!("{}.example.com.", key.1)), key.clone()));
    let mut rrsets = apex("example.com.");
    rrsets.extend(
        records()
            .into_iter()
            .map(|(owner, rtype, rdatas)| RrsetSpec {
                owner: wire(owner),
                rtype,
                ttl: 300,
                rdatas,
            }),
    );
    for server in servers(240) {
        let owner = name::to_text(&server);
        rrsets.push(set(&owner, 1, &[b"\xC0\x00\x02\x35"]));
        rrsets.push(set(&owner, 28, &[&[0x20; 16]]));
    }
    let address = set("www.sub.example.com.", 1, &[b"\xC0\x00\x02\x09"]);
    let mut odd = apex("z.example."); // what the odd packets of the whole project are about
    odd.push(set("a.z.example.", 1, &[b"\xC0\x00\x02\x01"]));
    odd.push(set("a.z.example.", 16, &[b"\x04text"]));
    let rename = set("dn.example.", 39, &[&wire("example.com.")]);
    let zones = [
        zone("example.com.", &rrsets, &owners.collect::<Vec<_>>()),
        zone(
            "sub.example.com.",
            &extended(apex("sub.example.com."), address),
            &[],
        ),
        zone("plain.example.com.", &apex("plain.example.com."), &[]),
        zone("b.lab.example.com.", &apex("b.lab.example.com."), &[]),
        zone("dn.example.", &extended(apex("dn.example."), rename), &[]),
        zone("z.example.", &odd, &[]),
    ];
    let mut tallies = 0;
    let mut slots = SlotCache::default();
    let plans = services.iter().map(|(_, spec)| {
        let plans = Plans::compile(spec, &mut slots).expect("a plan");
        Arc::new(ServicePlan::new(&Arc::new(plans), None, |_| {
            tallies += 1;
            tallies - 1
        }))
    });
    let snapshot = Snapshot {
        generation: 1,
        plans: plans.collect(),
        settings: Arc::default(),
        zones: Arc::new(Zones::compile(&zones, &places).expect("zones")),
    };
    (snapshot, tallies as usize)
}

fn wire(text: &str) -> Vec<u8> {
    name::from_text(text).expect("a name")
}

fn set(owner: &str, rtype: u16, rdatas: &[&[u8]]) -> RrsetSpec {
    RrsetSpec {
        owner: wire(owner),
        rtype,
        ttl: 300,
        rdatas: rdatas.iter().map(|rdata| rdata.to_vec()).collect(),
    }
}

fn zone(origin: &str, rrsets: &[RrsetSpec], services: &[(Vec<u8>, ServiceKey)]) -> ZoneSpec {
    ZoneSpec::new(&wire(origin), rrsets, services).expect("a zone")
}

fn extended(mut rrsets: Vec<RrsetSpec>, more: RrsetSpec) -> Vec<RrsetSpec> {
    rrsets.push(more);
    rrsets
}

/// The SOA and NS records of a zone.
fn apex(origin: &str) -> Vec<RrsetSpec> {
    let names = [
        wire(&format!("ns.{origin}")),
        wire(&format!("admin.{origin}")),
    ]
    .concat();
    let numbers = [2026, 0, 0, 0, NEGATIVE_TTL].map(u32::to_be_bytes);
    let soa = [&names[..], numbers.as_flattened()].concat();
    vec![
        set(origin, 6, &[&soa]),
        set(origin, 2, &[&wire(&format!("ns.{origin}"))]),
    ]
}

/// Static records of `example.com.`
fn records() -> Vec<(&'static str, u16, Vec<Vec<u8>>)> {
    const ADDRESS: [u8; 4] = [192, 0, 2, 1];
    let address = || vec![ADDRESS.to_vec()];
    let cname = |to: &str| vec![wire(to)];
    let long = format!("{0}.{0}.{0}.example.com.", "x".repeat(60));
    let texts = (0..40).map(|at| [&[60][..], &[b'a' + at % 26; 60]].concat());
    vec![
        ("www.example.com.", 1, address()),
        (
            "www.example.com.",
            15,
            vec![[&[0, 10][..], &wire("mail.example.com.")].concat()],
        ),
        ("alias.example.com.", 5, cname("www.example.com.")),
        ("away.example.com.", 5, cname("www.example.org.")),
        ("loop.example.com.", 5, cname("pool.example.com.")),
        ("pool.example.com.", 5, cname("loop.example.com.")),
        ("gone.example.com.", 5, cname("no.such.example.com.")),
        ("c0.example.com.", 5, cname("c1.example.com.")),
        ("c1.example.com.", 5, cname("c2.example.com.")),
        ("c2.example.com.", 5, cname("x.wildalias.example.com.")),
        ("*.wildalias.example.com.", 5, cname("steered.example.com.")),
        ("steered.example.com.", 5, cname("nested.example.com.")),
        ("big.example.com.", 16, texts.collect()),
        ("*.wild.example.com.", 1, address()),
        ("lab.example.com.", 2, cname("ns.lab.example.com.")),
        ("lab.example.com.", 43, vec![vec![0, 1, 8, 2, 0, 0]]),
        ("ns.lab.example.com.", 1, address()),
        ("ns.lab.example.com.", 28, vec![vec![0x20; 16]]),
        ("wide.example.com.", 2, servers(3)),
        ("broad.example.com.", 2, servers(170)),
        ("vast.example.com.", 2, servers(240)),
        ("deep.empty.example.com.", 65_280, vec![Vec::new()]),
        ("sub.example.com.", 43, vec![vec![0, 2, 8, 2, 0, 0]]),
        ("dname.example.com.", 39, cname("wild.example.com.")),
        ("dname.example.com.", 1, address()),
        ("occluded.dname.example.com.", 1, address()),
        ("dd.example.com.", 39, cname("dname.example.com.")),
        ("long.example.com.", 39, cname(&long)),
        ("grow.example.com.", 39, cname("more.grow.example.com.")),
        ("off.example.com.", 39, cname("example.org.")),
        ("sd.example.com.", 39, cname("example.com.")),
        ("back.example.com.", 5, cname("back.sd.example.com.")),
        ("todname.example.com.", 5, cname("x.dname.example.com.")),
        ("turn.example.com.", 39, cname("nrut.example.com.")),
        ("nrut.example.com.", 39, cname("turn.example.com.")),
    ]
}

/// The names of so many servers.
fn servers(count: usize) -> Vec<Vec<u8>> {
    let name = |at| wire(&format!("{}{at}.ns.example.com.", "n".repeat(40)));
    (0..count).map(name).collect()
}

fn backend(at: u8) -> BackendSpec {
    BackendSpec {
        pool: "pool".to_owned(),
        name: format!("backend{at}"),
        addresses: vec![
            [198, 51, 100, at].into(),
            [0x2001, 0xDB8, 0, 0, 0, 0, 0, at.into()].into(),
        ],
        target: None,
    }
}

fn answer(backends: Vec<BackendSpec>, rcode: Rcode) -> NodeSpec {
    NodeSpec::Answer {
        backends,
        ttl: 30,
        rcode,
        given: None,
    }
}

/// A service for every kind of node, and one with all of them.
fn services() -> Vec<(&'static str, ServiceSpec)> {
    let plan = |nodes: Vec<NodeSpec>| PlanSpec { nodes };
    let leaf = |at| answer(vec![backend(at)], Rcode::NoError);
    let both = |nodes: Vec<NodeSpec>| vec![(1, plan(nodes.clone())), (28, plan(nodes))];
    let target = BackendSpec {
        target: Some(wire("edge.example.net.")),
        addresses: Vec::new(),
        ..backend(0)
    };
    let cname = vec![answer(vec![target], Rcode::NoError)];
    let hash = |choices| NodeSpec::Hash {
        slots: 4096,
        choices,
        prefix: (24, 56),
        bound: None,
    };
    let random = |choices| NodeSpec::Random(choices);
    let nested = vec![
        leaf(1),
        leaf(2),
        NodeSpec::Cycle(vec![0, 1, 0]),
        random(vec![(1.0, 2), (0.5, 0)]),
        hash(vec![(7, 1.0, 3), (8, 3.0, 1)]),
        NodeSpec::Cycle(vec![4, 3]),
    ];
    // by where the client is, and there by a hash
    let here = [
        ([192, 0, 2, 0].into(), 24, 1),
        ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 0].into(), 33, 1),
        ([128, 0, 0, 0].into(), 1, 2),
    ];
    let network = vec![
        leaf(1),
        leaf(2),
        hash(vec![(7, 1.0, 0), (8, 1.0, 1)]),
        NodeSpec::Network {
            map: Arc::new(Map::of(&here, 0).unwrap()),
            choices: vec![0, 1, 2],
        },
    ];
    // a mail service: its own addresses, and MX records with the addresses of their targets
    let mx = NodeSpec::Answer {
        backends: vec![backend(1)],
        ttl: 30,
        rcode: Rcode::NoError,
        given: Some(Given {
            rdatas: vec![[b"\0\x0A", &wire("mx.example.com.")[..]].concat()],
            additional: vec![set("mx.example.com.", 1, &[b"\xC0\x00\x02\x01"])],
        }),
    };
    vec![
        ("mail", vec![(1, plan(vec![leaf(1)])), (15, plan(vec![mx]))]),
        ("answer", both(vec![leaf(1)])),
        (
            "cycle",
            both(vec![leaf(1), leaf(2), NodeSpec::Cycle(vec![0, 0, 1])]),
        ),
        (
            "random",
            both(vec![leaf(1), leaf(2), random(vec![(1e9, 0), (1.0, 1)])]),
        ),
        (
            "hash",
            both(vec![leaf(1), leaf(2), hash(vec![(1, 1.0, 0), (2, 1.0, 1)])]),
        ),
        ("nested", both(nested)),
        ("network", both(network)),
        (
            "many",
            both(vec![answer(
                (0..200).map(backend).collect(),
                Rcode::NoError,
            )]),
        ),
        (
            "target",
            [1, 28, 5].map(|rtype| (rtype, plan(cname.clone()))).into(),
        ),
        ("nodata", both(vec![answer(Vec::new(), Rcode::NoError)])),
        ("servfail", both(vec![answer(Vec::new(), Rcode::ServFail)])),
        ("*.any", both(vec![leaf(3)])),
    ]
}
