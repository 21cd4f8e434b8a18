//! Zones as they are published.

use std::sync::Arc;

use super::ZoneError;
use super::draft::{Draft, well_formed};
use super::table::Table;
use crate::master::{Place, Record};
use crate::plan::ServiceKey;
use crate::wire::name;

/// A zone as published.
#[derive(Clone, Default)]
pub struct ZoneSpec {
    /// What is static, and at which names the services stand.
    pub table: Arc<Table>,
    /// What is balanced, by the numbers that the table has for it.
    pub services: Vec<ServiceKey>,
}

/// A static `RRset`.
#[derive(Clone, Debug)]
pub struct RrsetSpec {
    /// Owner name, in lower case.
    pub owner: Vec<u8>,
    /// TYPE.
    pub rtype: u16,
    /// TTL in seconds.
    pub ttl: u32,
    /// RDATA of each record, names uncompressed.
    pub rdatas: Vec<Vec<u8>>,
}

impl ZoneSpec {
    /// A zone of `RRsets`, exactly one SOA among them, and of services with their owner names.
    pub fn new(
        origin: &[u8],
        rrsets: &[RrsetSpec],
        services: &[(Vec<u8>, ServiceKey)],
    ) -> Result<Self, ZoneError> {
        let mut draft = Draft::new(origin)?;
        for rrset in rrsets {
            well_formed(&rrset.owner)?;
            if rrset.rdatas.is_empty() {
                return Err(ZoneError::EmptyRrset(name::to_text(&rrset.owner)));
            }
            for rdata in &rrset.rdatas {
                let record = Record {
                    owner: &rrset.owner,
                    rtype: rrset.rtype,
                    ttl: None,
                    rdata,
                    place: Place::default(),
                };
                draft.add(&record, rrset.ttl);
            }
        }
        for (owner, _) in services {
            draft.add_service(owner, Place::default())?;
        }
        Self::of(Arc::new(draft.finish()?), services)
    }

    /// A zone that was read, and the services at its names.
    pub fn of(table: Arc<Table>, services: &[(Vec<u8>, ServiceKey)]) -> Result<Self, ZoneError> {
        let fail = || ZoneError::Services(name::to_text(table.origin()));
        let mut found: Vec<Option<ServiceKey>> = vec![None; services.len()];
        for (owner, key) in services {
            let number = table.node(owner).map(|node| node.service as usize);
            let place = number.and_then(|number| found.get_mut(number));
            *place.ok_or_else(fail)? = Some(key.clone());
        }
        let services = found.into_iter().collect::<Option<_>>().ok_or_else(fail)?;
        Ok(Self { table, services })
    }
}
