//! Who may have a connection: one count for all workers, and what became of connections.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The leading bits of an IPv6 address that make a client: whoever has one address has its /64.
const V6_CLIENT: u128 = !(u64::MAX as u128);

/// What TCP clients may take. How long an idle connection is kept is among the snapshot's settings,
/// since answers announce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time, of all workers together.
    pub connections: usize,
    /// Of which one client, an IPv4 address or an IPv6 /64, may have so many.
    pub per_client: usize,
    /// How long one query may take to arrive, and a batch of answers to leave.
    pub query: Duration,
}

/// For tests, and where nothing else is said.
impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_client: 256,
            query: Duration::from_secs(5),
        }
    }
}

/// Connections since the engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Let in.
    pub accepted: u64,
    /// Of which so many are there now.
    pub open: usize,
    /// Closed to make room.
    pub shed: u64,
    /// Closed at once, because there was no room to make.
    pub refused: u64,
    /// Closed because their time was over.
    pub timed_out: u64,
}

impl AddAssign for Census {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.open += other.open;
        self.shed += other.shed;
        self.refused += other.refused;
        self.timed_out += other.timed_out;
    }
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// There is none for anybody.
    Server,
    /// The client has its share.
    Client,
}

/// The limits, and what has been taken of them. Its lock is held for a moment when a connection
/// begins or ends; no query waits for it.
pub struct Gate {
    /// What clients may take.
    pub limits: Limits,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    census: Census,
    clients: HashMap<IpAddr, usize>,
}

impl Gate {
    /// A gate that nobody has gone through.
    #[must_use]
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            state: Mutex::default(),
        })
    }

    /// What became of connections.
    pub fn census(&self) -> Census {
        self.state().census
    }

    /// Take a place for a client, if there is one left for it.
    pub(super) fn enter(self: &Arc<Self>, client: IpAddr) -> Result<Place, Full> {
        let mut state = self.state();
        let State { census, clients } = &mut *state;
        let has = clients.get(&client).copied().unwrap_or_default();
        if has >= self.limits.per_client {
            return Err(Full::Client);
        }
        if census.open >= self.limits.connections {
            return Err(Full::Server);
        }
        clients.insert(client, has + 1);
        census.accepted += 1;
        census.open += 1;
        Ok(Place {
            gate: Arc::clone(self),
            client,
        })
    }

    /// Count connections that ended in a way worth counting.
    pub(super) fn note(&self, count: impl FnOnce(&mut Census)) {
        count(&mut self.state().census);
    }

    fn leave(&self, client: IpAddr) {
        let mut state = self.state();
        state.census.open -= 1;
        if let Some(has) = state.clients.get_mut(&client) {
            *has -= 1;
            if *has == 0 {
                state.clients.remove(&client);
            }
        }
    }

    /// The state is plain numbers, which a panic leaves as valid as they were.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, given back when it is dropped.
pub(super) struct Place {
    gate: Arc<Gate>,
    client: IpAddr,
}

impl Place {
    /// Whose it is.
    pub(super) fn client(&self) -> IpAddr {
        self.client
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.leave(self.client);
    }
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address.
pub(super) fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & V6_CLIENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, per_client: usize) -> Arc<Gate> {
        Gate::new(Limits {
            connections,
            per_client,
            ..Limits::default()
        })
    }

    #[test]
    fn places_for_all_and_for_each() {
        let gate = gate(3, 2);
        let [one, other]: [IpAddr; 2] = [[192, 0, 2, 1].into(), [192, 0, 2, 2].into()];
        let mut places: Vec<Place> = Vec::new();
        for (client, expected) in [
            (one, None),
            (one, None),
            (one, Some(Full::Client)),
            (other, None),
            (other, Some(Full::Server)),
        ] {
            match gate.enter(client) {
                Ok(place) => places.push(place),
                Err(full) => assert_eq!(Some(full), expected),
            }
        }
        assert_eq!(places.len(), 3);
        places.remove(0);
        assert!(gate.enter(one).is_ok(), "has become free");
        places.clear();
        gate.note(|census| census.shed += 1);
        assert_eq!(
            gate.census(),
            Census {
                accepted: 4,
                shed: 1,
                ..Census::default()
            }
        );
        assert!(gate.state().clients.is_empty());
    }

    #[test]
    fn clients_by_their_network() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|text| client(text.parse().unwrap()));
            assert_eq!(one == other, same, "{one} {other}");
        }
    }
}
