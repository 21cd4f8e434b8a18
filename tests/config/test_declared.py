"""What services declare, and the names that their backends get for it."""

from __future__ import annotations

import pytest
from configs import NS, good_zone, lines, look, warned

from dnslb.config.model import MxRecord, SrvRecord, SvcbRecord
from dnslb.zone.names import ROOT, from_text, to_text
from dnslb.zone.rdata import rdata_text
from dnslb.zone.svcb import parameters
from dnslb.zone.types import HTTPS, MX, SVCB, type_name

POOL = "pools: {p: {members: [{name: a, address: [192.0.2.1, '2001:db8::1']}]}}\n"
ECH = "AAb+DQACAAA="  # a list of one configuration of two octets, in the version of ECH


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def declared(tmp_path, text: str, name: str = "www"):
    zone = good_zone(tmp_path, f"{NS}{POOL}services: {{{name}: {{pool: p, {text}}}}}\n")
    (found,) = zone.services[name].declared
    return found


@pytest.mark.parametrize(
    ("text", "priority", "target", "words", "hints"),
    [
        ("{}", 1, ".", "", True),
        ("{target: .}", 1, ".", "", True),
        ("{target: www}", 1, ".", "", True),
        ("{priority: 2, target: other.example.net.}", 2, "other.example.net.", "", False),
        ("{hints: false, port: 8443}", 1, ".", "port=8443", False),
        ("{alpn: h2}", 1, ".", "alpn=h2", True),
        (
            "{alpn: [h3, h2], no_default_alpn: true, mandatory: [alpn, no_default_alpn]}",
            1,
            ".",
            "mandatory=alpn,no-default-alpn alpn=h3,h2 no-default-alpn",
            True,
        ),
        (f"{{ech: {ECH}, ohttp: true}}", 1, ".", f"ech={ECH} ohttp", True),
        ("{ohttp: false, no_default_alpn: false}", 1, ".", "", True),
        ("{dohpath: '/q{?dns}', alpn: h2}", 1, ".", "alpn=h2 dohpath=/q{?dns}", True),
        ("{priority: 0, target: x.}", 0, "x.", "", False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("number", [HTTPS, SVCB], ids=type_name)
def test_svcb(tmp_path, number, text, priority, target, words, hints):
    found = declared(tmp_path, f"{type_name(number)}: {text}")
    known = tuple(parameters(words.split()))
    assert found == SvcbRecord(number, priority, from_text(target), known, hints)


def test_protocol_ids_are_taken_as_they_stand(tmp_path):
    text = "{alpn: ['a,b', 'c\\d']}"
    examined = look(tmp_path, f"{NS}{POOL}services: {{www: {{pool: p, HTTPS: {text}}}}}\n")
    assert examined.config is not None
    (found,) = examined.config.zones["example.com."].services["www"].declared
    assert dict(found.parameters) == {1: b"\x03a,b\x03c\\d"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SRV: {port: 1}", SrvRecord(1)),
        ("SRV: {port: 65535, priority: 10, weight: 0}", SrvRecord(65_535, 10, 0)),
        ("MX: {}", MxRecord(10)),
        ("MX: {preference: 0}", MxRecord(0)),
    ],
)
def test_srv_and_mx(tmp_path, text, expected):
    assert declared(tmp_path, text, "_x._tcp") == expected


def named(zone, name: str = "_x._tcp") -> dict[str, tuple[str, list[str]]]:
    """The host of each backend of a service, and its addresses."""
    return {
        str(key): (
            to_text(host.name),
            [
                f"{rrset.ttl} {rdata_text(rrset.type, rdata)}"
                for rrset in host.addresses
                for rdata in rrset.rdatas
            ],
        )
        for key, host in zone.services[name].hosts.items()
    }


def owners(zone) -> set[str]:
    return {to_text(rrset.owner) for rrset in zone.rrsets} - {"example.com."}


def test_names_are_made_below_the_service(tmp_path):
    zone = good_zone(
        tmp_path, f"{NS}ttl: 7\n{POOL}services: {{_x._tcp: {{pool: p, SRV: {{port: 1}}}}}}"
    )
    assert named(zone) == {"p/a": ("a._x._tcp.example.com.", ["7 192.0.2.1", "7 2001:db8::1"])}
    assert owners(zone) == {"a._x._tcp.example.com."}


@pytest.mark.parametrize("text", ["", "HTTPS: {}"], ids=["nothing", "https"])
def test_no_names_are_made_for_nothing(tmp_path, text):
    zone = good_zone(tmp_path, f"{NS}{POOL}services: {{www: {{pool: p, {text}}}}}")
    assert (owners(zone), zone.services["www"].hosts) == (set(), {})


@pytest.mark.parametrize(
    ("host", "name", "has"),
    [
        ("sip1", "sip1.example.com.", ["300 192.0.2.1"]),
        ("Sip1.Example.com.", "sip1.example.com.", ["300 192.0.2.1"]),
        ("sip1.example.org.", "sip1.example.org.", []),
        ("known", "known.example.com.", ["60 192.0.2.1"]),
        ("texts", "texts.example.com.", ["300 192.0.2.1"]),
        ("sip1.lab", "sip1.lab.example.com.", []),
    ],
    ids=["made", "absolute", "elsewhere", "known", "without-addresses", "delegated"],
)
def test_hosts(tmp_path, host, name, has):
    zone = good_zone(
        tmp_path,
        f"{NS}records: {{known: {{A: 192.0.2.1, ttl: 60}}, texts: {{TXT: x}}, lab: {{NS: ns.x.}}}}\n"
        f"services: {{_x._tcp: {{members: [{{name: a, address: 192.0.2.1, host: {host}}}], "
        "SRV: {port: 1}}}\n",
    )
    assert named(zone) == {"_x._tcp/a": (name, has)}


def test_services_share_a_host_and_its_records(tmp_path):
    zone = good_zone(
        tmp_path,
        f"{NS}pools: {{p: {{members: [{{address: 192.0.2.1, host: h}}]}}}}\n"
        "services: {_x._tcp: {pool: p, SRV: {port: 1}}, _y._tcp: {pool: p, SRV: {port: 2}}}\n",
    )
    assert named(zone) == named(zone, "_y._tcp")
    assert owners(zone) == {"h.example.com."}


def test_another_pool_for_mail(tmp_path):
    zone = good_zone(
        tmp_path,
        f"{NS}{POOL}\n".replace("}}\n", "}, mx: {members: [{target: mx.example.net.}]}}\n")
        + "services: {'@': {pool: p, MX: {pool: mx}}}\n",
    )
    service = zone.services["@"]
    assert [pool.name for pool in service.pools()] == ["p", "mx"]
    assert service.answering(MX).name == "mx"
    assert service.answering(HTTPS).name == "p"
    assert [backend.id.name for backend in service.backends()] == ["a", "mx.example.net"]


def test_targets_of_mail_stand_beside_static_addresses_at_the_apex(tmp_path):
    zone = good_zone(
        tmp_path,
        f"{NS}records: {{'@': {{A: 192.0.2.1, TXT: x}}}}\n"
        "services: {'@': {members: [{target: mx.example.net.}], MX: {}}}\n",
    )
    assert not zone.services["@"].may_alias


def test_static_records_stay_where_nothing_is_declared(tmp_path):
    text = f"{NS}{POOL}records: {{www: {{HTTPS: 1 . alpn=h2}}}}\nservices: {{www: {{pool: p}}}}\n"
    assert [rrset.type for rrset in good_zone(tmp_path, text).rrsets if rrset.owner[0] == 3] == [
        HTTPS
    ]


def test_addresses_that_would_be_answered_clash_with_static_ones(tmp_path):
    text = (
        f"{NS}{POOL}records: {{www: {{A: 192.0.2.9}}}}\nservices: {{www: {{pool: p, MX: {{}}}}}}\n"
    )
    assert lines(look(tmp_path, text)) == [
        "4:12: services.www: there are static A records at this name"
    ]


def test_a_bad_service_is_told_of_by_all_that_is_wrong(tmp_path):
    text = f"{NS}{POOL}services: {{www: {{pool: q, HTTPS: {{ech: '!', port: 0, mandatory: x}}}}}}\n"
    assert [line.split(": ")[1] for line in lines(look(tmp_path, text))] == [
        "services.www.pool",
        "services.www.HTTPS.ech",
        "services.www.HTTPS.port",
    ]


def serial(tmp_path, text: str) -> bytes:
    examined = look(tmp_path, f"{NS}{text}")
    assert warned(examined) == []
    assert examined.config is not None
    (soa,) = [rrset for rrset in examined.config.zones["example.com."].rrsets if rrset.type == 6]
    return soa.rdatas[0][-20:-16]


def test_the_serial_follows_what_is_declared(tmp_path):
    members = "members: [{name: a, address: 192.0.2.1}]"
    texts = [
        "{%s}",
        "{%s, HTTPS: {}}",
        "{%s, HTTPS: {alpn: h2}}",
        "{%s, SVCB: {}}",
        "{%s, MX: {}}",
        "{%s, MX: {preference: 5}}",
        "{%s, MX: {pool: p}}",
    ]
    pool = "pools: {p: {members: [{target: x.}]}, q: {members: [{pool: p}]}}\n"
    used = "services: {z: {pool: q}, w: "
    serials = {serial(tmp_path, f"{pool}{used}{text % members}}}\n") for text in texts}
    hosts = [f"services: {{w: {{members: [{{address: 192.0.2.1, host: {name}.}}], MX: {{}}}}}}\n"
             for name in "xy"]  # fmt: skip
    serials |= {serial(tmp_path, text) for text in hosts}
    assert len(serials) == len(texts) + len(hosts)


def test_the_dot_is_the_root(tmp_path):
    assert declared(tmp_path, "HTTPS: {target: .}").target == ROOT
