//! Who has a place among a worker's TCP connections, and who has to go when there is none left.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

use tokio::task::AbortHandle;

/// One client has at most one of so many places, so that none can take them all ...
const SHARE: usize = 4;
/// ... but has at least so many, as a resolver with several threads needs.
const MIN_SHARE: usize = 8;

/// The leading bits of an IPv6 address that make a client: whoever has one address has its /64.
const V6_CLIENT: u128 = !(u64::MAX as u128);

/// The places of one worker's connections.
///
/// A connection's number grows whenever its client uses it, so the lowest number is that of the
/// connection that has been idle for the longest time.
pub(super) struct Places {
    limit: usize,
    share: usize,
    last: u64,
    taken: BTreeMap<u64, Seat>,
    /// How many places each client has.
    clients: HashMap<IpAddr, usize>,
}

struct Seat {
    client: IpAddr,
    /// None until the connection's task is there.
    task: Option<AbortHandle>,
}

impl Places {
    /// So many places, all of them free.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            share: (limit / SHARE).max(MIN_SHARE),
            last: 0,
            taken: BTreeMap::new(),
            clients: HashMap::new(),
        }
    }

    /// Whether no place is taken.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Take a place for a connection of `address`; None when its client has its share. When all places
    /// are taken, the connection that has been idle for the longest time is closed (RFC 7766 section
    /// 6.2.3).
    pub(super) fn enter(&mut self, address: IpAddr) -> Option<u64> {
        let client = client(address);
        if self
            .clients
            .get(&client)
            .is_some_and(|&has| has >= self.share)
        {
            return None;
        }
        if self.taken.len() >= self.limit
            && let Some((_, idle)) = self.taken.pop_first()
        {
            self.forget(idle.client);
            if let Some(task) = idle.task {
                task.abort();
            }
        }
        *self.clients.entry(client).or_default() += 1;
        let number = self.next();
        self.taken.insert(number, Seat { client, task: None });
        Some(number)
    }

    /// Say which task to end when the place is needed.
    pub(super) fn seat(&mut self, number: u64, task: AbortHandle) {
        if let Some(seat) = self.taken.get_mut(&number) {
            seat.task = Some(task);
        }
    }

    /// Note that a connection is used; it has the number returned from now on.
    pub(super) fn stir(&mut self, number: u64) -> u64 {
        let Some(seat) = self.taken.remove(&number) else {
            return number;
        };
        let number = self.next();
        self.taken.insert(number, seat);
        number
    }

    /// Give a place back; a connection that was closed here has none any more.
    pub(super) fn leave(&mut self, number: u64) {
        if let Some(seat) = self.taken.remove(&number) {
            self.forget(seat.client);
        }
    }

    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn forget(&mut self, client: IpAddr) {
        if let Some(has) = self.clients.get_mut(&client) {
            *has -= 1;
            if *has == 0 {
                self.clients.remove(&client);
            }
        }
    }
}

/// What counts as one client: an IPv4 address, or the /64 of an IPv6 address.
fn client(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & V6_CLIENT)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn numbers(places: &Places) -> Vec<u64> {
        places.taken.keys().copied().collect()
    }

    #[test]
    fn the_longest_idle_goes_first() {
        let mut places = Places::new(3);
        let taken: Vec<u64> = (0..3)
            .map(|last| places.enter(address(last)).unwrap())
            .collect();
        let first = places.stir(taken[0]);
        let newest = places.enter(address(9)).unwrap();
        assert_eq!(numbers(&places), [taken[2], first, newest]);
        places.leave(taken[1]); // was closed; its task ends later
        assert_eq!(places.stir(taken[1]), taken[1]);
        for number in [taken[2], first, newest] {
            places.leave(number);
        }
        assert!(places.is_empty() && places.clients.is_empty());
    }

    #[test]
    fn no_client_takes_more_than_its_share() {
        for (limit, share) in [(1024, 256), (40, 10), (16, 8)] {
            let mut places = Places::new(limit);
            let taken: Vec<_> = (0..limit)
                .filter_map(|_| places.enter(address(1)))
                .collect();
            assert_eq!(taken.len(), share, "of {limit}");
            assert!(places.enter(address(2)).is_some(), "another client");
            places.leave(taken[0]);
            assert!(places.enter(address(1)).is_some(), "has become free");
            assert!(places.enter(address(1)).is_none());
        }
    }

    #[test]
    fn clients_by_their_network() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::1", "2001:db8::ffff:0:0:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let [one, other] = [one, other].map(|text| client(text.parse().unwrap()));
            assert_eq!(one == other, same);
        }
    }
}
