"""Response-rate limiting: `rrl` of dnslb.yaml."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from configs import NS, ZONE, good, lines, write

from dnslb.config.load import examine
from dnslb.config.model import Prefix, RateLimit, Rates


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", None),
        ("on", RateLimit()),
        ("log-only", RateLimit(log_only=True)),
        ("{}", RateLimit()),
        ("{mode: off, rate: 5}", None),
        ("{mode: log-only, slip: 0}", RateLimit(log_only=True, slip=0)),
        ("{rate: 5}", RateLimit(rates=Rates(5, 5, 5, 5, 5, 500))),
        ("{rate: 200}", RateLimit(rates=Rates(200, 200, 200, 200, 200, 2000))),
        ("{rate: 100000}", RateLimit(rates=Rates(*[100_000] * 6))),
        (
            "{rate: 10, rates: {nxdomain: 40, error: 2}, total: 60}",
            RateLimit(rates=Rates(10, 10, 40, 10, 2, 60)),
        ),
        ("{burst: 1500ms}", RateLimit(burst=1.5)),
        ("{prefix: {v4: 32}}", RateLimit(prefix=Prefix(32, 56))),
        (
            "{exempt: [192.0.2.0/24, '2001:db8::/32', 198.51.100.7]}",
            RateLimit(
                exempt=tuple(
                    ip_network(text) for text in ("192.0.2.0/24", "2001:db8::/32", "198.51.100.7")
                )
            ),
        ),
    ],
)
def test_what_it_means(tmp_path, text, expected):
    assert good(tmp_path, NS, f"rrl: {text}\n").settings.rrl == expected


def test_nothing_is_limited_unless_said(tmp_path):
    assert good(tmp_path, NS).settings.rrl is None


def test_the_page_shows_the_defaults(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "abuse.md").read_text("utf-8")
    short, whole = (part.partition("```")[0] for part in page.split("```yaml\n")[1:])
    assert good(tmp_path, NS, short).settings.rrl == RateLimit(log_only=True)
    shown = good(tmp_path, NS, whole).settings.rrl
    assert shown == RateLimit(exempt=(ip_network("203.0.113.0/24"),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", 'rrl: unknown word "no"; there are on, off and log-only'),
        ("{mode: log}", 'rrl.mode: unknown word "log"; there are on, off and log-only'),
        ("{rate: 0}", "rrl.rate: must be a whole number, 1 to 100,000"),
        ("{total: 1e3}", "rrl.total: must be a whole number, 1 to 100,000"),
        ("{slip: 256}", "rrl.slip: must be a whole number, 0 to 255"),
        ("{burst: 999ms}", "rrl.burst: must be 1s to 60s"),
        ("{burst: 61s}", "rrl.burst: must be 1s to 60s"),
        ("{burst: 5}", "rrl.burst: must be a duration with its unit; write 5s"),
        ("{prefix: {v4: 33}}", "rrl.prefix.v4: must be a whole number, 1 to 32"),
        ("{rates: {positive: 5}}", 'rrl.rates: unknown key "positive"'),
        (
            "{rates: {nxdomain: 50}, total: 30}",
            "rrl.total: is below the rate of a single class, 50; write it or more",
        ),
        (
            "{exempt: [localhost]}",
            'rrl.exempt[0]: "localhost" is no network; write 192.0.2.0/24, 2001:db8::/32 or an address',
        ),
        (
            "{exempt: 192.0.2.1/24}",
            'rrl.exempt: "192.0.2.1/24" has bits beyond its prefix; write 192.0.2.0/24',
        ),
        (
            "{exempt: ['0::1', '::1/128']}",
            "rrl.exempt[1]: ::1/128 stands twice",
        ),
    ],
)  # fmt: skip
def test_problems(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    examined = examine(write(tmp_path, {"dnslb.yaml": f"rrl: {text}\n", ZONE: NS}))
    (problem,) = lines(examined, "dnslb.yaml")
    assert problem.partition(": ")[2].startswith(expected)
