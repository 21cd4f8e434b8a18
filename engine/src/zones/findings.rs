//! What is found wrong with a zone, as data: Python has the words.

use crate::master::Place;

/// How many findings of a zone are kept, of each severity: nobody reads more, and a zone may have
/// millions of them.
const MAX_FINDINGS: usize = 1000;

/// What is found. Everything is an error but for what [`Kind::is_warning`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name outside of the zone.
    Outside,
    /// `numbers`: the TTL of the set, and that of this record.
    Ttl,
    /// A record that stands there already.
    Twice,
    /// `numbers`: octets of the set, and the most there may be.
    TooLarge,
    /// A CNAME at the apex.
    CnameApex,
    /// A CNAME, and `types` beside it.
    CnameBeside,
    /// `numbers`: how many CNAMEs or DNAMEs the name has, one being the most.
    Several,
    /// Records that stand below the delegation of `names[0]` and are no glue.
    BelowCut,
    /// Records at a delegation that belong to the zone below.
    AtCut,
    /// A delegation of a wildcard.
    WildcardCut,
    /// Records that stand below the DNAME of `names[0]`.
    BelowDname,
    /// A DNAME of a wildcard.
    WildcardDname,
    /// A name server of the zone itself, `names[0]`, is a CNAME.
    ServerAlias,
    /// A name server of the zone itself, `names[0]`, has no address.
    ServerAddress,
    /// The target `names[0]` is a CNAME.
    TargetAlias,
    /// The target `names[0]` needs glue.
    Glue,
    /// The target `names[0]` does not exist.
    TargetMissing,
    /// CNAMEs that lead to each other, from `names[0]` on.
    Loop,
    /// A chain of CNAMEs longer than the `numbers[0]` that answers follow: from `names[0]` on.
    Chain,
    /// A name at or below the apex of another zone served here, `names[0]`.
    Nested,
}

impl Kind {
    /// The kind's name, as Python knows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Ttl => "ttl",
            Self::Twice => "twice",
            Self::TooLarge => "too-large",
            Self::CnameApex => "cname-apex",
            Self::CnameBeside => "cname-beside",
            Self::Several => "several",
            Self::BelowCut => "below-cut",
            Self::AtCut => "at-cut",
            Self::WildcardCut => "wildcard-cut",
            Self::BelowDname => "below-dname",
            Self::WildcardDname => "wildcard-dname",
            Self::ServerAlias => "server-alias",
            Self::ServerAddress => "server-address",
            Self::TargetAlias => "target-alias",
            Self::Glue => "glue",
            Self::TargetMissing => "target-missing",
            Self::Loop => "loop",
            Self::Chain => "chain",
            Self::Nested => "nested",
        }
    }

    /// Whether the zone can be served all the same.
    #[must_use]
    pub const fn is_warning(self) -> bool {
        matches!(
            self,
            Self::Twice
                | Self::WildcardDname
                | Self::TargetAlias
                | Self::Glue
                | Self::TargetMissing
                | Self::Chain
                | Self::Nested
        )
    }
}

/// Something found: of which name and type, and what else its kind says.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the kinds say it")]
pub struct Finding {
    pub kind: Kind,
    pub place: Place,
    pub owner: Vec<u8>,
    pub rtype: u16,
    pub rdata: Vec<u8>,
    pub names: Vec<Vec<u8>>,
    pub types: Vec<u16>,
    pub numbers: [u64; 2],
}

impl Finding {
    /// A finding that says nothing yet but its kind and place.
    #[must_use]
    pub fn new(kind: Kind, place: Place) -> Self {
        Self {
            kind,
            place,
            owner: Vec::new(),
            rtype: 0,
            rdata: Vec::new(),
            names: Vec::new(),
            types: Vec::new(),
            numbers: [0; 2],
        }
    }
}

/// The first findings of each severity, and how many there are beyond them.
#[derive(Debug, Default)]
pub struct Findings {
    /// Errors and warnings.
    pub kept: [Vec<Finding>; 2],
    /// How many more errors and warnings there are.
    pub more: [usize; 2],
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        let severity = usize::from(finding.kind.is_warning());
        if self.kept[severity].len() < MAX_FINDINGS {
            self.kept[severity].push(finding);
        } else {
            self.more[severity] += 1;
        }
    }
}
