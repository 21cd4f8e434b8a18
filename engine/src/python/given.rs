//! Sockets and counters that Python hands over from the process before.

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::latency::{self, Latencies};
use crate::rrl::Limited;
use crate::server::Stats;
use crate::stats::{Drop, Transport};
use crate::tcp::Census;
use crate::wire::Rcode;

/// The files of these numbers, which are the engine's from now on.
pub(super) fn owned(mut numbers: Vec<RawFd>) -> PyResult<Vec<OwnedFd>> {
    let given = numbers.len();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() != given || numbers.first().is_some_and(|&number| number < 0) {
        return Err(PyValueError::new_err(
            "files are numbered from 0, each once",
        ));
    }
    // SAFETY: the stub has the caller give up these numbers; that they are open is looked at by the
    // calls that use them, and each is here once, so none is closed twice.
    let own = |number| unsafe { OwnedFd::from_raw_fd(number) };
    Ok(numbers.into_iter().map(own).collect())
}

/// Counters of an engine before, of this version or another: what has no name here is left out.
pub(super) fn counters(stats: &Bound<'_, PyDict>) -> PyResult<Stats> {
    let item = |name: &str| {
        stats
            .get_item(name)?
            .ok_or_else(|| PyValueError::new_err(format!("{name} is missing")))
    };
    let queries: HashMap<(String, String), u64> = item("queries")?.extract()?;
    let transports = [Transport::Udp, Transport::Tcp].map(Transport::name);
    let rcodes = Rcode::ALL.map(Rcode::name);
    let queries = queries
        .into_iter()
        .filter_map(|((transport, rcode), count)| {
            let transport = transports.into_iter().find(|name| *name == transport)?;
            let rcode = rcodes.into_iter().find(|name| *name == rcode)?;
            Some(((transport, rcode), count))
        });
    let tcp = item("tcp")?;
    let count = |name: &str| tcp.get_item(name)?.extract::<u64>();
    Ok(Stats {
        generation: 0,
        queries: queries.collect(),
        drops: known(&item("drops")?, &Drop::ALL.map(Drop::name))?,
        limited: known(&item("limited")?, &Limited::ALL.map(Limited::name))?,
        answers: item("answers")?.extract()?,
        latency: latencies(stats, transports)?,
        tcp: Census {
            accepted: count("accepted")?,
            open: 0,
            shed: count("shed")?,
            refused: count("refused")?,
            timed_out: count("timed_out")?,
        },
    })
}

/// Times of answers, where they were counted between the bounds that they are now.
fn latencies(
    stats: &Bound<'_, PyDict>,
    transports: [&'static str; 2],
) -> PyResult<HashMap<&'static str, Latencies>> {
    let mut known = HashMap::new();
    let Some(all) = stats.get_item("latency")? else {
        return Ok(known);
    };
    for transport in transports {
        let Ok(one) = all.get_item(transport) else {
            continue;
        };
        let bounds: Vec<f64> = one.get_item("bounds")?.extract()?;
        let counts: Vec<u64> = one.get_item("counts")?.extract()?;
        let seconds: f64 = one.get_item("seconds")?.extract()?;
        let took = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        if let Ok(counts) = counts.try_into()
            && bounds == latency::seconds()
        {
            let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            known.insert(
                transport,
                Latencies {
                    counts,
                    nanoseconds,
                },
            );
        }
    }
    Ok(known)
}

fn known(
    counts: &Bound<'_, PyAny>,
    names: &[&'static str],
) -> PyResult<HashMap<&'static str, u64>> {
    let counts: HashMap<String, u64> = counts.extract()?;
    let known = counts.into_iter().filter_map(|(name, count)| {
        let name = names.iter().copied().find(|known| *known == name)?;
        Some((name, count))
    });
    Ok(known.collect())
}
