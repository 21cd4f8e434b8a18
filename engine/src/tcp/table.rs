//! A worker's connections: who is where, who waits for how long, who has to go.

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::connection::{Connection, Desk, State, Stream};
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
    /// Whether the connection has ever had to wait for its client to take answers.
    has_sent_late: bool,
}

#[derive(Default)]
struct Client {
    idle: List,
    connections: usize,
}

impl<S: Stream> Table<S> {
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
            has_sent_late: false,
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
        let was = mem::replace(&mut seat.state, turn.state);
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

    /// The stream of the connection in `slot` if it waits, for the first time, for its client to take
    /// answers.
    pub(super) fn newly_sending(&mut self, slot: usize) -> Option<&mut S> {
        let seat = self.seats.get_mut(slot)?;
        if seat.state != State::Sending || mem::replace(&mut seat.has_sent_late, true) {
            return None;
        }
        Some(seat.connection.stream())
    }

    /// Close the connections whose time is over, those without an answer for the time `keepalive` among
    /// them, and say how long the next one has.
    pub(super) fn expire(&mut self, keepalive: Duration, now: Instant) -> Option<Duration> {
        let query = self.gate.limits.query;
        loop {
            let ends = [(&self.idle, keepalive), (&self.waiting, query)]
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

#[cfg(test)]
mod tests {
    use super::super::gate::{Census, Limits};
    use super::super::script::{Script, desk, queries, query};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const KEEPALIVE: Duration = Duration::from_secs(10);

    /// A table whose clock is wound by hand.
    struct Bench {
        table: Table<Script>,
        desk: Desk,
        gate: Arc<Gate>,
        began: Instant,
        now: Instant,
    }

    impl Bench {
        fn new(connections: usize, per_client: usize) -> Self {
            let gate = Gate::new(Limits {
                connections,
                per_client,
                query: 3 * SECOND,
            });
            let now = Instant::now();
            Self {
                table: Table::new(&gate),
                desk: desk(),
                gate,
                began: now,
                now,
            }
        }

        /// A connection of 192.0.2.`last`, a second later.
        fn open(&mut self, last: u8) -> Option<usize> {
            self.now += SECOND;
            let script = Script::taking_all([]);
            let entered = self.table.enter(script, [192, 0, 2, last].into(), self.now);
            entered.map(|(slot, _)| slot)
        }

        /// The client of `slot` sends this, and takes so much of what it is answered.
        fn send(&mut self, slot: usize, octets: Vec<u8>, room: usize) {
            self.now += SECOND;
            let stream = self.table.seats[slot].connection.stream();
            stream
                .sent
                .extend(Some(octets).filter(|octets| !octets.is_empty()));
            stream.room = room;
            assert!(!self.table.turn(slot, &mut self.desk, self.now));
        }

        /// Which slots are taken after so many seconds from the beginning, and when to look again.
        fn after(&mut self, seconds: u32) -> (Vec<usize>, Option<Duration>) {
            self.now = self.began + seconds * SECOND;
            let next = self.table.expire(KEEPALIVE, self.now);
            (self.table.slots(), next)
        }

        /// What the gate has counted: open, shed, refused, timed out.
        fn counted(&self) -> (usize, u64, u64, u64) {
            let Census {
                open,
                shed,
                refused,
                timed_out,
                ..
            } = self.gate.census();
            (open, shed, refused, timed_out)
        }
    }

    #[test]
    fn the_longest_idle_makes_room() {
        let mut bench = Bench::new(3, 3);
        let [a, b, c] = [1, 2, 3].map(|last| bench.open(last).unwrap());
        bench.send(a, query(1), usize::MAX);
        bench.send(b, query(1)[..9].to_vec(), usize::MAX); // octets are no use of a connection
        assert_eq!(bench.open(4), Some(b));
        assert_eq!(bench.open(5), Some(c));
        assert_eq!(bench.open(6), Some(a));
        assert_eq!(bench.counted(), (3, 3, 0, 0));
    }

    #[test]
    fn an_answer_on_its_way_is_waited_for_unless_all_have_one() {
        let mut bench = Bench::new(2, 2);
        let [a, b] = [1, 2].map(|last| bench.open(last).unwrap());
        bench.send(a, query(1), 5);
        bench.send(b, query(1), usize::MAX);
        assert_eq!(bench.open(3), Some(b));
        bench.send(b, query(1), 5);
        assert_eq!(bench.open(4), Some(a));
        assert_eq!(bench.counted(), (2, 2, 0, 0));
    }

    #[test]
    fn a_client_with_its_share_gives_up_a_connection_of_its_own() {
        let mut bench = Bench::new(5, 2);
        let other = bench.open(9).unwrap();
        let [a, b] = [1, 1].map(|last| bench.open(last).unwrap());
        bench.send(a, query(1), usize::MAX);
        assert_eq!(bench.open(1), Some(b));
        assert_eq!(bench.open(1), Some(a));
        bench.send(a, query(1), 5);
        bench.send(b, query(1), 5);
        assert_eq!(
            bench.open(1),
            None,
            "it is waiting for answers on all of them"
        );
        assert_eq!(bench.table.slots(), [other, a, b]);
        assert_eq!(bench.counted(), (3, 2, 1, 0));
    }

    #[test]
    fn time_runs_out() {
        let mut bench = Bench::new(9, 9);
        let [idle, begun, slow, used] = [1, 1, 1, 1].map(|last| bench.open(last).unwrap()); // 1 to 4 s
        bench.send(begun, query(1)[..9].to_vec(), usize::MAX); // 5 s
        bench.send(slow, query(1), 5); // 6 s
        bench.send(begun, query(1)[9..12].to_vec(), usize::MAX); // 7 s: puts nothing off
        bench.send(used, query(1), usize::MAX); // 8 s
        assert_eq!(
            bench.after(7),
            (vec![idle, begun, slow, used], Some(SECOND))
        );
        assert_eq!(bench.after(8), (vec![idle, slow, used], Some(SECOND)));
        assert_eq!(bench.after(9), (vec![idle, used], Some(2 * SECOND)));
        assert_eq!(bench.after(11), (vec![used], Some(7 * SECOND)));
        assert_eq!(bench.after(18), (vec![], None));
        assert_eq!(bench.counted(), (0, 0, 0, 4));
        assert!(bench.table.clients.is_empty() && bench.table.by_address.is_empty());
    }

    #[test]
    fn answers_taken_make_a_connection_the_last_one_used() {
        let mut bench = Bench::new(2, 2);
        let [a, b] = [1, 2].map(|last| bench.open(last).unwrap());
        bench.send(a, query(1), 5);
        bench.send(b, query(1), usize::MAX);
        bench.send(a, Vec::new(), usize::MAX);
        assert_eq!(bench.open(3), Some(b));
        assert_eq!(bench.open(4), Some(a));
    }

    #[test]
    fn octets_held_are_bounded() {
        const BIG: usize = 60_000;
        let mut bench = Bench::new(10_000, 10_000);
        let begun = [vec![0xFF, 0xFF], vec![0; BIG]].concat();
        let sending = bench.open(1).unwrap();
        bench.send(sending, queries(0..100), 5);
        for _ in 0..=MAX_HELD / BIG {
            let slot = bench.open(1).unwrap();
            let stream = bench.table.seats[slot].connection.stream();
            stream.sent.push_back(begun.clone());
            while bench.table.turn(slot, &mut bench.desk, bench.now)
                || !bench.table.seats[slot].connection.stream().sent.is_empty()
            {}
            assert!(bench.table.held <= MAX_HELD);
        }
        assert!(bench.counted().1 > 0);
        let has_gone = bench.table.state(sending) != State::Sending;
        assert!(has_gone, "it has waited for the longest");
        for slot in bench.table.slots() {
            bench.table.close(slot);
        }
        assert_eq!(bench.table.held, 0);
    }
}
