//! A worker's connections: who is where, who waits for how long, who has to go.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::connection::{Connection, Desk, State};
use super::gate::{Full, Gate, Place, client};
use super::order::{Links, List, Order};

/// The octets that queries which have begun, and answers that clients do not take, may hold in each
/// worker: a few of them per connection, were all places taken, and more than real clients need. Beyond
/// it the connection that has waited for the longest is closed.
const MAX_HELD: usize = 32 << 20;

/// The connections of one worker.
pub(super) struct Table<S> {
    gate: Arc<Gate>,
    seats: Slab<Seat<S>>,
    /// Those with no answer on its way, by their last answer.
    idle: Order,
    /// Those with a part of a query or of their answers, by how long that has been so.
    waiting: Order,
    /// Those of each client that are in `idle`, in the same order.
    clients: Slab<Client>,
    by_address: HashMap<IpAddr, usize>,
    links: Links,
    held: usize,
}

struct Seat<S> {
    connection: Connection<S>,
    place: Place,
    client: usize,
    state: State,
}

#[derive(Default)]
struct Client {
    idle: List,
    connections: usize,
}

impl<S: Read + Write> Table<S> {
    pub(super) fn new(gate: &Arc<Gate>) -> Self {
        Self {
            gate: Arc::clone(gate),
            seats: Slab::new(),
            idle: Order::default(),
            waiting: Order::default(),
            clients: Slab::new(),
            by_address: HashMap::new(),
            links: Links::default(),
            held: 0,
        }
    }

    /// Take a new connection of `address`, closing another one where there is no place left: of those
    /// without an answer on its way, the one that has gone without an answer for the longest time (RFC
    /// 7766 section 6.2.3); the client's own when it has its share. Returns its slot and its stream;
    /// None when it was closed, since nothing else could be.
    pub(super) fn enter(
        &mut self,
        stream: S,
        address: IpAddr,
        now: Instant,
    ) -> Option<(usize, &mut S)> {
        let network = client(address);
        let place = loop {
            let spare = match self.gate.enter(network) {
                Ok(place) => break place,
                Err(Full::Client) => self.own_idle(network),
                Err(Full::Server) => self.longest_idle(),
            };
            let Some(spare) = spare else {
                self.gate.note(|census| census.refused += 1);
                return None;
            };
            self.shed(spare);
        };
        let client = *self
            .by_address
            .entry(network)
            .or_insert_with(|| self.clients.insert(Client::default()));
        self.clients[client].connections += 1;
        let slot = self.seats.insert(Seat {
            connection: Connection::new(stream, address),
            place,
            client,
            state: State::Idle,
        });
        self.used(slot, now);
        let stream = self.seats[slot].connection.stream();
        Some((slot, stream))
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// The slots that are taken.
    pub(super) fn slots(&self) -> Vec<usize> {
        self.seats.iter().map(|(slot, _)| slot).collect()
    }

    /// What the connection in `slot` waits for; `Over` if there is none.
    pub(super) fn state(&self, slot: usize) -> State {
        self.seats.get(slot).map_or(State::Over, |seat| seat.state)
    }

    /// Note that the client of `slot` has closed its side.
    pub(super) fn hang_up(&mut self, slot: usize) {
        if let Some(seat) = self.seats.get_mut(slot) {
            seat.connection.hang_up();
        }
    }

    /// Give the connection in `slot`, if there is one, a turn. Returns whether another one is due at
    /// once.
    pub(super) fn turn(&mut self, slot: usize, desk: &mut Desk, now: Instant) -> bool {
        let Some(seat) = self.seats.get_mut(slot) else {
            return false;
        };
        let before = seat.connection.held();
        let turn = seat.connection.turn(desk);
        self.held = self.held + seat.connection.held() - before;
        let was = std::mem::replace(&mut seat.state, turn.state);
        if turn.state == State::Over {
            self.close(slot);
            return false;
        }
        match turn.state {
            State::Idle => self.waiting.remove(slot),
            _ if turn.answered || was != turn.state => self.waiting.push(slot, now),
            _ => {}
        }
        if turn.state == State::Sending {
            self.forget(slot);
        } else if turn.answered || was == State::Sending {
            self.used(slot, now);
        }
        while self.held > MAX_HELD
            && let Some((slot, _)) = self.waiting.first()
        {
            self.shed(slot);
        }
        turn.again
    }

    /// Close the connections whose time is over, and say how long the next one has.
    pub(super) fn expire(&mut self, now: Instant) -> Option<Duration> {
        let limits = self.gate.limits;
        loop {
            let ends = [(&self.idle, limits.idle), (&self.waiting, limits.query)]
                .into_iter()
                .filter_map(|(order, limit)| {
                    let (slot, since) = order.first()?;
                    Some((limit.saturating_sub(now.duration_since(since)), slot))
                });
            let (left, slot) = ends.min()?;
            if !left.is_zero() {
                return Some(left);
            }
            self.gate.note(|census| census.timed_out += 1);
            self.close(slot);
        }
    }

    /// Close the connection that has been idle for the longest time, to make room. Returns whether
    /// there was one.
    pub(super) fn make_room(&mut self) -> bool {
        let spare = self.longest_idle();
        if let Some(slot) = spare {
            self.shed(slot);
        }
        spare.is_some()
    }

    /// End the connection in `slot`, if there is one.
    pub(super) fn close(&mut self, slot: usize) {
        self.forget(slot);
        self.waiting.remove(slot);
        let Some(seat) = self.seats.try_remove(slot) else {
            return;
        };
        self.held -= seat.connection.held();
        let client = &mut self.clients[seat.client];
        client.connections -= 1;
        if client.connections == 0 {
            self.clients.remove(seat.client);
            self.by_address.remove(&seat.place.client());
        }
    }

    fn shed(&mut self, slot: usize) {
        self.gate.note(|census| census.shed += 1);
        self.close(slot);
    }

    /// The connection to close when there is no place left: one with an answer on its way only if all
    /// have one.
    fn longest_idle(&self) -> Option<usize> {
        let first = self.idle.first().or_else(|| self.waiting.first());
        first.map(|(slot, _)| slot)
    }

    /// The client's connection that has been idle for the longest time.
    fn own_idle(&self, network: IpAddr) -> Option<usize> {
        let client = self.by_address.get(&network)?;
        self.clients.get(*client)?.idle.first()
    }

    /// The connection in `slot` is the last one used.
    fn used(&mut self, slot: usize, now: Instant) {
        self.idle.push(slot, now);
        let client = &mut self.clients[self.seats[slot].client];
        self.links.push(&mut client.idle, slot);
    }

    /// The connection in `slot` is not idle.
    fn forget(&mut self, slot: usize) {
        self.idle.remove(slot);
        if let Some(seat) = self.seats.get(slot) {
            let client = &mut self.clients[seat.client];
            self.links.remove(&mut client.idle, slot);
        }
    }
}
