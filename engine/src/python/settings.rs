//! Settings, as Python's objects tell them.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::networks::NetworkMap;
use crate::cookie::{Cookies, Secret};
use crate::networks::Map;
use crate::rrl::{self, LimitSpec, MAX_BURST, MAX_RATE};
use crate::settings::{MAX_IDENTITY, MAX_UDP_PAYLOAD, Settings};
use crate::tcp::Limits;

/// What every zone and service is answered with.
pub(super) fn read(settings: &Bound<'_, PyAny>) -> PyResult<Settings> {
    let py = settings.py();
    let udp_payload: u16 = settings.getattr(intern!(py, "udp_payload"))?.extract()?;
    if !(512..=MAX_UDP_PAYLOAD).contains(&udp_payload) {
        return Err(PyValueError::new_err(format!(
            "udp_payload is {udp_payload}, not within 512 to {MAX_UDP_PAYLOAD}"
        )));
    }
    let text = |name: &Bound<'_, PyString>| {
        let octets: Option<Vec<u8>> = settings.getattr(name)?.extract()?;
        match octets {
            Some(octets) if octets.is_empty() || octets.len() > MAX_IDENTITY => {
                Err(PyValueError::new_err(format!(
                    "{name} has {} octets, not 1 to {MAX_IDENTITY}",
                    octets.len()
                )))
            }
            octets => Ok(octets.map(Vec::into_boxed_slice)),
        }
    };
    let secrets: Vec<Secret> = settings
        .getattr(intern!(py, "cookie_secrets"))?
        .extract()
        .map_err(|_| PyValueError::new_err("a cookie secret has 16 octets"))?;
    let required: bool = settings
        .getattr(intern!(py, "cookies_required"))?
        .extract()?;
    Ok(Settings {
        udp_payload,
        identity: text(intern!(py, "identity"))?,
        version: text(intern!(py, "version"))?,
        ecs_trust: ecs_trust(&settings.getattr(intern!(py, "ecs_trust"))?)?,
        cookies: (!secrets.is_empty()).then(|| Cookies {
            secrets: secrets.into(),
            required,
        }),
        keepalive: settings.getattr(intern!(py, "keepalive"))?.extract()?,
        rrl: limits(&settings.getattr(intern!(py, "rrl"))?)?,
    })
}

fn ecs_trust(networks: &Bound<'_, PyAny>) -> PyResult<Option<Arc<Map>>> {
    if networks.is_none() {
        return Ok(None);
    }
    Ok(Some(Arc::clone(&networks.cast::<NetworkMap>()?.get().0)))
}

fn limits(limits: &Bound<'_, PyAny>) -> PyResult<Option<rrl::Limits>> {
    if limits.is_none() {
        return Ok(None);
    }
    let py = limits.py();
    let spec = LimitSpec {
        log_only: limits.getattr(intern!(py, "log_only"))?.extract()?,
        rates: limits.getattr(intern!(py, "rates"))?.extract()?,
        burst: limits.getattr(intern!(py, "burst"))?.extract()?,
        slip: limits.getattr(intern!(py, "slip"))?.extract()?,
        prefix: limits.getattr(intern!(py, "prefix"))?.extract()?,
        exempt: limits.getattr(intern!(py, "exempt"))?.extract()?,
    };
    let within = |rate: &u32| (1..=MAX_RATE).contains(rate);
    if !spec.rates.iter().all(within) || spec.burst > MAX_BURST {
        return Err(PyValueError::new_err(format!(
            "rates are 1 to {MAX_RATE} answers a second, burst 0 to {MAX_BURST} milliseconds"
        )));
    }
    Ok(Some(rrl::Limits::new(&spec)))
}

/// What TCP clients may take.
pub(super) fn tcp_limits(tcp: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let py = tcp.py();
    let query: f64 = tcp.getattr(intern!(py, "query_timeout"))?.extract()?;
    Ok(Limits {
        connections: tcp.getattr(intern!(py, "connections"))?.extract()?,
        per_client: tcp.getattr(intern!(py, "per_client"))?.extract()?,
        query: Duration::try_from_secs_f64(query)
            .map_err(|_| PyValueError::new_err(format!("{query} is no number of seconds")))?,
    })
}
