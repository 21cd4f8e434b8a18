//! The zone that the examples which call `respond` ask: addresses, and what else some of them need.

use dnslb_engine::wire::name;
use dnslb_engine::zones::RrsetSpec;

/// SOA and NS, a wildcard, and `names` names with an address each: `n0` and so on.
pub(crate) fn rrsets(names: usize) -> Vec<RrsetSpec> {
    let origin = wire("");
    let soa = [&origin[..], &origin, &[0; 16], &[0, 0, 0, 60]].concat();
    let mut rrsets = vec![
        set("", 6, &soa),
        set("", 2, &wire("ns")),
        set("*.wild", 1, &ADDRESS),
    ];
    rrsets.extend((0..names).map(|at| set(&format!("n{at}"), 1, &ADDRESS)));
    rrsets
}

/// The address of each name.
pub(crate) const ADDRESS: [u8; 4] = [192, 0, 2, 1];

/// A set of one record at `owner`, a name relative to the zone.
pub(crate) fn set(owner: &str, rtype: u16, rdata: &[u8]) -> RrsetSpec {
    RrsetSpec {
        owner: wire(owner),
        rtype,
        ttl: 300,
        rdatas: vec![rdata.to_vec()],
    }
}

/// A name relative to the zone, in wire format.
pub(crate) fn wire(name: &str) -> Vec<u8> {
    name::from_text(format!("{name}.example.com.").trim_start_matches('.')).expect("a name")
}
