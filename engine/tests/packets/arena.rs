//! Where packets meet the engine: in every way that a packet can come, under every sort of settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use dnslb_engine::cookie::{CLIENT, Cookie, Cookies};
use dnslb_engine::respond::{Arrival, respond};
use dnslb_engine::select::Dice;
use dnslb_engine::settings::{MAX_IDENTITY, MAX_UDP_PAYLOAD, Settings, UDP_PAYLOAD};
use dnslb_engine::snapshot::Snapshot;
use dnslb_engine::stats::{Counters, Transport};
use dnslb_engine::wire::MAX_MESSAGE;

use crate::check::{self, Outcome};
use crate::snapshot;

/// The time at which cookies were given out, in milliseconds since 1970.
const NOW: u64 = 1_780_000_000_000;

/// What one step of a way's time is, in milliseconds: all of them cover a cookie's life and more.
const STEP: u64 = 64_000;

const SECRET: [u8; 16] = *b"a shared secret.";

/// The way in which a packet comes: what a fuzzer decides besides the packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) transport: Transport,
    pub(crate) client: IpAddr,
    /// In milliseconds since 1970.
    pub(crate) now: u64,
    /// Which settings are in force.
    pub(crate) settings: usize,
    /// Whether the server's part of a cookie, where there is room for one, is made valid.
    pub(crate) vouched: bool,
}

impl Way {
    /// How many octets say which way.
    pub(crate) const OCTETS: usize = 3;

    /// UDP, IPv4, at the time when cookies are fresh, under the default settings.
    #[allow(dead_code, reason = "for the fuzzer alone")]
    pub(crate) const PLAIN: [u8; Self::OCTETS] = [0, 1, 0];

    /// What `octets` say: transport, family, vouching and settings; client; time. All values mean
    /// something.
    pub(crate) fn of([choice, client, time]: [u8; Self::OCTETS]) -> Self {
        let steps = i64::from(time.cast_signed());
        Self {
            transport: match choice & 1 {
                0 => Transport::Udp,
                _ => Transport::Tcp,
            },
            client: match choice & 2 {
                0 => Ipv4Addr::new(192, 0, client, 1).into(),
                _ => Ipv6Addr::new(0x2001, 0xDB8, client.into(), 0, 0, 0, 0, 1).into(),
            },
            now: NOW.saturating_add_signed(steps * STEP.cast_signed()),
            vouched: choice & 4 != 0,
            settings: usize::from(choice >> 3),
        }
    }

    /// Whether it is UDP over IPv4 under the settings, without vouching.
    #[allow(dead_code, reason = "for the tests alone")]
    pub(crate) fn is_plain(&self, settings: usize) -> bool {
        let udp = self.transport == Transport::Udp && self.client.is_ipv4();
        udp && !self.vouched && self.settings == settings
    }

    /// The `octets` of every choice, with one client and one time.
    pub(crate) fn all() -> impl Iterator<Item = [u8; Self::OCTETS]> {
        (0..(SORTS as u8) << 3).map(|choice| [choice, 1, 0])
    }
}

/// How many sorts of settings there are.
pub(crate) const SORTS: usize = 6;

/// Every sort of settings: the default, everything told, cookies required, small and large payloads, and
/// an engine that has published nothing.
fn sorts() -> [(u64, Settings); SORTS] {
    let cookies = |required| {
        Some(Cookies {
            secrets: [SECRET, [7; 16]].into(),
            required,
        })
    };
    let default = Settings::default;
    let talkative = |length| Settings {
        identity: Some(vec![b'i'; length].into()),
        version: Some(b"dnslb".as_slice().into()),
        cookies: cookies(false),
        ..default()
    };
    [
        (1, default()),
        (
            1,
            Settings {
                version: None,
                ..talkative(9)
            },
        ),
        (
            1,
            Settings {
                cookies: cookies(true),
                ..default()
            },
        ),
        (
            1,
            Settings {
                udp_payload: 512,
                ..talkative(MAX_IDENTITY)
            },
        ),
        (
            1,
            Settings {
                udp_payload: MAX_UDP_PAYLOAD,
                ..default()
            },
        ),
        (
            0,
            Settings {
                udp_payload: UDP_PAYLOAD,
                ..talkative(1)
            },
        ),
    ]
}

/// An engine without sockets.
pub(crate) struct Arena {
    snapshots: Vec<Snapshot>,
    counters: [Counters; 2],
    dice: Dice,
    room: Vec<u8>,
}

impl Arena {
    /// The seed of its dice.
    pub(crate) const DICE: u64 = 1;

    pub(crate) fn new() -> Self {
        let (everything, tallies) = snapshot::everything();
        let snapshots = sorts().into_iter().map(|(generation, settings)| Snapshot {
            generation,
            zones: Arc::clone(&everything.zones),
            plans: everything.plans.clone(),
            settings: Arc::new(settings),
        });
        let counters = [Transport::Udp, Transport::Tcp].map(Counters::new);
        for one in &counters {
            one.reserve(tallies);
        }
        Self {
            snapshots: snapshots.collect(),
            counters,
            dice: Dice::new(Self::DICE),
            room: vec![0; MAX_MESSAGE],
        }
    }

    pub(crate) fn counters(&self) -> &[Counters; 2] {
        &self.counters
    }

    pub(crate) fn snapshot(&self, way: Way) -> &Snapshot {
        &self.snapshots[way.settings % self.snapshots.len()]
    }

    /// The snapshot of the default settings, for another that answers the same.
    #[allow(dead_code, reason = "for the fuzzer alone")]
    pub(crate) fn into_snapshot(self) -> Snapshot {
        let mut snapshots = self.snapshots.into_iter();
        snapshots.next().expect("a snapshot")
    }

    /// Let `packet` come in `way`; nothing is checked.
    pub(crate) fn answer(&mut self, way: Way, packet: &[u8]) -> Option<&[u8]> {
        let Self {
            snapshots,
            counters,
            dice,
            room,
        } = self;
        let snapshot = &snapshots[way.settings % snapshots.len()];
        let (counters, room) = match way.transport {
            Transport::Udp => (&counters[0], &mut room[..MAX_UDP_PAYLOAD.into()]),
            Transport::Tcp => (&counters[1], &mut room[..]),
        };
        let arrival = Arrival {
            client: way.client,
            now: way.now,
        };
        let answered = respond(snapshot, counters, dice, arrival, packet, room)?;
        Some(&room[..answered.length])
    }

    /// Let `packet` come in `way`, and check what comes back.
    pub(crate) fn judge(&mut self, way: Way, packet: &[u8]) -> Outcome {
        let answer = self.answer(way, packet).map(<[u8]>::to_vec);
        check::check(way, self.snapshot(way), packet, answer.as_deref())
    }

    /// Where the packet has a cookie option with room for a server cookie of ours, and `way` asks for it,
    /// let that be one that was given to the client at the time when cookies are fresh. No fuzzer
    /// guesses it.
    pub(crate) fn vouch(&self, way: Way, packet: &mut [u8]) {
        const OPTION: &[u8] = &[0, 10, 0, 24];
        let cookies = self.snapshot(way).settings.cookies.as_ref();
        let Some(cookies) = cookies.filter(|_| way.vouched) else {
            return;
        };
        let place = packet
            .windows(OPTION.len())
            .position(|octets| octets == OPTION);
        let option = place.and_then(|at| packet.get_mut(at + OPTION.len()..)?.get_mut(..24));
        if let Some((client, server)) =
            option.and_then(|octets| octets.split_at_mut_checked(CLIENT))
        {
            let cookie = Cookie::parse(client).expect("a cookie");
            let judged = cookies.judge(&cookie, way.client, (NOW / 1000) as u32);
            server.copy_from_slice(&judged.server);
        }
    }
}
