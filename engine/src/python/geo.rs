//! `Database`: locations as Python reads them.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PyTuple};

use crate::geo::{self, Content, DatabaseError, FIELDS, Field, Location};

use super::networks::NetworkMap;

/// What is known of the addresses; see `_engine.pyi`.
#[pyclass(frozen, weakref, module = "dnslb._engine")]
pub(super) struct Database {
    kind: String,
    built: u64,
    networks: u64,
    map: Py<NetworkMap>,
    records: geo::Records,
    fields: Py<PyFrozenSet>,
}

#[pymethods]
impl Database {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let read = py.detach(|| geo::Database::open(&path));
        let read = read.map_err(|error| match error {
            DatabaseError::Io(error) => {
                let (code, text) = (error.raw_os_error(), error.to_string());
                // Python writes the number itself
                let text = text.split(" (os error").next().map(str::to_owned);
                PyOSError::new_err((code, text, path.into_os_string()))
            }
            other => PyValueError::new_err(other.to_string()),
        })?;
        let fields = py.detach(|| read.records.fields().collect::<Vec<_>>());
        let fields = PyFrozenSet::new(py, fields.iter().map(|(_, name)| name))?;
        Ok(Self {
            kind: read.kind,
            built: read.built,
            networks: read.networks,
            map: Py::new(py, NetworkMap(Arc::new(read.map)))?,
            records: read.records,
            fields: fields.unbind(),
        })
    }

    #[getter(r#type)]
    fn kind(&self) -> &str {
        &self.kind
    }

    #[getter]
    fn built(&self) -> u64 {
        self.built
    }

    #[getter]
    fn networks(&self) -> u64 {
        self.networks
    }

    #[getter]
    fn map(&self, py: Python<'_>) -> Py<NetworkMap> {
        self.map.clone_ref(py)
    }

    #[getter]
    fn records(&self) -> usize {
        self.records.len()
    }

    #[getter]
    fn fields(&self, py: Python<'_>) -> Py<PyFrozenSet> {
        self.fields.clone_ref(py)
    }

    fn location<'py>(&self, py: Python<'py>, record: usize) -> PyResult<Bound<'py, PyTuple>> {
        let found = self.records.get(record);
        let location = found.ok_or_else(|| {
            let count = self.records.len();
            PyIndexError::new_err(format!("no record {record}, there are {count}"))
        })?;
        self.contents(py, location, &FIELDS.map(|(field, _)| field))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 extracts arguments into values"
    )]
    fn rows<'py>(
        &self,
        py: Python<'py>,
        fields: Vec<String>,
    ) -> PyResult<(Vec<Bound<'py, PyTuple>>, Vec<u32>)> {
        let field = |wanted: &String| {
            let found = FIELDS.iter().find(|(_, name)| name == wanted);
            let known = found.map(|&(field, _)| field);
            known.ok_or_else(|| PyValueError::new_err(format!("locations have no field {wanted}")))
        };
        let fields = fields.iter().map(field).collect::<PyResult<Vec<_>>>()?;
        let (rows, row_of) = py.detach(|| self.records.rows(&fields));
        let rows = rows
            .iter()
            .map(|location| self.contents(py, location, &fields))
            .collect::<PyResult<_>>()?;
        Ok((rows, row_of))
    }

    fn __repr__(&self) -> String {
        format!("<Database {} of {} networks>", self.kind, self.networks)
    }
}

impl Database {
    fn contents<'py>(
        &self,
        py: Python<'py>,
        location: &Location,
        fields: &[Field],
    ) -> PyResult<Bound<'py, PyTuple>> {
        let content = |&field: &Field| {
            Ok(match self.records.content(location, field) {
                Content::Nothing => py.None().into_bound(py),
                Content::Text(text) => text.into_pyobject(py)?.into_any(),
                Content::Texts(texts) => {
                    let texts = texts.iter().map(|text| &**text);
                    PyTuple::new(py, texts.collect::<Vec<_>>())?.into_any()
                }
                Content::Number(number) => number.into_pyobject(py)?.into_any(),
                Content::Degrees(degrees) => degrees.into_pyobject(py)?.into_any(),
            })
        };
        let contents = fields.iter().map(content).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, contents)
    }
}
