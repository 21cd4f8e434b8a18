"""The reference's zones, published in an engine."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from types import SimpleNamespace

from dnslb.config.model import Backend, BackendId, ServiceId
from dnslb.engine import new_engine
from dnslb.policy.plan import Answer, Rcode, ServicePlan
from dnslb.zone.records import RRset
from reference.names import encode, text


def leaf(rrset):
    """An answer with the addresses, or the target, of `rrset`."""
    addresses = [(IPv4Address if len(one) == 4 else IPv6Address)(one) for one in rrset.rdatas]
    backend = Backend(BackendId("z.", "p", "b"), tuple(addresses), None)
    return Answer((backend,) if addresses else (), rrset.ttl)


def plan(service):
    if service.failed:
        failure = Answer((), 30, Rcode.SERVFAIL)
        return ServicePlan(failure, failure)
    if service.alias:
        backend = Backend(BackendId("z.", "p", "b"), (), "cdn.example.net.")
        answer = Answer((backend,), service.alias.ttl)
        return ServicePlan(answer, answer, answer)
    return ServicePlan(
        service.a and leaf(service.a),
        service.aaaa and leaf(service.aaaa),
    )


def engine_of(zones, settings):
    """An engine that has `zones`, which are the reference's."""
    plans = {}
    published = []
    for zone in zones:
        rrsets = []
        services = []
        for owner, node in zone.nodes.items():
            wire = encode(owner)
            rrsets += [
                RRset(wire, rtype, rrset.ttl, rrset.rdatas) for rtype, rrset in node.rrsets.items()
            ]
            if node.service:
                key = ServiceId(text(zone.origin), text(owner))
                plans[key] = plan(node.service)
                services.append((wire, key))
        published.append(
            SimpleNamespace(origin=encode(zone.origin), rrsets=rrsets, services=services)
        )
    engine = new_engine()
    engine.publish(plans, published, settings)
    return engine
