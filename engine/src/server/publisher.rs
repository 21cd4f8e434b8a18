//! Publishing: compile, swap one pointer, free what no worker looks at any more.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use thiserror::Error;

use crate::plan::{self, PlanError, Plans, ServiceKey, ServicePlan, ServiceSpec, SlotCache};
use crate::rrl::{Budgets, Class, Limited, Network};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::stats::{Counters, Drop, Transport};
use crate::wire::Rcode;
use crate::worker::Shared;
use crate::zones::{ZoneError, ZoneSpec, Zones};

use super::{Queries, Stats};

/// Which answers a tally counts: those of (zone, service, pool, backend).
pub type BackendKey = (String, String, String, String);

/// What cannot be published.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PublishError {
    #[error(transparent)]
    Zone(#[from] ZoneError),
    #[error("service {name} of zone {zone}: {reason}")]
    Plan {
        zone: String,
        name: String,
        reason: PlanError,
    },
    #[error("service {1} of zone {0} is in no published zone")]
    Unknown(String, String),
    #[error("service {1} of zone {0} has no plan")]
    Planless(String, String),
}

/// The writer's side of the snapshot.
#[derive(Default)]
pub(super) struct Publisher {
    places: HashMap<ServiceKey, u32>,
    tallies: Tallies,
    counters: Vec<Arc<Counters>>,
    slots: SlotCache,
    /// What was counted before.
    before: Stats,
}

impl Publisher {
    /// New counters for a worker, which count everything published so far.
    pub(super) fn counters(&mut self, transport: Transport) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(transport));
        counters.reserve(self.tallies.count as usize);
        self.counters.push(Arc::clone(&counters));
        counters
    }

    /// Compile and swap; on an error nothing has changed.
    pub(super) fn publish(
        &mut self,
        shared: &Shared,
        specs: &[(ServiceKey, Arc<ServiceSpec>)],
        zones: Option<&[ZoneSpec]>,
        settings: Option<Settings>,
    ) -> Result<u64, PublishError> {
        let current = shared.current.load_full();
        let places = zones.map(number);
        let places = places.as_ref().unwrap_or(&self.places);
        let compiled = match zones {
            Some(zones) => Arc::new(Zones::compile(zones, places)?),
            None => Arc::clone(&current.zones),
        };
        let mut plans: Vec<Option<Arc<ServicePlan>>> = match zones {
            Some(_) => vec![None; places.len()],
            None => current.plans.iter().cloned().map(Some).collect(),
        };
        // what is published as one object is compiled once
        let mut shared_plans: HashMap<*const ServiceSpec, Arc<Plans>> = HashMap::new();
        for (key, spec) in specs {
            let Some(&place) = places.get(key) else {
                return Err(PublishError::Unknown(key.0.clone(), key.1.clone()));
            };
            let compiled = match shared_plans.entry(Arc::as_ptr(spec)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let made = Plans::compile(spec, &mut self.slots);
                    new.insert(Arc::new(made.map_err(|reason| PublishError::Plan {
                        zone: key.0.clone(),
                        name: key.1.clone(),
                        reason,
                    })?))
                }
            };
            let before = self
                .places
                .get(key)
                .and_then(|&place| current.plans.get(place as usize));
            let tallies = self.tallies.of(key);
            let plan = ServicePlan::new(compiled, before.map(|plan| &**plan), tallies);
            plans[place as usize] = Some(Arc::new(plan));
        }
        let plans: Option<Vec<_>> = plans.into_iter().collect();
        let Some(plans) = plans else {
            let planned: HashSet<&ServiceKey> = specs.iter().map(|(key, _)| key).collect();
            let missing = places.keys().find(|key| !planned.contains(key)).cloned();
            let (zone, name) = missing.unwrap_or_default();
            return Err(PublishError::Planless(zone, name));
        };
        for counters in &self.counters {
            counters.reserve(self.tallies.count as usize);
        }
        if let Some(zones) = zones {
            self.places = number(zones);
        }
        let generation = current.generation + 1;
        let settings = settings.map_or_else(|| Arc::clone(&current.settings), Arc::new);
        drop(current);
        if settings.rrl.is_some() {
            shared.budgets.get_or_init(Budgets::default);
        }
        shared.swap(Arc::new(Snapshot {
            generation,
            zones: compiled,
            plans,
            settings,
        }));
        Ok(generation)
    }

    /// Free the retired snapshots that every worker has left, and what only they used.
    pub(super) fn reap(&mut self, shared: &Shared) {
        shared.reap();
        self.slots.sweep();
    }

    /// Sum the counters of all workers.
    pub(super) fn stats(&self, shared: &Shared) -> Stats {
        let mut stats = Stats {
            generation: shared.current.load().generation,
            queries: self.queries(),
            ..self.before.clone()
        };
        for counters in &self.counters {
            let transport = counters.transport().name();
            let latency = stats.latency.entry(transport).or_default();
            latency.merge(&counters.latency().read());
            for (place, reason) in Drop::ALL.iter().enumerate() {
                *stats.drops.entry(reason.name()).or_default() += counters.drops(place);
            }
            for (place, fate) in Limited::ALL.iter().enumerate() {
                *stats.limited.entry(fate.name()).or_default() += counters.limits(place);
            }
        }
        for ((zone, service), places) in &self.tallies.places {
            for ((pool, name), &place) in places {
                let count = |counters: &Arc<Counters>| counters.tallied(place as usize);
                let key = (zone.clone(), service.clone(), pool.clone(), name.clone());
                let sum: u64 = self.counters.iter().map(count).sum();
                *stats.answers.entry(key).or_default() += sum;
            }
        }
        stats
    }

    /// The answers made, by transport and rcode, summed over all workers.
    pub(super) fn queries(&self) -> Queries {
        let mut queries = self.before.queries.clone();
        for counters in &self.counters {
            let transport = counters.transport().name();
            for (place, rcode) in Rcode::ALL.iter().enumerate() {
                *queries.entry((transport, rcode.name())).or_default() += counters.rcode(place);
            }
        }
        queries
    }

    /// Go on from these.
    pub(super) fn restore(&mut self, stats: Stats) {
        self.before = stats;
    }

    /// The networks that were limited at `since` or later, in milliseconds since 1970, each with how
    /// many answers are known of.
    pub(super) fn limited(&self, since: u64) -> HashMap<(Network, Class), u64> {
        let mut all = HashMap::new();
        for sighting in self
            .counters
            .iter()
            .flat_map(|one| one.noted().since(since))
        {
            *all.entry((sighting.network, sighting.class)).or_default() += sighting.count;
        }
        all
    }
}

/// Number the services of `zones`.
fn number(zones: &[ZoneSpec]) -> HashMap<ServiceKey, u32> {
    let keys = zones.iter().flat_map(|zone| zone.services.iter().cloned());
    let mut places = HashMap::new();
    for key in keys {
        let next = places.len() as u32;
        places.entry(key).or_insert(next);
    }
    places
}

/// The tallies of every service's backends, made on first sight and kept for good: counters never go
/// back, not even when a backend leaves the configuration and returns.
#[derive(Default)]
struct Tallies {
    places: HashMap<ServiceKey, HashMap<plan::BackendKey, u32>>,
    count: u32,
}

impl Tallies {
    /// The backends of one service, to be asked for the place of each.
    fn of(&mut self, service: &ServiceKey) -> impl FnMut(&plan::BackendKey) -> u32 {
        let count = &mut self.count;
        let places = self.places.entry(service.clone()).or_default();
        move |backend| {
            if let Some(&place) = places.get(backend) {
                return place;
            }
            let place = *count;
            *count += 1;
            places.insert(backend.clone(), place);
            place
        }
    }
}
