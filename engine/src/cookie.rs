//! DNS cookies (RFC 7873) in the form that servers of different makes share (RFC 9018).
//!
//! ```text
//! client cookie 8 | version 1, reserved 3, timestamp 4 | SipHash-2-4 of all before and the address 8
//! ```

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::IpAddr;

use siphasher::sip::SipHasher24;

/// Octets of a client cookie.
pub const CLIENT: usize = 8;

/// Octets of a server cookie of version 1.
pub const SERVER: usize = 16;

/// A secret that all servers of a name share.
pub type Secret = [u8; 16];

/// The version of RFC 9018 section 4.1, and three octets that are reserved.
const VERSION: [u8; 4] = [1, 0, 0, 0];

/// Seconds after which a cookie is no longer taken (RFC 9018 section 4.3).
const LIFETIME: u32 = 3600;

/// Seconds that another server's clock may be ahead of ours (RFC 9018 section 4.3).
const AHEAD: u32 = 300;

/// Seconds after which a cookie that is still taken is renewed (RFC 9018 section 4.3).
const RENEWAL: u32 = 1800;

/// The cookie option of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The client's part.
    pub client: [u8; CLIENT],
    /// The server's part, where there is one of the length that we give out; others are not ours.
    pub server: Option<[u8; SERVER]>,
    /// Whether there is no server's part, of whatever length.
    pub is_first: bool,
}

impl Cookie {
    /// Read the option's value; None where its length is wrong (RFC 7873 section 5.2.2).
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (client, server) = value.split_first_chunk()?;
        match server.len() {
            0 | 8..=32 => Some(Self {
                client: *client,
                server: server.try_into().ok(),
                is_first: server.is_empty(),
            }),
            _ => None,
        }
    }
}

/// What a query's cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it proves that the client receives what is sent to its address.
    pub valid: bool,
    /// The server cookie to answer with.
    pub server: [u8; SERVER],
}

/// How cookies are made and checked.
pub struct Cookies {
    /// The first one signs; all of them are good for checking, so that secrets can be rolled over.
    pub secrets: Box<[Secret]>,
    /// Whether UDP queries with a cookie option are answered only if the cookie is valid.
    pub required: bool,
}

impl Cookies {
    /// Judge the `cookie` of `client` at `now`, in seconds since 1970 modulo 2^32.
    #[must_use]
    pub fn judge(&self, cookie: &Cookie, client: IpAddr, now: u32) -> Judged {
        let valid = cookie.server.and_then(|server| {
            self.age(cookie, &server, client, now)
                .map(|age| (server, age))
        });
        if let Some((server, (age, true))) = valid
            && age < RENEWAL
        {
            return Judged {
                valid: true,
                server,
            };
        }
        Judged {
            valid: valid.is_some(),
            server: self.sign(cookie.client, client, now),
        }
    }

    /// The age in seconds of a server cookie that is ours, 0 for one from the future, and whether the
    /// signing secret made it. None for one that is not ours, or too old.
    fn age(
        &self,
        cookie: &Cookie,
        server: &[u8; SERVER],
        client: IpAddr,
        now: u32,
    ) -> Option<(u32, bool)> {
        let (head, hash) = server.split_first_chunk::<8>()?;
        let [version, .., a, b, c, d] = *head;
        if version != 1 {
            return None;
        }
        // serial number arithmetic (RFC 1982), as the timestamp wraps in 2106
        let age = now.wrapping_sub(u32::from_be_bytes([a, b, c, d]));
        let ahead = age.wrapping_neg();
        if age > LIFETIME && ahead > AHEAD {
            return None;
        }
        let made_by = |secret| hash == digest(secret, cookie.client, *head, client);
        let place = self.secrets.iter().position(made_by)?;
        Some((if age > LIFETIME { 0 } else { age }, place == 0))
    }

    /// A server cookie for `client`.
    fn sign(&self, cookie: [u8; CLIENT], client: IpAddr, now: u32) -> [u8; SERVER] {
        let mut head = [0; 8];
        for (to, from) in head
            .iter_mut()
            .zip(VERSION.into_iter().chain(now.to_be_bytes()))
        {
            *to = from;
        }
        let hash = self
            .secrets
            .first()
            .map_or([0; 8], |secret| digest(secret, cookie, head, client));
        let mut server = [0; SERVER];
        for (to, from) in server.iter_mut().zip(head.into_iter().chain(hash)) {
            *to = from;
        }
        server
    }
}

fn digest(secret: &Secret, cookie: [u8; CLIENT], head: [u8; 8], client: IpAddr) -> [u8; 8] {
    let hasher = SipHasher24::new_with_key(secret);
    let mut input = [0; 8 + 8 + 16];
    let address: &[u8] = match &client {
        IpAddr::V4(v4) => &v4.octets(),
        IpAddr::V6(v6) => &v6.octets(),
    };
    let octets = cookie.iter().chain(&head).chain(address);
    let mut length = 0_usize;
    for (to, from) in input.iter_mut().zip(octets) {
        *to = *from;
        length = length.saturating_add(1);
    }
    hasher
        .hash(input.get(..length).unwrap_or(&[]))
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets<const N: usize>(hex: &str) -> [u8; N] {
        let mut octets = [0; N];
        for (octet, digits) in octets.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
        }
        octets
    }

    fn cookies(secrets: &[&str]) -> Cookies {
        Cookies {
            secrets: secrets.iter().map(|secret| octets(secret)).collect(),
            required: false,
        }
    }

    const SECRET: &str = "e5e973e5a6b2a43f48e7dc849e37bfcf";

    #[test]
    fn the_vectors_of_rfc_9018() {
        for (secrets, client, now, cookie, given, answered, valid) in [
            // A.1: a new client
            (
                &[SECRET][..],
                "198.51.100.100",
                0x5cf7_9f11,
                "2464c4abcf10c957",
                "",
                "010000005cf79f111f8130c3eee29480",
                false,
            ),
            // A.2: the same client a little later; a fresh cookie stays
            (
                &[SECRET],
                "198.51.100.100",
                0x5cf7_a185,
                "2464c4abcf10c957",
                "010000005cf79f111f8130c3eee29480",
                "010000005cf79f111f8130c3eee29480",
                true,
            ),
            // A.3: reserved octets that are not zero are part of the hash
            (
                &[SECRET],
                "203.0.113.203",
                0x5cf7_9000,
                "fc93fc62807ddb86",
                "01abcdef5cf78f71a314227b6679ebf5",
                "01abcdef5cf78f71a314227b6679ebf5",
                true,
            ),
            // A.4: IPv6, and a secret that is rolled over
            (
                &[
                    "445536bcd2513298075a5d379663c962",
                    "dd3bdf9344b678b185a6f5cb60fca715",
                ],
                "2001:db8:220:1:59de:d0f4:8769:82b8",
                0x5cf7_c609,
                "22681ab97d52c298",
                "010000005cf7c57926556bd0934c72f8",
                "010000005cf7c609a6bb79d16625507a",
                true,
            ),
        ] {
            let cookie = Cookie {
                client: octets(cookie),
                server: (!given.is_empty()).then(|| octets(given)),
                is_first: given.is_empty(),
            };
            let judged = cookies(secrets).judge(&cookie, client.parse().unwrap(), now);
            assert_eq!(judged.server, octets::<16>(answered), "{client}");
            assert_eq!(judged.valid, valid, "{client}");
        }
    }

    #[test]
    fn cookies_age() {
        let cookies = cookies(&[SECRET]);
        let client = "192.0.2.1".parse().unwrap();
        let made = u32::MAX - 10; // the clock wraps meanwhile
        let cookie = Cookie {
            client: [7; 8],
            server: Some(cookies.sign([7; 8], client, made)),
            is_first: false,
        };
        for (later, valid, kept) in [
            (0, true, true),
            (RENEWAL - 1, true, true),
            (RENEWAL, true, false),
            (LIFETIME, true, false),
            (LIFETIME + 1, false, false),
            (0_u32.wrapping_sub(AHEAD), true, true),
            (0_u32.wrapping_sub(AHEAD + 1), false, false),
        ] {
            let judged = cookies.judge(&cookie, client, made.wrapping_add(later));
            assert_eq!(judged.valid, valid, "{later}");
            assert_eq!(Some(judged.server) == cookie.server, kept, "{later}");
        }
        let other = "192.0.2.2".parse().unwrap();
        assert!(!cookies.judge(&cookie, other, made).valid, "another client");
    }

    #[test]
    fn lengths() {
        for length in 0..=48 {
            let read = Cookie::parse(&[1; 48][..length]);
            let right = length == 8 || (16..=40).contains(&length);
            assert_eq!(read.is_some(), right, "{length}");
            let ours = read.is_some_and(|cookie| cookie.server.is_some());
            assert_eq!(ours, length == 24, "{length}");
            let first = read.is_some_and(|cookie| cookie.is_first);
            assert_eq!(first, length == 8, "{length}");
        }
    }
}
