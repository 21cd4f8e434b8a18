//! `NetworkMap`: maps as Python builds and reads them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;

use crate::networks::{Map, MapError, Pair};

/// A label for every address; see `_engine.pyi`.
#[pyclass(frozen, module = "dnslb._engine")]
pub(super) struct NetworkMap(pub(super) Arc<Map>);

/// A prefix: address as a number, length, label.
type Cell = (u128, u8, u32);

impl From<MapError> for PyErr {
    fn from(error: MapError) -> Self {
        PyValueError::new_err(error.to_string())
    }
}

#[pymethods]
#[expect(
    clippy::needless_pass_by_value,
    reason = "PyO3 extracts arguments into values"
)]
impl NetworkMap {
    #[staticmethod]
    #[pyo3(signature = (networks, default=0))]
    fn of(py: Python<'_>, networks: Vec<(IpAddr, u8, u32)>, default: u32) -> PyResult<Self> {
        let map = py.detach(|| Map::of(&networks, default))?;
        Ok(Self(Arc::new(map)))
    }

    fn find(&self, address: IpAddr) -> (u32, u8) {
        self.0.find(address)
    }

    fn relabel(&self, py: Python<'_>, labels: Vec<u32>) -> PyResult<Self> {
        let map = py.detach(|| self.0.relabel(&labels))?;
        Ok(Self(Arc::new(map)))
    }

    fn product(&self, py: Python<'_>, other: &Self) -> PyResult<(Self, Vec<Pair>)> {
        let (map, pairs) = py.detach(|| self.0.product(&other.0))?;
        Ok((Self(Arc::new(map)), pairs))
    }

    fn shares(&self, py: Python<'_>) -> Vec<(u32, f64, f64)> {
        py.detach(|| self.0.shares())
    }

    #[pyo3(signature = (version, first=0, count=65_536))]
    fn cells(&self, version: u8, first: usize, count: usize) -> PyResult<Vec<Cell>> {
        match version {
            4 => Ok(page(
                self.0
                    .v4()
                    .map(|(start, length, label)| (start.into(), length, label)),
                first,
                count,
            )),
            6 => Ok(page(self.0.v6(), first, count)),
            _ => Err(PyIndexError::new_err(format!("no IP version {version}"))),
        }
    }

    #[getter]
    fn sizes(&self) -> (usize, usize) {
        self.0.sizes()
    }

    #[getter]
    fn octets(&self) -> usize {
        self.0.octets()
    }

    #[getter]
    fn greatest(&self) -> u32 {
        self.0.greatest()
    }

    fn __eq__(&self, py: Python<'_>, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || py.detach(|| self.0 == other.0)
    }

    /// Equal maps have equal sizes; going through all prefixes would not tell more of them apart.
    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.sizes().hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        let (v4, v6) = self.0.sizes();
        format!("<NetworkMap of {v4} prefixes of IPv4 and {v6} of IPv6>")
    }
}

fn page(cells: impl Iterator<Item = Cell>, first: usize, count: usize) -> Vec<Cell> {
    cells.skip(first).take(count).collect()
}
