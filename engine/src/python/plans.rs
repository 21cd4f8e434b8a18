//! Plans, as Python's objects tell them.

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::networks::NetworkMap;
use super::zones::rrsets;
use crate::plan::{BackendSpec, Given, LoadBound, NodeSpec, PlanSpec, ServiceKey, ServiceSpec};
use crate::wire::{Rcode, name, rtype};

/// The plans of all services, by what names each.
pub(super) fn read(plans: &Bound<'_, PyAny>) -> PyResult<Vec<(ServiceKey, Arc<ServiceSpec>)>> {
    let mut reader = Reader::default();
    let mut specs = Vec::new();
    let items = plans.call_method0(intern!(plans.py(), "items"))?;
    for item in items.try_iter()? {
        let (key, plan): (ServiceKey, Bound<'_, PyAny>) = item?.extract()?;
        specs.push((key, reader.service(&plan)?));
    }
    Ok(specs)
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
