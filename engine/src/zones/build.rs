//! Building the name table: what stands at every name, and what stands for it.

use std::collections::HashMap;
use std::hash::BuildHasher;

use super::{
    Cut, Delegation, End, MAX_RRSET, NONE, Node, Parent, RrsetSpec, Set, Zone, ZoneError, ZoneSpec,
    Zones,
};
use crate::plan::ServiceKey;
use crate::wire::name::{self, Labels, Lower};
use crate::wire::{CLASS_IN, OWNER_IS_QUESTION, rtype};

/// A node while the table is being built.
#[derive(Default)]
struct Draft<'a> {
    zone: u32,
    service: u32,
    rrsets: Vec<&'a RrsetSpec>,
}

pub(super) struct Builder<'a> {
    specs: &'a [ZoneSpec],
    apexes: HashMap<&'a [u8], u32>,
    drafts: HashMap<&'a [u8], Draft<'a>>,
    /// What zones say of zones below that are served here too: the DS records, by apex.
    parental: HashMap<&'a [u8], &'a RrsetSpec>,
    out: Zones,
}

impl<'a> Builder<'a> {
    pub(super) fn new(specs: &'a [ZoneSpec]) -> Result<Self, ZoneError> {
        let mut apexes = HashMap::new();
        for (index, spec) in (0..).zip(specs) {
            well_formed(&spec.origin)?;
            if apexes.insert(&spec.origin[..], index).is_some() {
                return Err(ZoneError::DuplicateZone(name::to_text(&spec.origin)));
            }
        }
        Ok(Self {
            specs,
            apexes,
            drafts: HashMap::new(),
            parental: HashMap::new(),
            out: Zones::default(),
        })
    }

    pub(super) fn build(mut self, places: &HashMap<ServiceKey, u32>) -> Result<Zones, ZoneError> {
        let specs = self.specs;
        for (index, spec) in (0..).zip(specs) {
            self.out.served.push(zone(spec, index)?);
            self.draft(&spec.origin);
            for rrset in &spec.rrsets {
                if self.owned(&rrset.owner, index)? {
                    self.draft(&rrset.owner).rrsets.push(rrset);
                } else if rrset.rtype == rtype::DS && self.parent_of(&rrset.owner) == Some(index) {
                    self.parental.insert(&rrset.owner, rrset);
                }
            }
            for (owner, service) in &spec.services {
                if self.owned(owner, index)? {
                    self.draft(owner).service = places.get(service).copied().unwrap_or(NONE);
                }
            }
        }
        let mut names: Vec<&[u8]> = self.drafts.keys().copied().collect();
        names.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        for name in &names {
            self.place(name)?;
        }
        self.link(&names)?;
        for (index, spec) in specs.iter().enumerate() {
            self.out.served[index].parent = self.parent(&spec.origin)?;
        }
        Ok(self.out)
    }

    /// The zone right above the zone at `apex`.
    fn parent_of(&self, apex: &[u8]) -> Option<u32> {
        let (&length, _) = apex.split_first().filter(|&(&length, _)| length > 0)?;
        self.apexes.get(apex)?;
        self.zone_of(&apex[usize::from(length) + 1..])
    }

    /// The parent's side of the zone at `apex`; None where the zone above delegates a name between.
    fn parent(&mut self, apex: &[u8]) -> Result<Option<Parent>, ZoneError> {
        let Some(zone) = self.parent_of(apex) else {
            return Ok(None);
        };
        let above = self.index(&apex[usize::from(apex[0]) + 1..]);
        let cut = self.out.nodes[above as usize].cut;
        if cut != NONE && self.out.cuts[cut as usize].node != self.index(self.origin(zone)) {
            return Ok(None);
        }
        let ds = self.parental.get(apex).copied();
        let ds = ds.map(|rrset| write_set(&mut self.out.wire, rrset));
        Ok(Some(Parent {
            zone,
            ds: ds.transpose()?,
        }))
    }

    fn origin(&self, zone: u32) -> &'a [u8] {
        &self.specs[zone as usize].origin
    }

    /// The zone that a name belongs to: the one with the closest apex above it.
    fn zone_of(&self, name: &[u8]) -> Option<u32> {
        let starts = Labels::new(name);
        let mut ancestors = starts.starts().iter();
        ancestors.find_map(|&start| self.apexes.get(&name[usize::from(start)..]).copied())
    }

    /// Whether a name of zone `index` is served from it, rather than from a zone below.
    fn owned(&self, owner: &[u8], index: u32) -> Result<bool, ZoneError> {
        well_formed(owner)?;
        let origin = &self.specs[index as usize].origin;
        if !owner.ends_with(origin) || !is_within(owner, origin) {
            return Err(ZoneError::OutOfZone {
                owner: name::to_text(owner),
                zone: name::to_text(origin),
            });
        }
        Ok(self.zone_of(owner) == Some(index))
    }

    /// The draft of `name`, which exists from now on, and so do all of its ancestors.
    fn draft(&mut self, name: &'a [u8]) -> &mut Draft<'a> {
        for &start in Labels::new(name).starts() {
            let ancestor = &name[usize::from(start)..];
            if self.drafts.contains_key(ancestor) {
                break;
            }
            let draft = Draft {
                zone: self.zone_of(ancestor).unwrap_or(NONE),
                service: NONE,
                rrsets: Vec::new(),
            };
            self.drafts.insert(ancestor, draft);
        }
        self.drafts.entry(name).or_default()
    }

    /// Give `name` its node and the wire form of its records.
    fn place(&mut self, name: &[u8]) -> Result<(), ZoneError> {
        let Some(draft) = self.drafts.get(name) else {
            return Ok(());
        };
        let index = u32::try_from(self.out.nodes.len()).map_err(|_| ZoneError::TooMany)?;
        let node = Node {
            name: u32::try_from(self.out.names.len()).map_err(|_| ZoneError::TooMany)?,
            length: name.len() as u8,
            sets: u32::try_from(self.out.sets.len()).map_err(|_| ZoneError::TooMany)?,
            set_count: draft.rrsets.len() as u16,
            cut: NONE,
            wildcard: NONE,
            service: draft.service,
            zone: draft.zone,
        };
        self.out.names.extend_from_slice(name);
        self.out.deepest = self.out.deepest.max(Labels::new(name).starts().len());
        for rrset in &draft.rrsets {
            let set = write_set(&mut self.out.wire, rrset)?;
            self.out.sets.push(set);
        }
        let Zones {
            hasher,
            table,
            nodes,
            names,
            ..
        } = &mut self.out;
        nodes.push(node);
        table.insert_unique(hasher.hash_one(name), index, |&other| {
            let Node { name, length, .. } = nodes[other as usize];
            hasher.hash_one(&names[name as usize..][..usize::from(length)])
        });
        Ok(())
    }

    /// Connect wildcards with the names above them, and names with the cuts above them.
    /// `names` are in the order of the nodes, so ancestors come first.
    fn link(&mut self, names: &[&[u8]]) -> Result<(), ZoneError> {
        for (index, name) in (0_u32..).zip(names) {
            let Some(parent) = name
                .first()
                .filter(|&&length| length > 0)
                .map(|&length| &name[usize::from(length) + 1..])
            else {
                continue;
            };
            let above = self.index(parent);
            let zone = self.out.nodes[index as usize].zone;
            if name.starts_with(b"\x01*") {
                self.out.nodes[above as usize].wildcard = index;
            }
            if zone == NONE {
                continue;
            }
            let apex = self.apexes.contains_key(name);
            let inherited = self.out.nodes[above as usize].cut;
            let cut = if inherited == NONE || apex {
                self.cut(index, zone, apex)?
            } else {
                inherited
            };
            self.out.nodes[index as usize].cut = cut;
        }
        Ok(())
    }

    /// Make a cut of a node with NS records, except for an apex, or with a DNAME; `NONE` for others.
    fn cut(&mut self, node: u32, zone: u32, apex: bool) -> Result<u32, ZoneError> {
        let at = &self.out.nodes[node as usize];
        let ns = self.out.set(at, rtype::NS).filter(|_| !apex).copied();
        let dname = self.out.set(at, rtype::DNAME).copied();
        let end = match (ns, dname) {
            (Some(ns), _) => End::Delegation(self.delegation(node, zone, ns)?),
            (None, Some(dname)) => End::Rename(dname),
            (None, None) => return Ok(NONE),
        };
        let index = u32::try_from(self.out.cuts.len()).map_err(|_| ZoneError::TooMany)?;
        self.out.cuts.push(Cut { node, end });
        Ok(index)
    }

    fn index(&self, name: &[u8]) -> u32 {
        let Zones {
            table,
            hasher,
            nodes,
            ..
        } = &self.out;
        let found = table.find(hasher.hash_one(name), |&index| {
            self.out.name(&nodes[index as usize]) == name
        });
        found.copied().unwrap_or(NONE)
    }

    /// Collect the addresses of the name servers that a node is delegated to.
    fn delegation(&mut self, node: u32, zone: u32, ns: Set) -> Result<Delegation, ZoneError> {
        let owner = self.out.name(&self.out.nodes[node as usize]).to_vec();
        let specs = &self.drafts[&owner[..]].rrsets;
        let targets: Vec<Lower> = specs
            .iter()
            .filter(|spec| spec.rtype == rtype::NS)
            .flat_map(|spec| spec.rdatas.iter().map(|rdata| Lower::new(rdata)))
            .collect();
        let start = self.out.wire.len();
        let mut count = 0_u16;
        for target in &targets {
            let Some(draft) = self.drafts.get(target.as_slice()) else {
                continue;
            };
            if draft.zone != zone {
                continue; // an address of another zone is no glue of this one
            }
            for rrset in &draft.rrsets {
                if rrset.rtype == rtype::A || rrset.rtype == rtype::AAAA {
                    for rdata in &rrset.rdatas {
                        write_record(&mut self.out.wire, target.as_slice(), rrset, rdata);
                        count = count.saturating_add(1);
                    }
                }
            }
        }
        let length = self.out.wire.len() - start;
        // all of it goes into one message (RFC 9471)
        if length + ns.length as usize > MAX_RRSET {
            return Err(ZoneError::Delegation(name::to_text(&owner)));
        }
        let glue = Set {
            rtype: rtype::A,
            count,
            start: u32::try_from(start).map_err(|_| ZoneError::TooMany)?,
            length: length as u32,
        };
        Ok(Delegation { ns, glue })
    }
}

fn well_formed(name: &[u8]) -> Result<(), ZoneError> {
    let lower = !name.iter().any(u8::is_ascii_uppercase);
    if lower && name::length(name) == Some(name.len()) {
        return Ok(());
    }
    Err(ZoneError::BadName(name::to_text(name)))
}

/// Whether `origin`, a suffix of `name` in octets, is one in labels.
fn is_within(name: &[u8], origin: &[u8]) -> bool {
    let start = (name.len() - origin.len()) as u8;
    Labels::new(name).starts().contains(&start)
}

fn zone(spec: &ZoneSpec, id: u32) -> Result<Zone, ZoneError> {
    let fail = || ZoneError::Soa(name::to_text(&spec.origin));
    let mut soas = spec
        .rrsets
        .iter()
        .filter(|rrset| rrset.rtype == rtype::SOA && rrset.owner == spec.origin);
    let (Some(soa), None) = (soas.next(), soas.next()) else {
        return Err(fail());
    };
    let [rdata] = &soa.rdatas[..] else {
        return Err(fail());
    };
    // RFC 2308 section 3: the lesser of the SOA's own TTL and its MINIMUM field
    let (.., &[serial, _, _, _, minimum]) = rdata
        .split_last_chunk::<20>()
        .map(|(names, numbers)| (names, numbers.as_chunks::<4>().0))
        .and_then(|(names, numbers)| Some((names, numbers.first_chunk::<5>()?)))
        .ok_or_else(fail)?;
    let negative = RrsetSpec {
        ttl: soa.ttl.min(u32::from_be_bytes(minimum)),
        ..soa.clone()
    };
    let mut wire = Vec::new();
    write_set(&mut wire, &negative)?;
    Ok(Zone {
        id,
        apex: spec.origin.len() as u8,
        labels: (Labels::new(&spec.origin).starts().len() - 1) as u8,
        serial: u32::from_be_bytes(serial),
        soa: wire.into(),
        parent: None,
    })
}

fn write_set(wire: &mut Vec<u8>, rrset: &RrsetSpec) -> Result<Set, ZoneError> {
    let start = wire.len();
    if rrset.rdatas.is_empty() {
        return Err(ZoneError::EmptyRrset(name::to_text(&rrset.owner)));
    }
    for rdata in &rrset.rdatas {
        if rdata.len() > MAX_RRSET || wire.len() - start > MAX_RRSET {
            return Err(ZoneError::TooLarge(name::to_text(&rrset.owner)));
        }
        write_record(wire, &OWNER_IS_QUESTION.to_be_bytes(), rrset, rdata);
    }
    if wire.len() - start > MAX_RRSET {
        return Err(ZoneError::TooLarge(name::to_text(&rrset.owner)));
    }
    Ok(Set {
        rtype: rrset.rtype,
        count: rrset.rdatas.len() as u16, // fits: a record takes 12 octets or more of 60,000
        start: u32::try_from(start).map_err(|_| ZoneError::TooMany)?,
        length: (wire.len() - start) as u32,
    })
}

fn write_record(wire: &mut Vec<u8>, owner: &[u8], rrset: &RrsetSpec, rdata: &[u8]) {
    wire.extend_from_slice(owner);
    wire.extend_from_slice(&rrset.rtype.to_be_bytes());
    wire.extend_from_slice(&CLASS_IN.to_be_bytes());
    wire.extend_from_slice(&rrset.ttl.to_be_bytes());
    wire.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    wire.extend_from_slice(rdata);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rrset(owner: &[u8], rtype: u16, rdatas: Vec<Vec<u8>>) -> RrsetSpec {
        RrsetSpec {
            owner: owner.to_vec(),
            rtype,
            ttl: 300,
            rdatas,
        }
    }

    #[test]
    fn a_delegation_fits_into_a_message() {
        let wire = |text: &str| name::from_text(text).unwrap();
        let (origin, below) = (wire("example."), wire("sub.example."));
        let server = wire("ns.sub.example.");
        // each set is within the bound: a record of either takes 16 octets and more
        let compile = |addresses: u16, others: u16| {
            let glue = (0..addresses).map(|number| [[10, 0], number.to_be_bytes()].concat());
            let others = (0..others).map(|number| wire(&format!("n{number}.example.org.")));
            let spec = ZoneSpec {
                rrsets: vec![
                    rrset(
                        &origin,
                        rtype::SOA,
                        vec![[&origin[..], &origin, &[0; 20]].concat()],
                    ),
                    rrset(&below, rtype::NS, others.chain([server.clone()]).collect()),
                    rrset(&server, rtype::A, glue.collect()),
                ],
                origin: origin.clone(),
                services: Vec::new(),
            };
            Zones::compile(&[spec], &HashMap::new()).map(|_| ())
        };
        assert_eq!(compile(1000, 500), Ok(()));
        let too_large = ZoneError::Delegation("sub.example.".to_owned());
        assert_eq!(compile(1500, 1000), Err(too_large));
    }
}
