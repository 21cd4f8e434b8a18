//! How the server answers, whatever it is asked: published with the snapshot, the same for all zones.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cookie::Cookies;
use crate::networks::Map;
use crate::rrl::Limits;

/// The largest UDP payload that is sent unless the operator says otherwise: it passes everywhere
/// unfragmented (RFC 9715).
pub const UDP_PAYLOAD: u16 = 1232;

/// The largest UDP payload that can be configured: what is commonly taken as the upper end
/// (RFC 6891 section 6.2.5), and the room that the workers have for an answer.
pub const MAX_UDP_PAYLOAD: u16 = 4096;

/// The longest identity: an answer to the longest question, with every option, stays within the 512
/// octets that any client takes.
pub const MAX_IDENTITY: usize = 128;

/// What timeouts of idle TCP connections are counted in (RFC 7828 section 3.1).
pub const KEEPALIVE_UNIT: Duration = Duration::from_millis(100);

/// What the operator decided about answers in general; see Python's `SettingsData`.
pub struct Settings {
    /// The largest UDP payload that is sent and announced, from 512 to `MAX_UDP_PAYLOAD`.
    pub udp_payload: u16,
    /// What NSID (RFC 5001) and `id.server` (RFC 4892) tell; None: neither is answered.
    pub identity: Option<Box<[u8]>>,
    /// What `version.bind` tells; None: it is refused.
    pub version: Option<Box<[u8]>>,
    /// Whose word on where their clients are counts (ECS, RFC 7871): those with the label `TRUSTED`;
    /// None: everybody's.
    pub ecs_trust: Option<Arc<Map>>,
    /// DNS cookies; None: the option is ignored.
    pub cookies: Option<Cookies>,
    /// How long an idle TCP connection is kept, in `KEEPALIVE_UNIT`s (RFC 7828).
    pub keepalive: u16,
    /// Response-rate limiting; None: answers by UDP are as many as queries.
    pub rrl: Option<Limits>,
}

/// The label of networks that are trusted.
const TRUSTED: u32 = 1;

impl Settings {
    /// Whether `resolver` is believed where its clients are.
    #[inline]
    pub(crate) fn trusts(&self, resolver: IpAddr) -> bool {
        match &self.ecs_trust {
            None => true,
            Some(networks) => networks.find(resolver).0 == TRUSTED,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            udp_payload: UDP_PAYLOAD,
            identity: None,
            version: None,
            ecs_trust: None,
            cookies: None,
            keepalive: 100,
            rrl: None,
        }
    }
}
