//! The query log, as Python sets it and reads it.

use std::net::IpAddr;
use std::path::PathBuf;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::dnstap::{Form, LogStats, Record, Target};
use crate::wire::query::{Head, Query};

/// What `Engine.log` takes.
pub(super) fn read(dnstap: &Bound<'_, PyAny>) -> PyResult<(Target, Form, f64)> {
    let py = dnstap.py();
    let probability: f64 = dnstap.getattr(intern!(py, "sample"))?.extract()?;
    if !(probability > 0.0 && probability <= 1.0) {
        return Err(PyValueError::new_err("sample is above 0 and up to 1"));
    }
    let to = dnstap.getattr(intern!(py, "to"))?;
    let target = match dnstap.getattr(intern!(py, "kind"))?.extract()? {
        "unix" => Target::Unix(to.extract::<PathBuf>()?),
        "file" => Target::File(to.extract::<PathBuf>()?),
        "tcp" => Target::Tcp(to.extract::<(IpAddr, u16)>()?.into()),
        other => {
            return Err(PyValueError::new_err(format!(
                "nothing is logged to {other}"
            )));
        }
    };
    let form = Form {
        queries: dnstap.getattr(intern!(py, "queries"))?.extract()?,
        responses: dnstap.getattr(intern!(py, "responses"))?.extract()?,
        identity: dnstap.getattr(intern!(py, "identity"))?.extract()?,
        version: dnstap.getattr(intern!(py, "version"))?.extract()?,
    };
    Ok((target, form, probability))
}

/// What `Engine.logged` returns.
pub(super) fn stats(py: Python<'_>, stats: LogStats) -> PyResult<Bound<'_, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("written", stats.written)?;
    let dropped = PyDict::new(py);
    for (reason, count) in stats.dropped {
        dropped.set_item(reason, count)?;
    }
    dict.set_item("dropped", dropped)?;
    dict.set_item("open", stats.open)?;
    dict.set_item("problem", stats.problem)?;
    Ok(dict)
}

/// A sample as Python takes it: client, name in lower case and wire format, type, weight.
pub(super) type Told<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, u16, f64);

/// What `Engine.samples` returns.
pub(super) fn tell<'py>(py: Python<'py>, samples: &[Record]) -> Vec<Told<'py>> {
    let told = samples.iter().filter_map(|record| {
        let query = &record.query;
        let query = Query::parse(Head::parse(query).ok()?, query).ok()?;
        let client = match record.ends.peer.ip() {
            IpAddr::V4(v4) => PyBytes::new(py, &v4.octets()),
            IpAddr::V6(v6) => PyBytes::new(py, &v6.octets()),
        };
        let name = PyBytes::new(py, &query.name.to_ascii_lowercase());
        Some((client, name, query.qtype, record.weight))
    });
    told.collect()
}
