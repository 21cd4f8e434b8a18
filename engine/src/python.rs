//! The binding to Python, with `python/`: reads what is published, hands it on, and turns errors into exceptions.
//!
//! `dnslb/_engine.pyi` is the documentation of everything here. No Python object is kept, and the
//! interpreter is released whenever the engine works.

mod geo;
mod given;
mod networks;
mod plans;
mod querylog;
mod records;
mod settings;
mod zones;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::time::Duration;

use pyo3::exceptions::{
    PyAttributeError, PyOSError, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::latency;
use crate::plan::{LoadBound, Share, owners};
use crate::server::{BindError, Queries, Server, TakeError};
use crate::stats::Transport;

/// The extension module `dnslb._engine`.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use super::Engine;

    #[pymodule_export]
    use super::geo::Database;

    #[pymodule_export]
    use super::networks::NetworkMap;

    #[pymodule_export]
    use super::records::Records;

    #[pymodule_export]
    use super::slot_owners;

    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// For each slot of a `Hash` the place of the choice that it belongs to.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what Python's lists are read into"
)]
#[pyfunction]
#[pyo3(signature = (slots, choices, factor, among))]
fn slot_owners(
    py: Python<'_>,
    slots: u32,
    choices: Vec<Share>,
    factor: Option<f64>,
    among: Vec<Share>,
) -> PyResult<Vec<u16>> {
    let bound = factor.map(|factor| LoadBound { factor, among });
    let owners = py.detach(|| owners(slots, &choices, bound.as_ref()));
    match owners {
        Ok(owners) => Ok(owners.to_vec()),
        Err(error) => Err(PyValueError::new_err(error.to_string())),
    }
}

/// Zones and plans, the sockets that serve them, and the threads that answer.
#[pyclass(frozen, module = "dnslb._engine")]
struct Engine(Server);

#[pymethods]
impl Engine {
    #[new]
    fn new() -> Self {
        Self(Server::default())
    }

    #[pyo3(signature = (plans, zones=None, settings=None))]
    fn publish(
        &self,
        py: Python<'_>,
        plans: &Bound<'_, PyAny>,
        zones: Option<Vec<Bound<'_, PyAny>>>,
        settings: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<u64> {
        let specs = plans::read(plans).map_err(|error| as_value_error(py, error))?;
        let zones = zones
            .map(|zones| zones.iter().map(zones::read).collect::<PyResult<Vec<_>>>())
            .transpose()
            .map_err(|error| as_value_error(py, error))?;
        let settings = settings
            .map(settings::read)
            .transpose()
            .map_err(|error| as_value_error(py, error))?;
        py.detach(|| self.0.publish(&specs, zones.as_deref(), settings))
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    #[pyo3(signature = (listen, workers, tcp=None, given=Vec::new()))]
    fn bind(
        &self,
        py: Python<'_>,
        listen: Vec<(IpAddr, u16)>,
        workers: usize,
        tcp: Option<&Bound<'_, PyAny>>,
        given: Vec<RawFd>,
    ) -> PyResult<Vec<(String, u16)>> {
        let given = given::owned(given)?;
        let limits = tcp
            .map(settings::tcp_limits)
            .transpose()?
            .unwrap_or_default();
        let listen: Vec<SocketAddr> = listen.into_iter().map(SocketAddr::from).collect();
        match py.detach(|| self.0.bind(&listen, workers, limits, given)) {
            Ok(bound) => Ok(bound
                .iter()
                .map(|address| (address.ip().to_string(), address.port()))
                .collect()),
            Err(BindError::Listen(error)) => {
                let code = error.source.raw_os_error();
                let text = error.source.to_string();
                Err(PyOSError::new_err((code, text, error.address.to_string())))
            }
            Err(BindError::Life(error)) => Err(PyRuntimeError::new_err(error.to_string())),
        }
    }

    fn start(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.0.start())
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    #[allow(clippy::needless_pass_by_value, reason = "as PyO3 hands it over")]
    fn prepare(&self, py: Python<'_>, interfaces: Vec<String>) -> PyResult<()> {
        py.detach(|| self.0.prepare(&interfaces)).map_err(not_taken)
    }

    fn attach(&self, py: Python<'_>) -> PyResult<Vec<(String, usize, &'static str, bool)>> {
        let opened = py.detach(|| self.0.attach()).map_err(not_taken)?;
        let told = opened
            .into_iter()
            .map(|one| (one.interface, one.queues, one.mode.name(), one.copies));
        Ok(told.collect())
    }

    fn attached(&self, py: Python<'_>) -> HashMap<String, u64> {
        py.detach(|| self.0.attached())
    }

    #[pyo3(signature = (packet, client, transport="udp"))]
    fn answer<'py>(
        &self,
        py: Python<'py>,
        packet: &[u8],
        client: &str,
        transport: &str,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let transport = [Transport::Udp, Transport::Tcp]
            .into_iter()
            .find(|known| known.name() == transport)
            .ok_or_else(|| PyValueError::new_err("transport is neither \"udp\" nor \"tcp\""))?;
        let client: IpAddr = client
            .parse()
            .map_err(|_| PyValueError::new_err(format!("{client:?} is no IP address")))?;
        let answer = py.detach(|| self.0.answer(transport, client, packet));
        Ok(answer.map(|bytes| PyBytes::new(py, &bytes)))
    }

    fn asked(&self, py: Python<'_>) -> (u64, Queries) {
        py.detach(|| self.0.asked())
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = py.detach(|| self.0.stats());
        let dict = PyDict::new(py);
        dict.set_item("generation", stats.generation)?;
        dict.set_item("queries", stats.queries)?;
        dict.set_item("drops", stats.drops)?;
        dict.set_item("limited", stats.limited)?;
        dict.set_item("answers", stats.answers)?;
        let latency = PyDict::new(py);
        for (transport, read) in stats.latency {
            let one = PyDict::new(py);
            one.set_item("bounds", latency::seconds())?;
            one.set_item("counts", read.counts)?;
            one.set_item(
                "seconds",
                Duration::from_nanos(read.nanoseconds).as_secs_f64(),
            )?;
            latency.set_item(transport, one)?;
        }
        dict.set_item("latency", latency)?;
        let tcp = PyDict::new(py);
        tcp.set_item("accepted", stats.tcp.accepted)?;
        tcp.set_item("open", stats.tcp.open)?;
        tcp.set_item("shed", stats.tcp.shed)?;
        tcp.set_item("refused", stats.tcp.refused)?;
        tcp.set_item("timed_out", stats.tcp.timed_out)?;
        dict.set_item("tcp", tcp)?;
        Ok(dict)
    }

    fn limited(&self, py: Python<'_>, within: f64) -> HashMap<(String, &'static str), u64> {
        let within = Duration::try_from_secs_f64(within).unwrap_or_default();
        let limited = py.detach(|| self.0.limited(within));
        let told = limited
            .into_iter()
            .map(|(((address, bits), class), count)| {
                ((format!("{address}/{bits}"), class.name()), count)
            });
        told.collect()
    }

    fn restore(&self, stats: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = stats.py();
        let stats = given::counters(stats).map_err(|error| as_value_error(py, error))?;
        self.0.restore(stats);
        Ok(())
    }

    fn sockets(&self) -> Vec<RawFd> {
        self.0.sockets()
    }

    fn retire(&self, py: Python<'_>, within: f64) {
        let within = Duration::try_from_secs_f64(within).unwrap_or_default();
        py.detach(|| self.0.retire(within));
    }

    #[pyo3(signature = (dnstap))]
    fn log(&self, py: Python<'_>, dnstap: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let wanted = dnstap
            .map(querylog::read)
            .transpose()
            .map_err(|error| as_value_error(py, error))?;
        py.detach(|| self.0.log(wanted)).map_err(PyErr::from)
    }

    fn logged<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        querylog::stats(py, py.detach(|| self.0.logged()))
    }

    fn sample(&self, probability: f64) {
        self.0.sample(probability);
    }

    fn samples<'py>(&self, py: Python<'py>, most: usize) -> Vec<querylog::Told<'py>> {
        let samples = py.detach(|| self.0.samples(most));
        querylog::tell(py, &samples)
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }
}

fn not_taken(error: TakeError) -> PyErr {
    match error {
        TakeError::Xdp(error) => {
            let code = error.source.raw_os_error();
            let text = format!("{}: {}", error.what, error.source);
            PyOSError::new_err((code, text, error.interface))
        }
        TakeError::Life(error) => PyRuntimeError::new_err(error.to_string()),
    }
}

/// What cannot be read is a value that cannot be published, whatever kind of mismatch it was.
fn as_value_error(py: Python<'_>, error: PyErr) -> PyErr {
    let kinds = (
        error.is_instance_of::<PyTypeError>(py),
        error.is_instance_of::<PyOverflowError>(py),
        error.is_instance_of::<PyAttributeError>(py),
    );
    if kinds == (false, false, false) {
        return error;
    }
    let told = PyValueError::new_err(error.value(py).to_string());
    told.set_cause(py, Some(error));
    told
}
