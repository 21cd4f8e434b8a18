//! Following the aliases of an answer, as a resolver would.

use std::collections::HashSet;

use crate::message::{Name, Question, Record};

const CNAME: u16 = 5;
const HINFO: u16 = 13;
const DNAME: u16 = 39;
const ANY: u16 = 255;

const YXDOMAIN: u16 = 6;

/// One alias that the name in question has, and so many that are followed.
const MOST: usize = 1 + 8;

/// Where an answer has come to.
pub(crate) struct End {
    /// The last name.
    pub(crate) name: Name,
    /// Whether records of the type in question, or an alias that was asked for itself, stand there.
    pub(crate) answered: bool,
}

/// Follow `answers` from the question to their end; each has to follow from those before it.
pub(crate) fn follow(question: &Question, answers: &[&Record], rcode: u16) -> End {
    let mut end = End {
        name: question.name.clone(),
        answered: false,
    };
    let mut aliases = HashSet::new();
    let mut renaming: Vec<&Record> = Vec::new();
    for record in answers {
        if record.rtype == DNAME && record.owner != end.name {
            let again = renaming.iter().any(|other| other.owner == record.owner);
            assert!(
                !again && !end.answered,
                "a DNAME record is said once, and first"
            );
            renaming.push(record);
            assert!(
                is_below(&end.name, record),
                "a DNAME record of another part"
            );
            continue;
        }
        assert_eq!(
            record.owner, end.name,
            "each belongs to where the chain has led to"
        );
        let renamed = renaming.iter().find(|dname| is_below(&end.name, dname));
        if let Some(dname) = renamed {
            assert_eq!(
                (record.rtype, record.ttl),
                (CNAME, dname.ttl),
                "RFC 6672 section 3.1"
            );
            assert_eq!(record.target, substitute(&end.name, dname));
        }
        let any = question.rtype == ANY && renamed.is_none();
        if record.rtype == question.rtype || any {
            assert!(!any || matches!(record.rtype, CNAME | HINFO));
            end.answered = true;
            continue;
        }
        assert_eq!(
            record.rtype, CNAME,
            "neither what was asked for nor an alias"
        );
        assert!(!end.answered, "an alias beside the answer");
        assert!(
            aliases.insert(&record.owner),
            "a chain says everything once"
        );
        end.name.clone_from(record.target.as_ref().expect("a name"));
    }
    assert!(aliases.len() <= MOST, "{} aliases", aliases.len());
    let mut last = renaming.iter().filter(|dname| is_below(&end.name, dname));
    let too_long = last.any(|dname| substitute(&end.name, dname).is_none());
    assert_eq!(rcode == YXDOMAIN, too_long && !end.answered);
    end
}

fn is_below(name: &Name, dname: &Record) -> bool {
    *name != dname.owner && name.ends_with(&dname.owner)
}

/// The name that a DNAME record makes of `name`; None where it is too long.
fn substitute(name: &Name, record: &Record) -> Option<Name> {
    assert!(
        name.ends_with(&record.owner),
        "a DNAME record of another part of the tree"
    );
    let kept = &name[..name.len() - record.owner.len()];
    let target = record.target.as_ref().expect("a name");
    let made = [kept, target].concat();
    let octets: usize = 1 + made.iter().map(|label| label.len() + 1).sum::<usize>();
    (octets <= 255).then_some(made)
}
