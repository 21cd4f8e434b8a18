//! From a draft to a table: what follows from the records is worked out once, for good.

use super::draft::{Draft, write_record};
use super::table::{Cut, Delegation, End, Set, Table};
use super::{MAX_RRSET, NONE, ZoneError};
use crate::wire::name::{self, Lower};
use crate::wire::{OWNER_IS_QUESTION, rtype};

/// Octets of NS records in which pointers reach every name (RFC 1035 section 4.1.4), behind header and
/// question; a delegation with more of them has the owners of its glue in full.
const MAX_POINTED: u32 = 0x3000;

/// Octets of a record before its rdata.
const RECORD: u16 = 12;

impl Draft {
    /// The zone, compiled.
    pub fn finish(mut self) -> Result<Table, ZoneError> {
        self.settle();
        if let Some(error) = self.unfit() {
            return Err(error);
        }
        // nothing is found wrong from here on, so nobody asks where it was written
        self.forget_places();
        self.soa()?;
        self.link()?;
        let mut table = self.table;
        table.gather();
        for apex in &self.nested {
            table.allow_for(apex);
        }
        table.nodes.shrink_to_fit();
        table.octets.shrink_to_fit();
        if u32::try_from(table.octets.len()).is_err() {
            return Err(ZoneError::TooMany);
        }
        Ok(table)
    }

    /// Take what negative answers need from the SOA record.
    fn soa(&mut self) -> Result<(), ZoneError> {
        let table = &mut self.table;
        let fail = ZoneError::Soa(name::to_text(table.origin()));
        let soa = table
            .nodes
            .first()
            .and_then(|apex| table.set(apex, rtype::SOA))
            .filter(|set| set.count == 1);
        let Some((ttl, rdata)) = soa.and_then(|set| table.rdatas(set).next()) else {
            return Err(fail);
        };
        let Some(&[serial, _, _, _, minimum]) = rdata
            .split_last_chunk::<20>()
            .and_then(|(_, numbers)| numbers.as_chunks::<4>().0.first_chunk::<5>())
        else {
            return Err(fail);
        };
        // RFC 2308 section 3: the lesser of the SOA's own TTL and its MINIMUM field
        let ttl = ttl.min(u32::from_be_bytes(minimum));
        let mut wire = Vec::new();
        let owner = OWNER_IS_QUESTION.to_be_bytes();
        write_record(&mut wire, &owner, rtype::SOA, ttl, rdata);
        table.serial = u32::from_be_bytes(serial);
        table.soa = wire.into();
        Ok(())
    }

    /// Connect wildcards with the names above them, and names with the cuts at or above them. Nodes
    /// come after the ones above them.
    fn link(&mut self) -> Result<(), ZoneError> {
        for index in 0..self.table.nodes.len() {
            let node = self.table.nodes[index];
            let parent = self.parents[index];
            let mut cut = NONE;
            if parent != NONE {
                let above = &mut self.table.nodes[parent as usize];
                cut = above.cut;
                if self.table.octets[node.name as usize..].starts_with(b"\x01*") {
                    above.wildcard = index as u32;
                }
            }
            if cut == NONE {
                cut = cut_at(&mut self.table, index as u32)?;
            }
            self.table.nodes[index].cut = cut;
        }
        Ok(())
    }
}

impl Table {
    /// Put the set of each node that has one into the node, so that no answer looks for it elsewhere.
    fn gather(&mut self) {
        let mut several = Vec::new();
        for node in &mut self.nodes {
            let start = node.set.start as usize;
            match &self.sets[start..start + usize::from(node.set_count)] {
                [one] => node.set = *one,
                sets => {
                    node.set.start = several.len() as u32;
                    several.extend_from_slice(sets);
                }
            }
        }
        several.shrink_to_fit();
        self.sets = several;
    }
}

/// Make a cut of a node with NS records, except for the apex, or with a DNAME; `NONE` for others.
fn cut_at(table: &mut Table, index: u32) -> Result<u32, ZoneError> {
    let node = table.nodes[index as usize];
    let ns = table.set(&node, rtype::NS).filter(|_| index > 0).copied();
    let dname = table.set(&node, rtype::DNAME).copied();
    let end = match (ns, dname) {
        (Some(ns), _) => End::Delegation(delegation(table, index, ns)?),
        (None, Some(dname)) => End::Rename(dname),
        (None, None) => return Ok(NONE),
    };
    table.cuts.push(Cut { node: index, end });
    Ok(table.cuts.len() as u32 - 1)
}

/// Collect the addresses of the name servers that a node is delegated to.
fn delegation(table: &mut Table, index: u32, ns: Set) -> Result<Delegation, ZoneError> {
    let mut glue = Vec::new();
    let mut count = 0_u16;
    let pointed = ns.length < MAX_POINTED;
    let mut record = 0_u16; // where the NS record begins
    for (_, rdata) in table.rdatas(&ns) {
        let distance = record + RECORD;
        record = distance + rdata.len() as u16;
        let target = Lower::new(rdata);
        let Some(node) = table.node(target.as_slice()) else {
            continue;
        };
        for set in table.sets(node) {
            if set.rtype == rtype::A || set.rtype == rtype::AAAA {
                for (ttl, rdata) in table.rdatas(set) {
                    let short = distance.to_be_bytes();
                    let owner = if pointed { &short } else { target.as_slice() };
                    write_record(&mut glue, owner, set.rtype, ttl, rdata);
                    count = count.saturating_add(1);
                }
            }
        }
    }
    // all of it goes into one message (RFC 9471)
    if glue.len() + ns.length as usize > MAX_RRSET {
        let owner = table.name(&table.nodes[index as usize]);
        return Err(ZoneError::Delegation(name::to_text(owner)));
    }
    // name servers that many delegations share are written for each
    let Ok(start) = u32::try_from(table.octets.len()) else {
        return Err(ZoneError::TooMany);
    };
    table.octets.extend_from_slice(&glue);
    Ok(Delegation {
        ns,
        glue: Set {
            rtype: rtype::A,
            count,
            start,
            length: glue.len() as u32,
        },
        pointed,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{RrsetSpec, ZoneError, ZoneSpec};
    use crate::wire::name;

    #[test]
    fn a_delegation_fits_into_a_message() {
        let wire = |text: &str| name::from_text(text).unwrap();
        let set = |owner: &str, rtype, rdatas| RrsetSpec {
            owner: wire(owner),
            rtype,
            ttl: 300,
            rdatas,
        };
        let origin = wire("example.");
        // each set is within the bound: a record of either takes 16 octets and more
        let compile = |addresses: u16, others: u16| {
            let glue = (0..addresses).map(|number| [[10, 0], number.to_be_bytes()].concat());
            let others = (0..others).map(|number| wire(&format!("n{number}.example.org.")));
            let servers = others.chain([wire("ns.sub.example.")]);
            let soa = [&origin[..], &origin, &[0; 20]].concat();
            let rrsets = [
                set("example.", 6, vec![soa]),
                set("sub.example.", 2, servers.collect()),
                set("ns.sub.example.", 1, glue.collect()),
            ];
            ZoneSpec::new(&origin, &rrsets, &[]).map(|_| ())
        };
        assert_eq!(compile(1000, 500), Ok(()));
        let too_large = ZoneError::Delegation("sub.example.".to_owned());
        assert_eq!(compile(1500, 1000), Err(too_large));
    }
}
