from __future__ import annotations

import hashlib

import pytest
from configs import NS, good, look

from dnslb.config.model import Role, Token

LONG = "0123456789abcdef"


def digest(text):
    return hashlib.sha256(text.encode()).digest()


def written(folder, text, mode=0o600):
    file = folder / "token"
    file.write_text(text)
    file.chmod(mode)
    return "api: {token_file: token}\n"


def test_a_file_of_one_word_is_a_token_for_everything(tmp_path):
    config = good(tmp_path, NS, written(tmp_path, f"{LONG}\n"))
    assert config.api.tokens == (Token("token", Role.OPERATE, digest(LONG)),)


def test_lines_are_names_roles_and_tokens(tmp_path):
    text = f"# who may\ngrafana  read\t{LONG}1\n\ndeploy operate {LONG}2 # the pipeline\n"
    config = good(tmp_path, NS, written(tmp_path, text))
    assert config.api.tokens == (
        Token("grafana", Role.READ, digest(f"{LONG}1")),
        Token("deploy", Role.OPERATE, digest(f"{LONG}2")),
    )


def problems_of(folder, server):
    return [str(one) for one in look(folder, NS, **{"dnslb.yaml": server}).problems]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1:1: holds no token; write one, or lines of a name, a role and a token"),
        ("# none\n", "1:1: holds no token; write one, or lines of a name, a role and a token"),
        (f"a read {LONG}\n{LONG}\n", "2:1: a line is a name, a role (read or operate) and a token"),
        (f"a raed {LONG}\n", '1:1: unknown role "raed"; did you mean "read"?'),
        (f"a/b read {LONG}\n", "1:1: a token's name is letters, digits"),
        (f"a read {LONG}é\n", "1:1: a token is printable ASCII"),
        (f"a read {LONG}\na operate {LONG}2\n", '2:1: the name "a" stands twice'),
        (f"a read {LONG}\nb operate {LONG}\n", "2:1: this token stands twice"),
        ("".join(f"a{n} read {LONG}{n}\n" for n in range(101)), "1:1: holds 101 tokens, 100 is"),
    ],
)
def test_problems_of_the_file(tmp_path, text, says):
    problems = problems_of(tmp_path, written(tmp_path, text))
    assert any(f"token:{says}" in problem for problem in problems), problems


def test_a_file_that_is_not_there(tmp_path):
    (problem,) = problems_of(tmp_path, "api: {token_file: none}\n")
    assert "no such file; make it with `openssl rand -hex 24`" in problem


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ("api: {hosts: [dns.example.com, 'http://x']}\n", 'api.hosts[1]: "http://x" is no host'),
        ("api: {tls: {key: k}}\n", 'api.tls: needs a "certificate"'),
    ],
)
def test_other_problems(tmp_path, server, says):
    (problem,) = problems_of(tmp_path, server)
    assert says in problem


def test_what_is_warned_of(tmp_path):
    server = written(tmp_path, "short\n", mode=0o644).replace("{", "{listen: 192.0.2.1, ")
    examined = look(tmp_path, NS, **{"dnslb.yaml": server})
    assert not examined.problems
    said = [str(one) for one in examined.warnings]
    assert any("without `tls` whoever is between reads the tokens" in one for one in said)
    assert any("everybody may read token; who knows a token can use the API" in one for one in said)
    assert any('token:1:1: the token "token" is short and can be guessed' in one for one in said)
