//! The records of a zone, for Python: read, checked and looked at there, published as they are.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::master::{self, Meaning, Place, Record};
use crate::zones::{Draft, Finding, Findings, Node, Set, Table, ZoneError};

/// The static records of one zone.
#[pyclass(frozen, module = "dnslb._engine")]
pub(super) struct Records(Mutex<State>);

enum State {
    Open(Box<Draft>),
    Closed(Arc<Table>),
    /// What was wrong when it should have been closed.
    Failed(ZoneError),
}

impl State {
    fn draft(&mut self) -> PyResult<&mut Draft> {
        match self {
            Self::Open(draft) => Ok(draft),
            Self::Closed(_) => Err(PyValueError::new_err(
                "these records are finished: they do not change any more",
            )),
            Self::Failed(error) => Err(PyValueError::new_err(error.to_string())),
        }
    }

    fn table(&mut self) -> PyResult<&Table> {
        match self {
            Self::Open(draft) => {
                draft.settle();
                Ok(draft.table())
            }
            Self::Closed(table) => Ok(table),
            Self::Failed(error) => Err(PyValueError::new_err(error.to_string())),
        }
    }
}

impl Records {
    /// Whoever has the records reads or compiles them without the interpreter, and may ask it in
    /// between: to wait here, which is with the interpreter, would be for ever.
    fn lock(&self) -> PyResult<MutexGuard<'_, State>> {
        match self.0.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::Poisoned(error)) => Ok(error.into_inner()),
            Err(TryLockError::WouldBlock) => Err(PyRuntimeError::new_err(
                "these records are being read in another thread",
            )),
        }
    }

    /// The compiled zone; nothing can be added from now on.
    pub(super) fn close(&self) -> PyResult<Arc<Table>> {
        let mut state = self.lock()?;
        if let State::Open(_) = *state {
            // while it is compiled there is nothing else in its place
            let open = std::mem::replace(&mut *state, State::Failed(ZoneError::TooMany));
            if let State::Open(draft) = open {
                *state = match draft.finish() {
                    Ok(table) => State::Closed(Arc::new(table)),
                    Err(error) => State::Failed(error),
                };
            }
        }
        match &*state {
            State::Closed(table) => Ok(Arc::clone(table)),
            State::Failed(error) => Err(PyValueError::new_err(error.to_string())),
            State::Open(_) => unreachable!("it was closed above"),
        }
    }
}

/// File, line and column.
type PlaceTuple = (u16, u32, u16);

fn place_tuple(place: Place) -> PlaceTuple {
    (place.file, place.line, place.column)
}

#[pymethods]
#[allow(
    clippy::needless_pass_by_value,
    reason = "values come from Python owned"
)]
impl Records {
    #[new]
    fn new(origin: &[u8]) -> PyResult<Self> {
        let draft = Draft::new(origin).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self(Mutex::new(State::Open(Box::new(draft)))))
    }

    #[pyo3(signature = (owner, rtype, ttl, rdata, spot=0))]
    fn add(&self, owner: &[u8], rtype: u16, ttl: u32, rdata: &[u8], spot: u32) -> PyResult<()> {
        let record = Record {
            owner,
            rtype,
            ttl: None,
            rdata,
            place: in_yaml(spot),
        };
        self.lock()?.draft()?.add(&record, ttl);
        Ok(())
    }

    #[pyo3(signature = (owner, spot=0))]
    fn add_service(&self, owner: &[u8], spot: u32) -> PyResult<()> {
        let mut state = self.lock()?;
        let added = state.draft()?.add_service(owner, in_yaml(spot));
        added.map_err(|error| PyValueError::new_err(error.to_string()))
    }

    /// Returns the files read and what is wrong.
    #[allow(clippy::type_complexity, reason = "Python's stub names the parts")]
    fn read(
        &self,
        py: Python<'_>,
        path: PathBuf,
        ttl: u32,
        meaning: Py<PyAny>,
        refused: Vec<(u16, Option<Vec<u8>>)>,
    ) -> PyResult<(
        Vec<PathBuf>,
        Vec<(PlaceTuple, String)>,
        Vec<(u16, PlaceTuple)>,
    )> {
        let mut means = PyMeaning {
            object: meaning,
            failed: None,
        };
        let (reading, left_out, first) = py.detach(|| {
            let mut state = self.lock()?;
            let draft = state.draft()?;
            let mut left_out = Vec::new();
            let origin = draft.table().origin().to_vec();
            let first = draft.files();
            draft.expect(std::fs::metadata(&path).map_or(0, |file| file.len()));
            let reading = master::read(&path, &origin, &mut means, &mut |mut record| {
                record.place.file = record.place.file.saturating_add(first);
                let is_refused = refused.iter().any(|(rtype, owner)| {
                    *rtype == record.rtype
                        && owner
                            .as_ref()
                            .is_none_or(|owner| record.owner == &owner[..])
                });
                if !is_refused {
                    draft.add(&record, ttl);
                } else if left_out.len() < MAX_REFUSED {
                    left_out.push((record.rtype, place_tuple(record.place)));
                }
            });
            draft.add_files(reading.files.len());
            PyResult::Ok((reading, left_out, first))
        })?;
        if let Some(error) = means.failed {
            return Err(error);
        }
        let problems = reading.problems.into_iter().map(|problem| {
            let column = u16::try_from(problem.column).unwrap_or(u16::MAX);
            let file = problem.file.saturating_add(first);
            ((file, problem.line, column), problem.message)
        });
        Ok((reading.files, problems.collect(), left_out))
    }

    /// Errors and warnings, and how many more there are of each.
    fn check<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let findings = py.detach(|| {
            let mut state = self.lock()?;
            let draft = state.draft()?;
            draft.check();
            PyResult::Ok(draft.take_findings())
        })?;
        found(py, &findings)
    }

    fn check_nested<'py>(
        &self,
        py: Python<'py>,
        apexes: Vec<Vec<u8>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let findings = py.detach(|| {
            let mut state = self.lock()?;
            let draft = state.draft()?;
            draft.settle();
            draft.check_nested(&apexes);
            PyResult::Ok(draft.take_findings())
        })?;
        found(py, &findings)
    }

    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.close().map(|_| ()))
    }

    fn at<'py>(&self, py: Python<'py>, owner: &[u8]) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut state = self.lock()?;
        let table = state.table()?;
        let Some(node) = table.node(owner) else {
            return Ok(Vec::new());
        };
        let sets = table.sets(node).iter();
        sets.map(|set| rrset(py, table, node, set)).collect()
    }

    /// Where the records of one name and type were written.
    fn places(&self, owner: &[u8], rtype: u16) -> PyResult<Vec<PlaceTuple>> {
        let mut state = self.lock()?;
        let draft = state.draft()?;
        draft.settle();
        let places = draft.places_of(owner, rtype).iter();
        Ok(places.copied().map(place_tuple).collect())
    }

    /// The names that have records of one type, a thousand at the most.
    fn owners<'py>(&self, py: Python<'py>, rtype: u16) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let mut state = self.lock()?;
        let table = state.table()?;
        let nodes = table.nodes().iter();
        let found = nodes.filter(|node| table.set(node, rtype).is_some());
        let names = found.take(MAX_REFUSED);
        Ok(names
            .map(|node| PyBytes::new(py, table.name(node)))
            .collect())
    }

    fn exists(&self, name: &[u8]) -> PyResult<bool> {
        Ok(self.lock()?.table()?.node(name).is_some())
    }

    fn digest(&self) -> PyResult<u64> {
        Ok(self.lock()?.table()?.digest())
    }

    fn __iter__(this: Bound<'_, Self>) -> RrsetIter {
        RrsetIter(Mutex::new(Cursor {
            records: this.unbind(),
            node: 0,
            set: 0,
        }))
    }
}

/// Goes through the `RRset`s of a zone.
#[pyclass(frozen, module = "dnslb._engine")]
struct RrsetIter(Mutex<Cursor>);

struct Cursor {
    records: Py<Records>,
    node: usize,
    set: usize,
}

#[pymethods]
impl RrsetIter {
    fn __iter__(this: Bound<'_, Self>) -> Bound<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut cursor = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Cursor { records, node, set } = &mut *cursor;
        let mut state = records.get().lock()?;
        let table = state.table()?;
        while let Some(at) = table.nodes().get(*node) {
            if let Some(found) = table.sets(at).get(*set) {
                *set += 1;
                return rrset(py, table, at, found).map(Some);
            }
            (*node, *set) = (*node + 1, 0);
        }
        Ok(None)
    }
}

/// How many refused records, or owners of a type, are told.
const MAX_REFUSED: usize = 1000;

/// What is written in a YAML file has the number of its spot in the place of a line.
fn in_yaml(spot: u32) -> Place {
    Place {
        line: spot,
        file: 0,
        column: 1,
    }
}

/// Python's `RRset`.
fn rrset<'py>(
    py: Python<'py>,
    table: &Table,
    node: &Node,
    set: &Set,
) -> PyResult<Bound<'py, PyAny>> {
    let mut ttl = 0;
    let mut rdatas = Vec::with_capacity(usize::from(set.count));
    for (first, rdata) in table.rdatas(set) {
        ttl = if rdatas.is_empty() { first } else { ttl };
        rdatas.push(PyBytes::new(py, rdata));
    }
    let owner = PyBytes::new(py, table.name(node));
    let class = py
        .import(intern!(py, "dnslb.zone.records"))?
        .getattr(intern!(py, "RRset"))?;
    class.call1((owner, set.rtype, ttl, PyTuple::new(py, rdatas)?))
}

fn found<'py>(py: Python<'py>, findings: &Findings) -> PyResult<Bound<'py, PyTuple>> {
    let list = |kept: &[Finding]| -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for finding in kept {
            list.append(finding_tuple(py, finding)?)?;
        }
        Ok(list)
    };
    let [errors, warnings] = &findings.kept;
    (
        list(errors)?,
        list(warnings)?,
        findings.more[0],
        findings.more[1],
    )
        .into_pyobject(py)
}

fn finding_tuple<'py>(py: Python<'py>, finding: &Finding) -> PyResult<Bound<'py, PyTuple>> {
    let names = finding.names.iter().map(|name| PyBytes::new(py, name));
    let names = PyTuple::new(py, names.collect::<Vec<_>>())?;
    (
        finding.kind.name(),
        place_tuple(finding.place),
        PyBytes::new(py, &finding.owner),
        finding.rtype,
        PyBytes::new(py, &finding.rdata),
        names,
        PyTuple::new(py, &finding.types)?,
        (finding.numbers[0], finding.numbers[1]),
    )
        .into_pyobject(py)
}

/// Python's definitions of what words mean.
struct PyMeaning {
    object: Py<PyAny>,
    /// The first exception that says nothing about the words.
    failed: Option<PyErr>,
}

impl PyMeaning {
    fn ask<T>(
        &mut self,
        call: impl for<'py> FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> Result<T, String> {
        Python::attach(|py| {
            call(self.object.bind(py)).map_err(|error| {
                let told = error.value(py).to_string();
                if !error.is_instance_of::<PyValueError>(py) {
                    self.failed.get_or_insert(error);
                }
                told
            })
        })
    }
}

impl Meaning for PyMeaning {
    fn rtype(&mut self, text: &str) -> Option<u16> {
        let asked = self.ask(|object| {
            let name = intern!(object.py(), "rtype");
            object.call_method1(name, (text,))?.extract()
        });
        asked.unwrap_or_default()
    }

    fn name(&mut self, text: &str, origin: &[u8]) -> Result<Vec<u8>, String> {
        self.ask(|object| {
            let name = intern!(object.py(), "name");
            let origin = PyBytes::new(object.py(), origin);
            object.call_method1(name, (text, origin))?.extract()
        })
    }

    fn ttl(&mut self, text: &str) -> Result<u32, String> {
        self.ask(|object| {
            let name = intern!(object.py(), "ttl");
            object.call_method1(name, (text,))?.extract()
        })
    }

    fn rdata(
        &mut self,
        rtype: u16,
        words: &[(&str, bool)],
        origin: &[u8],
    ) -> Result<Vec<u8>, String> {
        self.ask(|object| {
            let name = intern!(object.py(), "rdata");
            let origin = PyBytes::new(object.py(), origin);
            let words = PyList::new(object.py(), words)?;
            object.call_method1(name, (rtype, words, origin))?.extract()
        })
    }

    fn unreadable(&mut self, error: &io::Error) -> String {
        let told = self.ask(|object| {
            let name = intern!(object.py(), "unreadable");
            object
                .call_method1(name, (error.raw_os_error(), error.to_string()))?
                .extract()
        });
        told.unwrap_or_else(|told| told)
    }
}
