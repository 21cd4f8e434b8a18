//! Zones and their records, as Python's objects tell them.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;

use super::records::Records;
use crate::plan::ServiceKey;
use crate::zones::{RrsetSpec, ZoneSpec};

/// A zone whose records the engine has read itself, or which come one by one.
pub(super) fn read(zone: &Bound<'_, PyAny>) -> PyResult<ZoneSpec> {
    let py = zone.py();
    let services: Vec<(Vec<u8>, ServiceKey)> = zone.getattr(intern!(py, "services"))?.extract()?;
    let read = zone.getattr(intern!(py, "rrsets"))?;
    let spec = if let Ok(records) = read.cast::<Records>() {
        ZoneSpec::of(records.get().close()?, &services)
    } else {
        let origin: Vec<u8> = zone.getattr(intern!(py, "origin"))?.extract()?;
        ZoneSpec::new(&origin, &rrsets(&read)?, &services)
    };
    spec.map_err(|error| PyValueError::new_err(error.to_string()))
}

/// Records of one owner and type each.
pub(super) fn rrsets(rrsets: &Bound<'_, PyAny>) -> PyResult<Vec<RrsetSpec>> {
    let py = rrsets.py();
    let read = |rrset: Bound<'_, PyAny>| {
        Ok(RrsetSpec {
            owner: rrset.getattr(intern!(py, "owner"))?.extract()?,
            rtype: rrset.getattr(intern!(py, "type"))?.extract()?,
            ttl: rrset.getattr(intern!(py, "ttl"))?.extract()?,
            rdatas: rrset.getattr(intern!(py, "rdatas"))?.extract()?,
        })
    };
    rrsets.try_iter()?.map(|rrset| read(rrset?)).collect()
}
