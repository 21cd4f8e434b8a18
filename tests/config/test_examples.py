"""The examples are fine, and the schema beside them is the one that the loader's shapes make."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dnslb.config.load import load
from dnslb.config.schema import schema
from dnslb.config.serverfile import ServerShape
from dnslb.config.shapes import ZoneShape
from dnslb.config.tree import parse
from dnslb.zone.data import engine_zone

ROOT = Path(__file__).parents[2]
ZONES = sorted((ROOT / "zones").glob("*.yaml"))


def test_the_examples_have_neither_problems_nor_warnings():
    config, warnings = load(ROOT / "dnslb.yaml")
    assert [str(warning) for warning in warnings] == []
    assert list(config.zones) == ["example.com.", "example.net."]
    strategies = {
        pool.strategy.name for zone in config.zones.values() for pool in zone.pools.values()
    }
    assert {"weighted", "round-robin", "least-load", "subnet", "failover"} <= strategies
    assert [str(listen) for listen in config.listen] == ["127.0.0.1:5353"]
    for zone in config.zones.values():
        data = engine_zone(zone)
        assert sum(rrset.type == 6 for rrset in data.rrsets) == 1
        assert len(data.services) == len(zone.services)


def test_the_schema_is_current():
    written = json.loads((ROOT / "zones" / "schema.json").read_text("utf-8"))
    assert written == schema(), "run `dnslb schema > zones/schema.json`"


@pytest.mark.parametrize("file", ZONES, ids=lambda file: file.name)
def test_examples_lead_editors_to_the_schema(file):
    first = file.read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=schema.json"


@pytest.mark.parametrize("kind", ["zone", "server"])
def test_every_key_is_described_and_every_reference_leads_somewhere(kind):
    made = schema(kind)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "null" not in json.dumps(made)

    def walk(value: object) -> None:
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/$defs/") in made["$defs"]
            for name, key in value.get("properties", {}).items():
                assert key.get("description"), name
            for item in value.values():
                walk(item)

    walk(made)
    model = {"zone": ZoneShape, "server": ServerShape}[kind]
    assert list(made["properties"]) == [*model.model_fields, "$schema"]
    assert made["additionalProperties"] is False


def fits(value: object, rule: dict, defs: dict) -> bool:
    """Whether `value` is valid: the few keywords of JSON Schema that ours uses."""
    if "$ref" in rule:
        return fits(value, defs[rule["$ref"].removeprefix("#/$defs/")], defs)
    for key in ("anyOf", "oneOf"):
        if key in rule and not any(fits(value, option, defs) for option in rule[key]):
            return False
    if "enum" in rule and value not in rule["enum"]:
        return False
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
             "boolean": bool}  # fmt: skip
    kind = rule.get("type", [])
    if kind and not any(
        isinstance(value, kinds[name]) for name in ([kind] if isinstance(kind, str) else kind)
    ):
        return False
    if isinstance(value, dict):
        more = rule.get("additionalProperties", True)
        for name, item in value.items():
            inner = rule.get("properties", {}).get(name, more)
            if inner is False or (isinstance(inner, dict) and not fits(item, inner, defs)):
                return False
    if isinstance(value, list) and isinstance(rule.get("items"), dict):
        return all(fits(item, rule["items"], defs) for item in value)
    return True


@pytest.mark.parametrize("file", ZONES, ids=lambda file: file.name)
def test_examples_fit_the_schema(file):
    made = schema()
    assert fits(parse(file.read_text("utf-8")).plain(), made, made["$defs"])


@pytest.mark.parametrize(
    "text",
    [
        "pools: {a: {stratgy: b}}",
        "services: {a: {when_down: x}}",
        "records: {a: {A: 1}}",
        "checks: {a: {rise: many}}",
        "ttl: [5]",
    ],
)
def test_the_schema_refuses(text):
    made = schema()
    assert not fits(parse(text).plain(), made, made["$defs"])
