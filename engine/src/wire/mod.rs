//! The format of DNS messages (RFC 1035 section 4), without allocation and without trust.

pub mod edns;
pub mod name;
pub mod query;
pub mod writer;

/// Octets of a message header.
pub const HEADER: usize = 12;

/// A record's owner, where it is the name in question: the question begins right after the header.
pub const OWNER_IS_QUESTION: u16 = 0xC00C;

/// The first `N` numbers of `bytes`, each two octets in network order, and what follows them.
#[inline]
pub(crate) fn words<const N: usize>(bytes: &[u8]) -> Option<([u16; N], &[u8])> {
    let words: &[[u8; 2]; N] = bytes.as_chunks().0.first_chunk()?;
    let rest = bytes.get(words.as_flattened().len()..)?;
    Some((words.map(u16::from_be_bytes), rest))
}

/// The largest message there is (RFC 1035 section 4.2.2).
pub const MAX_MESSAGE: usize = 65_535;

/// Response codes (RFC 1035 section 4.1.1, RFC 6672, RFC 6891, RFC 7873).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are the registry's own")]
pub enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    BadVers = 16,
    BadCookie = 23,
}

impl Rcode {
    /// Every code that the engine sends, for counting.
    pub const ALL: [Self; 9] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::YxDomain,
        Self::BadVers,
        Self::BadCookie,
    ];

    /// The place in `ALL`.
    #[must_use]
    pub const fn place(self) -> usize {
        match self {
            Self::BadVers => 7,
            Self::BadCookie => 8,
            low => low as usize,
        }
    }

    /// The registry's mnemonic.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::YxDomain => "YXDOMAIN",
            Self::BadVers => "BADVERS",
            Self::BadCookie => "BADCOOKIE",
        }
    }
}

/// Record types and query types that mean something to the engine.
#[allow(missing_docs, reason = "the names are the registry's own")]
pub mod rtype {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const PTR: u16 = 12;
    pub const HINFO: u16 = 13;
    pub const MX: u16 = 15;
    pub const TXT: u16 = 16;
    pub const AFSDB: u16 = 18;
    pub const AAAA: u16 = 28;
    pub const SRV: u16 = 33;
    pub const KX: u16 = 36;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const RRSIG: u16 = 46;
    pub const NSEC: u16 = 47;
    pub const CDS: u16 = 59;
    pub const SPF: u16 = 99;
    pub const NXNAME: u16 = 128;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const ANY: u16 = 255;
}

/// Class IN.
pub const CLASS_IN: u16 = 1;

/// Class CH, in which servers are asked about themselves (RFC 4892).
pub const CLASS_CH: u16 = 3;
