//! The one truth that packets meet: zones and plans, immutable, under one pointer.

use std::sync::Arc;

use crate::plan::ServicePlan;
use crate::settings::Settings;
use crate::zones::Zones;

/// Everything that answers depend on. A health flip makes a new one that shares the zones.
#[derive(Default)]
pub struct Snapshot {
    /// Counted from 1; 0 is the empty snapshot before anything was published.
    pub generation: u64,
    /// What is static.
    pub zones: Arc<Zones>,
    /// What is balanced, by the place that the zones' nodes know.
    pub plans: Vec<Arc<ServicePlan>>,
    /// How answers look in general.
    pub settings: Arc<Settings>,
}
