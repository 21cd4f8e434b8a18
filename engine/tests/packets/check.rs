//! What holds of every answer, whatever was asked and however: one definition for all who send packets.

use dnslb_engine::cookie::{CLIENT, Cookie, Cookies};
use dnslb_engine::settings::Settings;
use dnslb_engine::snapshot::Snapshot;
use dnslb_engine::stats::Transport;

use crate::arena::Way;
use crate::asked::{Asked, Opt, code};
use crate::chain;
use crate::message::{Choice, Message, Name, Question, Record, Section, options};
use crate::snapshot::{NEGATIVE_TTL, NESTED};

const HEADER: usize = 12;
const CLASSIC_PAYLOAD: usize = 512;

/// Bits of the second header field.
const QR: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
pub(crate) const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD_CD: u16 = 0x0110;
const RA_Z_AD: u16 = 0x00E0;

const FORMERR: u16 = 1;
const SERVFAIL: u16 = 2;
const NXDOMAIN: u16 = 3;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;
const BADCOOKIE: u16 = 23;

const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const MX: u16 = 15;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const OPT: u16 = 41;
const DS: u16 = 43;
const SVCB: u16 = 64;
const HTTPS: u16 = 65;
const IN: u16 = 1;
const CH: u16 = 3;

/// What a packet came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Silence,
    /// An error of which only the header comes back.
    Header(u16),
    /// A message with this rcode, and whether it is truncated.
    Message(u16, bool),
}

impl Outcome {
    pub(crate) fn rcode(self) -> Option<u16> {
        match self {
            Self::Silence => None,
            Self::Header(rcode) | Self::Message(rcode, _) => Some(rcode),
        }
    }
}

/// Check the answer to `packet`, which came in `way`.
pub(crate) fn check(
    way: Way,
    snapshot: &Snapshot,
    packet: &[u8],
    answer: Option<&[u8]>,
) -> Outcome {
    sound(way, snapshot, packet, answer, true)
}

/// Check what is left of the answer to `packet` beyond the rate: no records, and no option that only
/// informs.
#[allow(dead_code, reason = "for the tests alone")]
pub(crate) fn check_bare(way: Way, snapshot: &Snapshot, packet: &[u8], answer: &[u8]) -> Outcome {
    sound(way, snapshot, packet, Some(answer), false)
}

fn sound(
    way: Way,
    snapshot: &Snapshot,
    packet: &[u8],
    answer: Option<&[u8]>,
    whole: bool,
) -> Outcome {
    let due = packet.len() >= HEADER && packet[2] & 0x80 == 0;
    assert_eq!(
        answer.is_some(),
        due,
        "silence for fragments and responses only"
    );
    let Some(answer) = answer else {
        return Outcome::Silence;
    };
    let message = Message::parse(answer).expect("a well-formed message");
    let asked_flags = u16::from_be_bytes([packet[2], packet[3]]);
    assert_eq!(message.id, [packet[0], packet[1]]);
    assert_eq!(
        message.flags & (OPCODE | RD_CD),
        asked_flags & (OPCODE | RD_CD)
    );
    assert_eq!(message.flags & (QR | RA_Z_AD), QR);
    let rcode = message.rcode();
    let asked = match Asked::read(packet) {
        Ok(asked) => asked,
        Err(due) => {
            assert_eq!(rcode, due, "what cannot be read, or is no QUERY");
            assert_eq!(
                answer.len(),
                HEADER,
                "an error before the question is a header"
            );
            return Outcome::Header(rcode);
        }
    };
    assert_ne!(rcode, NOTIMP, "for other opcodes only");
    let settings = &snapshot.settings;
    let limit = limit(way.transport, settings, asked.opt.as_ref());
    assert!(answer.len() <= limit, "{} octets of {limit}", answer.len());
    echo(&asked, &message, packet, answer);
    let told = edns(settings, asked.opt.as_ref(), &message);
    refusals(way, settings, &asked, rcode);
    if let (Some(opt), Some(told)) = (&asked.opt, &told) {
        let room = limit - answer.len();
        carried(way, settings, opt, told);
        if whole {
            informed(settings, opt, told, &message, room);
        }
    }
    let truncated = message.flags & TC != 0;
    assert!(
        !truncated || way.transport == Transport::Udp,
        "TCP truncates nothing"
    );
    if truncated || !whole || message.question.is_none() {
        let others = message.records.iter().filter(|record| record.rtype != OPT);
        assert_eq!(others.count(), 0, "nothing but OPT");
    } else if let Some(question) = &message.question {
        content(snapshot, question, &message);
    }
    Outcome::Message(rcode, truncated)
}

/// How many octets the sender takes (RFC 1035 section 4.2.1, RFC 6891 section 6.2.3), and we send.
fn limit(transport: Transport, settings: &Settings, opt: Option<&Opt>) -> usize {
    match (transport, opt) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => CLASSIC_PAYLOAD,
        (Transport::Udp, Some(opt)) => {
            usize::from(opt.size.min(settings.udp_payload)).max(CLASSIC_PAYLOAD)
        }
    }
}

/// The question comes back as it was received, letter by letter.
fn echo(asked: &Asked, message: &Message, packet: &[u8], answer: &[u8]) {
    assert_eq!(asked.question.is_some(), message.question.is_some());
    if let (Some(asked), Some(question)) = (&asked.question, &message.question) {
        let echoed = HEADER..HEADER + question.length;
        assert_eq!(answer[echoed.clone()], packet[echoed]);
        assert_eq!(asked.length, question.length);
        assert_eq!((asked.rtype, asked.class), (question.rtype, question.class));
        assert_eq!(asked.name, question.name);
    }
}

/// An OPT record answers an OPT record. Returns its options.
fn edns(settings: &Settings, opt: Option<&Opt>, message: &Message) -> Option<Vec<Choice>> {
    let opts: Vec<&Record> = message
        .records
        .iter()
        .filter(|one| one.rtype == OPT)
        .collect();
    assert_eq!(
        opts.len(),
        usize::from(opt.is_some()),
        "OPT if and only if asked with"
    );
    let [record] = opts[..] else {
        return None;
    };
    assert_eq!(
        (record.section, record.owner.len()),
        (Section::Additional, 0)
    );
    assert_eq!(record.class, settings.udp_payload);
    let dnssec_ok = u32::from(opt.is_some_and(|opt| opt.dnssec_ok)) << 15;
    assert_eq!(
        record.ttl & 0x00FF_FFFF,
        dnssec_ok,
        "version 0, and DO copied (RFC 3225)"
    );
    let options = options(&record.rdata).expect("whole options");
    for (at, (code, _)) in options.iter().enumerate() {
        let again = options[at + 1..].iter().any(|(other, _)| code == other);
        assert!(!again, "option {code} stands once");
    }
    Some(options)
}

/// What is refused for its OPT record is, and nothing else is in that way.
fn refusals(way: Way, settings: &Settings, asked: &Asked, rcode: u16) {
    let version = asked.opt.as_ref().is_some_and(|opt| opt.version > 0);
    assert_eq!(rcode == BADVERS, version, "RFC 6891 section 6.1.3");
    let malformed = asked.opt.as_ref().is_some_and(|opt| opt.options.is_none());
    let no_name = asked
        .question
        .as_ref()
        .is_some_and(|one| (one.rtype, one.class) == (128, IN));
    if malformed && !version {
        assert_eq!(rcode, FORMERR, "malformed options");
    }
    if rcode == FORMERR {
        assert!(malformed || no_name, "what can be read is no format error");
    }
    let given = asked.opt.as_ref().and_then(|opt| opt.option(code::COOKIE));
    let unproved = |cookies: &Cookies| {
        let cookie = Cookie::parse(given?)?;
        let judged = cookies.judge(&cookie, way.client, (way.now / 1000) as u32);
        let demanded = match asked.question {
            None => given?.len() > CLIENT, // its worth is all that is asked (RFC 7873 section 5.4)
            Some(_) => cookies.required && way.transport == Transport::Udp,
        };
        Some(demanded && !judged.valid)
    };
    let due = settings.cookies.as_ref().and_then(unproved);
    assert_eq!(
        rcode == BADCOOKIE,
        due == Some(true),
        "RFC 7873 section 5.2.3"
    );
}

/// Options that are answered without fail: ECS, cookie, keepalive.
fn carried(way: Way, settings: &Settings, opt: &Opt, told: &[Choice]) {
    let ecs = option(told, code::ECS);
    let network = opt.option(code::ECS);
    assert_eq!(
        ecs.is_some(),
        network.is_some(),
        "ECS answers ECS (RFC 7871 section 7.2.1)"
    );
    if let (Some(ecs), Some(network)) = (ecs, network) {
        assert_eq!((&ecs[..3], &ecs[4..]), (&network[..3], &network[4..]));
        assert!(ecs[3] <= if ecs[1] == 1 { 32 } else { 128 });
        assert!(ecs[2] > 0 || ecs[3] == 0, "no network, no scope");
    }
    let cookie = option(told, code::COOKIE);
    let given = opt
        .option(code::COOKIE)
        .filter(|_| settings.cookies.is_some());
    assert_eq!(
        cookie.is_some(),
        given.is_some(),
        "a cookie answers a cookie"
    );
    if let (Some(cookie), Some(given)) = (cookie, given) {
        assert_eq!((cookie.len(), &cookie[..8]), (24, &given[..8]));
    }
    let keepalive = opt
        .option(code::KEEPALIVE)
        .filter(|_| way.transport == Transport::Tcp);
    let timeout = settings.keepalive.to_be_bytes();
    let due = keepalive.map(|_| &timeout[..]);
    assert_eq!(option(told, code::KEEPALIVE), due, "RFC 7828 section 3.3.2");
}

/// Options that inform: there if asked for, unless `room` octets were not enough for one.
fn informed(settings: &Settings, opt: &Opt, told: &[Choice], message: &Message, room: usize) {
    let asked = |code| opt.option(code).is_some();
    let fits = |value: &[u8]| room >= 4 + value.len();
    let identity = settings.identity.as_deref().filter(|_| asked(code::NSID));
    match (option(told, code::NSID), identity) {
        (Some(nsid), identity) => assert_eq!(Some(nsid), identity),
        (None, Some(identity)) => assert!(!fits(identity), "NSID is left out for want of room"),
        (None, None) => {}
    }
    let class = message.question.as_ref().map(|question| question.class);
    let ours = message.flags & AA != 0 && class == Some(IN);
    match option(told, code::ZONEVERSION) {
        Some(version) => {
            assert!(ours && asked(code::ZONEVERSION), "RFC 9660 section 3.2");
            let labels = message
                .question
                .as_ref()
                .map_or(0, |question| question.name.len());
            assert!(usize::from(version[0]) <= labels);
            assert_eq!(
                version[1..],
                [0, 0, 0, 0x07, 0xEA],
                "the serial of the zones"
            );
        }
        None => assert!(!ours || !asked(code::ZONEVERSION) || !fits(&[0; 6])),
    }
    let rcode = message.rcode();
    let error = option(told, code::EDE).map(|value| u16::from_be_bytes([value[0], value[1]]));
    let right = match rcode {
        REFUSED => matches!(error, Some(18 | 20 | 21)),
        SERVFAIL => matches!(error, None | Some(14)),
        FORMERR => matches!(error, None | Some(30)),
        _ => error.is_none(),
    };
    assert!(right, "rcode {rcode} with extended error {error:?}");
}

fn option(options: &[Choice], wanted: u16) -> Option<&[u8]> {
    let found = options.iter().find(|(code, _)| *code == wanted)?;
    Some(&found.1)
}

/// The three sections fit the question, the rcode and each other.
fn content(snapshot: &Snapshot, question: &Question, message: &Message) {
    let rcode = message.rcode();
    let section = |wanted| message.section(wanted).collect::<Vec<_>>();
    let (answers, authority) = (section(Section::Answer), section(Section::Authority));
    let additional: Vec<&Record> = section(Section::Additional);
    let glue: Vec<&Record> = additional
        .into_iter()
        .filter(|one| one.rtype != OPT)
        .collect();
    let ours = message.flags & AA != 0;
    if question.class != IN {
        let refused = rcode != 0;
        assert!(refused || question.class == CH, "RFC 4892 knows one class");
        assert_eq!(ours, !refused);
        assert!(answers.len() <= usize::from(!refused) && authority.is_empty() && glue.is_empty());
        for record in answers {
            assert_eq!((record.rtype, record.class, record.ttl), (16, CH, 0));
            assert_eq!(record.owner, question.name);
        }
        return;
    }
    for record in answers.iter().chain(&authority).chain(&glue) {
        assert_eq!(record.class, IN);
        let length = record.rdata.len();
        assert!(record.rtype != A || length == 4);
        assert!(record.rtype != AAAA || length == 16);
    }
    if snapshot.generation == 0 {
        assert!(!ours && answers.is_empty(), "nothing was published yet");
    }
    if !ours {
        assert!(
            answers.is_empty(),
            "what is answered is answered with authority"
        );
        assert!(![SERVFAIL, NXDOMAIN].contains(&rcode) || snapshot.generation == 0);
    }
    let end = chain::follow(question, &answers, rcode);
    if ours || rcode != 0 {
        assert!(glue.is_empty() || end.answered, "minimal responses");
        for record in &glue {
            assert!(answers.iter().any(|answer| leads_to(answer, record)));
        }
        negative(question, &answers, &authority, rcode, ours, &end);
    } else {
        referral(question, &authority, &glue);
    }
}

/// Whether the addresses in the additional section are those of a host that an answer names.
fn leads_to(answer: &Record, address: &Record) -> bool {
    let labels = address.owner.iter();
    let mut name: Vec<u8> = labels
        .flat_map(|label| [&[label.len() as u8][..], label].concat())
        .collect();
    name.push(0);
    let target = match answer.rtype {
        MX | SVCB | HTTPS => 2,
        SRV => 6,
        _ => return false,
    };
    let named = answer.rdata.get(target..).unwrap_or_default();
    matches!(address.rtype, A | AAAA)
        && (named.to_ascii_lowercase().starts_with(&name) || address.owner == answer.owner)
}

/// What is missing is said with an SOA record of a zone that the name would be in (RFC 2308).
fn negative(
    question: &Question,
    answers: &[&Record],
    authority: &[&Record],
    rcode: u16,
    ours: bool,
    end: &chain::End,
) {
    let [] = authority else {
        let [soa] = authority else {
            panic!("one SOA record, not {authority:?}");
        };
        assert_eq!(soa.rtype, SOA);
        assert!(ours && !end.answered && matches!(rcode, 0 | NXDOMAIN));
        assert!(
            end.name.ends_with(&soa.owner),
            "{:?} is not in {:?}",
            end.name,
            soa.owner
        );
        assert!(soa.ttl <= NEGATIVE_TTL);
        if question.rtype == DS && answers.is_empty() && is_nested(&question.name) {
            assert_ne!(
                soa.owner, question.name,
                "DS is the parent's (RFC 4035 section 3.1.4.1)"
            );
        }
        return;
    };
    assert_ne!(
        rcode, NXDOMAIN,
        "NXDOMAIN says how long (RFC 2308 section 3)"
    );
    if ours && rcode == 0 {
        assert!(
            !answers.is_empty(),
            "NODATA says how long (RFC 2308 section 2.2)"
        );
    }
}

/// The way to the name servers of a zone below, with the addresses of those that are below too.
fn referral(question: &Question, authority: &[&Record], glue: &[&Record]) {
    let [first, ..] = authority else {
        panic!("a referral to nobody");
    };
    assert!(question.name.ends_with(&first.owner));
    for record in authority {
        assert_eq!((record.rtype, &record.owner), (NS, &first.owner));
    }
    for record in glue {
        assert!(matches!(record.rtype, A | AAAA));
        let named = authority
            .iter()
            .any(|ns| ns.target.as_ref() == Some(&record.owner));
        assert!(named, "an address of no name server");
    }
}

fn is_nested(name: &Name) -> bool {
    let text: String = name
        .iter()
        .map(|label| String::from_utf8_lossy(label).into_owned() + ".")
        .collect();
    NESTED.contains(&text.as_str())
}
