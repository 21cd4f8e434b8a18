from __future__ import annotations

import base64

import pytest
from configs import NS, good, look

from dnslb.config.model import Command, Webhook
from dnslb.events import KINDS


def test_all_keys(tmp_path):
    for name, text in (
        ("secret", "0123456789abcdef\n"),
        ("marked", "whsec_" + base64.b64encode(b"x" * 24).decode()),
    ):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    hooks = (
        "hooks:\n"
        "  - {url: 'https://u:p@hooks.example.com/x?key=1', events: [verdict], secret_file: secret, timeout: 2s, retries: 0}\n"
        "  - {url: 'http://127.0.0.1:1', secret_file: marked}\n"
        "  - {command: [/bin/notify, now], events: service, timeout: 1s}\n"
    )
    first, second, third = good(tmp_path, NS, hooks).hooks
    assert first == Webhook(
        "https://u:p@hooks.example.com/x?key=1", frozenset({"verdict"}), b"0123456789abcdef", 2.0, 0
    )
    assert first.name == "https://hooks.example.com/x"
    assert (second.secret, second.events, second.retries) == (b"x" * 24, frozenset(KINDS), 8)
    assert third == Command(("/bin/notify", "now"), frozenset({"service"}), 1.0)
    assert third.name == "notify"


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        ("{events: [verdict]}", '1:9: hooks[0]: needs either a "url" or a "command"'),
        ("{url: 'http://x', command: y}", 'needs either a "url" or a "command"'),
        ("{url: ftp://x}", 'hooks[0].url: "ftp://x" is no URL'),
        ("{command: ['']}", "hooks[0].command"),
        ("{command: x, retries: 1}", "hooks[0].retries: is for posts to a url"),
        ("{command: x, events: [verdit]}", 'unknown kind of events "verdit"; did you mean "verdict"?'),
        ("{url: 'http://x', secret_file: none}", "no such file; make it with `openssl rand"),
        ("{url: 'http://x', secret_file: short}", "the secret has 5 octets, 16 is the least"),
        ("{url: 'http://x', secret_file: torn}", "behind whsec_ there is no base64"),
    ],
)  # fmt: skip
def test_problems(tmp_path, hook, says):
    for name, text in (("short", "short"), ("torn", "whsec_?")):
        (tmp_path / name).write_text(text)
    problems = look(tmp_path, NS, **{"dnslb.yaml": f"hooks: [{hook}]\n"}).problems
    assert [one for one in problems if says in str(one)], problems
