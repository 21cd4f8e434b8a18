//! The binding to Python, with `python/`: reads what is published, hands it on, and turns errors into exceptions.
//!
//! `dnslb/_engine.pyi` is the documentation of everything here. No Python object is kept, and the
//! interpreter is released whenever the engine works.

mod geo;
mod given;
mod networks;
mod querylog;
mod records;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::{
    PyAttributeError, PyOSError, PyOverflowError, PyRuntimeError, PyTypeError, PyValueError,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString, PyTuple};

use crate::cookie::{Cookies, Secret};
use crate::latency;
use crate::networks::Map;
use crate::plan::{
    BackendSpec, Given, LoadBound, NodeSpec, PlanSpec, ServiceKey, ServiceSpec, Share, owners,
};
use crate::rrl::{self, LimitSpec, MAX_BURST, MAX_RATE};
use crate::server::{BindError, Queries, Server, TakeError};
use crate::settings::{MAX_IDENTITY, MAX_UDP_PAYLOAD, Settings};
use crate::stats::Transport;
use crate::tcp::Limits;
use crate::wire::{Rcode, name, rtype};
use crate::zones::{RrsetSpec, ZoneSpec};
use networks::NetworkMap;
use records::Records;

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
        let specs = read(plans).map_err(|error| as_value_error(py, error))?;
        let zones = zones
            .map(|zones| zones.iter().map(zone).collect::<PyResult<Vec<_>>>())
            .transpose()
            .map_err(|error| as_value_error(py, error))?;
        let settings = settings
            .map(read_settings)
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
        let limits = tcp.map(tcp_limits).transpose()?.unwrap_or_default();
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

fn tcp_limits(tcp: &Bound<'_, PyAny>) -> PyResult<Limits> {
    let py = tcp.py();
    let query: f64 = tcp.getattr(intern!(py, "query_timeout"))?.extract()?;
    Ok(Limits {
        connections: tcp.getattr(intern!(py, "connections"))?.extract()?,
        per_client: tcp.getattr(intern!(py, "per_client"))?.extract()?,
        query: Duration::try_from_secs_f64(query)
            .map_err(|_| PyValueError::new_err(format!("{query} is no number of seconds")))?,
    })
}

fn read(plans: &Bound<'_, PyAny>) -> PyResult<Vec<(ServiceKey, Arc<ServiceSpec>)>> {
    let mut reader = Reader::default();
    let mut specs = Vec::new();
    let items = plans.call_method0(intern!(plans.py(), "items"))?;
    for item in items.try_iter()? {
        let (key, plan): (ServiceKey, Bound<'_, PyAny>) = item?.extract()?;
        specs.push((key, reader.service(&plan)?));
    }
    Ok(specs)
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

fn read_settings(settings: &Bound<'_, PyAny>) -> PyResult<Settings> {
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

fn zone(zone: &Bound<'_, PyAny>) -> PyResult<ZoneSpec> {
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

fn rrsets(rrsets: &Bound<'_, PyAny>) -> PyResult<Vec<RrsetSpec>> {
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

fn given(records: &Bound<'_, PyAny>) -> PyResult<Option<Given>> {
    let py = records.py();
    if records.is_none() {
        return Ok(None);
    }
    Ok(Some(Given {
        rdatas: records.getattr(intern!(py, "rdatas"))?.extract()?,
        additional: rrsets(&records.getattr(intern!(py, "additional"))?)?,
    }))
}

fn load_bound(bound: &Bound<'_, PyAny>, seed: &Bound<'_, PyAny>) -> PyResult<Option<LoadBound>> {
    let py = bound.py();
    if bound.is_none() {
        return Ok(None);
    }
    let mut among = Vec::new();
    for share in bound.getattr(intern!(py, "among"))?.try_iter()? {
        let (key, weight): (Bound<'_, PyAny>, f64) = share?.extract()?;
        among.push((seed.call1((key,))?.extract()?, weight));
    }
    Ok(Some(LoadBound {
        factor: bound.getattr(intern!(py, "factor"))?.extract()?,
        among,
    }))
}

/// Reads plans. One node object may stand in many plans, but each plan gets its own copy, so reading
/// goes by plan; a plan that several services share is read once, and so is each backend. Objects are
/// known by their address, which is theirs while the call holds them.
#[derive(Default)]
struct Reader {
    services: HashMap<usize, Arc<ServiceSpec>>,
    backends: HashMap<usize, BackendSpec>,
}

/// A plan while it is read: the nodes so far, and which Python object each was made of.
#[derive(Default)]
struct Draft {
    spec: PlanSpec,
    seen: HashMap<usize, u32>,
}

/// How deep plans are followed: more than the engine takes, so that it is the one to complain, and
/// few enough not to exhaust the stack.
const MAX_READ: usize = 64;

impl Reader {
    fn service(&mut self, plan: &Bound<'_, PyAny>) -> PyResult<Arc<ServiceSpec>> {
        let identity = plan.as_ptr() as usize;
        if let Some(spec) = self.services.get(&identity) {
            return Ok(Arc::clone(spec));
        }
        let py = plan.py();
        let mut specs = ServiceSpec::new();
        for (rtype, attribute) in [
            (rtype::A, intern!(py, "a")),
            (rtype::AAAA, intern!(py, "aaaa")),
            (rtype::CNAME, intern!(py, "other")),
        ] {
            let root = plan.getattr(attribute)?;
            if !root.is_none() {
                specs.push((rtype, self.plan(&root)?));
            }
        }
        let further = plan.getattr(intern!(py, "further"))?;
        for item in further.call_method0(intern!(py, "items"))?.try_iter()? {
            let (rtype, root): (u16, Bound<'_, PyAny>) = item?.extract()?;
            specs.push((rtype, self.plan(&root)?));
        }
        let spec = Arc::new(specs);
        self.services.insert(identity, Arc::clone(&spec));
        Ok(spec)
    }

    fn plan(&mut self, root: &Bound<'_, PyAny>) -> PyResult<PlanSpec> {
        let mut draft = Draft::default();
        self.node(root, &mut draft, MAX_READ)?;
        Ok(draft.spec)
    }

    fn node(&mut self, node: &Bound<'_, PyAny>, draft: &mut Draft, left: usize) -> PyResult<u32> {
        let identity = node.as_ptr() as usize;
        if let Some(&index) = draft.seen.get(&identity) {
            return Ok(index);
        }
        let Some(left) = left.checked_sub(1) else {
            return Err(PyValueError::new_err("a plan nests without end"));
        };
        let py = node.py();
        let class = node.get_type().name()?;
        let spec = match class.to_str()? {
            "Answer" => NodeSpec::Answer {
                backends: self.backends(&node.getattr(intern!(py, "backends"))?)?,
                ttl: node.getattr(intern!(py, "ttl"))?.extract()?,
                rcode: match node.getattr(intern!(py, "rcode"))?.extract()? {
                    0_u8 => Rcode::NoError,
                    2 => Rcode::ServFail,
                    other => {
                        return Err(PyValueError::new_err(format!(
                            "no plan ends in rcode {other}"
                        )));
                    }
                },
                given: given(&node.getattr(intern!(py, "records"))?)?,
            },
            "Cycle" => {
                let mut steps = Vec::new();
                for step in node.getattr(intern!(py, "steps"))?.try_iter()? {
                    steps.push(self.node(&step?, draft, left)?);
                }
                NodeSpec::Cycle(steps)
            }
            "Random" => {
                let mut choices = Vec::new();
                for choice in node.getattr(intern!(py, "choices"))?.try_iter()? {
                    let (weight, child): (f64, Bound<'_, PyAny>) = choice?.extract()?;
                    choices.push((weight, self.node(&child, draft, left)?));
                }
                NodeSpec::Random(choices)
            }
            "Hash" => {
                let mut choices = Vec::new();
                let seed = py
                    .import(intern!(py, "dnslb.policy.plan"))?
                    .getattr(intern!(py, "hash_key"))?;
                let bound = load_bound(&node.getattr(intern!(py, "bound"))?, &seed)?;
                for choice in node.getattr(intern!(py, "choices"))?.try_iter()? {
                    let (key, weight, child): (Bound<'_, PyAny>, f64, Bound<'_, PyAny>) =
                        choice?.extract()?;
                    let seed: u64 = seed.call1((key,))?.extract()?;
                    choices.push((seed, weight, self.node(&child, draft, left)?));
                }
                NodeSpec::Hash {
                    slots: node.getattr(intern!(py, "slots"))?.extract()?,
                    choices,
                    prefix: node.getattr(intern!(py, "prefix"))?.extract()?,
                    bound,
                }
            }
            "Network" => {
                let mut choices = Vec::new();
                for choice in node.getattr(intern!(py, "choices"))?.try_iter()? {
                    choices.push(self.node(&choice?, draft, left)?);
                }
                let map = node.getattr(intern!(py, "map"))?;
                NodeSpec::Network {
                    map: Arc::clone(&map.cast::<NetworkMap>()?.get().0),
                    choices,
                }
            }
            other => return Err(PyValueError::new_err(format!("{other} is no plan node"))),
        };
        let index = draft.spec.nodes.len() as u32;
        draft.spec.nodes.push(spec);
        draft.seen.insert(identity, index);
        Ok(index)
    }

    fn backends(&mut self, backends: &Bound<'_, PyAny>) -> PyResult<Vec<BackendSpec>> {
        let backends = backends.cast::<PyTuple>()?;
        backends
            .iter()
            .map(|backend| self.backend(&backend))
            .collect()
    }

    fn backend(&mut self, backend: &Bound<'_, PyAny>) -> PyResult<BackendSpec> {
        let identity = backend.as_ptr() as usize;
        if let Some(spec) = self.backends.get(&identity) {
            return Ok(spec.clone());
        }
        let py = backend.py();
        let (_, pool, name): (String, String, String) =
            backend.getattr(intern!(py, "id"))?.extract()?;
        let target: Option<String> = backend.getattr(intern!(py, "target"))?.extract()?;
        let target = target
            .map(|text| {
                name::from_text(&text)
                    .ok_or_else(|| PyValueError::new_err(format!("{text:?} is no domain name")))
            })
            .transpose()?;
        let spec = BackendSpec {
            pool,
            name,
            addresses: backend.getattr(intern!(py, "addresses"))?.extract()?,
            target,
        };
        self.backends.insert(identity, spec.clone());
        Ok(spec)
    }
}
