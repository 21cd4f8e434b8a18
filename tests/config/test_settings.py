"""`udp_payload`, `identity` and `cookies` of dnslb.yaml."""

from __future__ import annotations

import pytest
from configs import NS, ZONE, good, lines, warned, write

from dnslb.config.load import examine
from dnslb.config.model import Cookies, Settings

SECRETS = "# signs\n00112233445566778899aabbccddeeff\n\nFFEEDDCCBBAA99887766554433221100  # old\n"


def secret_file(folder, text=SECRETS, mode=0o600):
    file = folder / "cookies.secret"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_defaults(tmp_path):
    assert good(tmp_path, NS).settings == Settings(1232, None, None, Cookies((), required=False))


def test_all(tmp_path):
    secret_file(tmp_path)
    settings = good(
        tmp_path,
        NS,
        "udp_payload: 1400\nidentity: {name: fra1, version: '0x00FF'}\n"
        "cookies: {secret_file: cookies.secret, required: true}\n",
    ).settings
    secrets = (
        bytes.fromhex("00112233445566778899aabbccddeeff"),
        bytes.fromhex("FFEEDDCCBBAA99887766554433221100"),
    )
    assert settings == Settings(1400, b"fra1", b"\x00\xff", Cookies(secrets, required=True))


@pytest.mark.parametrize(("word", "cookies"), [("on", Cookies()), ("off", None)])
def test_cookies_in_a_word(tmp_path, word, cookies):
    assert good(tmp_path, NS, f"cookies: {word}\n").settings.cookies == cookies


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("udp_payload: 511\n", "1:14: udp_payload: must be a whole number, 512 to 4,096"),
        ("udp_payload: 4097\n", "1:14: udp_payload: must be a whole number, 512 to 4,096"),
        ("identity: fra1\n", "1:11: identity: must be a mapping of keys to values"),
        (f"identity: {{name: {'x' * 129}}}\n", "1:18: identity.name: takes 129 octets, 128 is the most"),
        ("cookies: of\n", '1:10: cookies: unknown word "of"; did you mean "off"?'),
        ("cookies: true\n", '1:10: cookies: unknown word "true"; there are on and off'),
        ("cookies: {secret: x}\n", '1:11: cookies: unknown key "secret"; did you mean "secret_file"?'),
        (
            "cookies: {secret_file: none}\n",
            "none:1:1: no such file; make it with `openssl rand -hex 16`, for all servers of a name alike",
        ),
    ],
)  # fmt: skip
def test_problems(tmp_path, monkeypatch, server, problem):
    monkeypatch.chdir(tmp_path)
    examined = examine(write(tmp_path, {"dnslb.yaml": server, ZONE: NS}))
    (line,) = [str(problem).removeprefix("dnslb.yaml:") for problem in examined.problems]
    assert line == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: holds no secret; write one of 32 hexadecimal digits"),
        ("# none\n", "1:1: holds no secret; write one of 32 hexadecimal digits"),
        ("00\n", "1:1: a secret is 32 hexadecimal digits, alone in its line"),
        ("00" * 17 + "\n", "1:1: a secret is 32 hexadecimal digits, alone in its line"),
        (("ab" * 16 + "\n") * 2, "2:1: this secret stands twice"),
        (
            "".join(f"{number:032x}\n" for number in range(9)),
            "1:1: holds 9 secrets, 8 is the most",
        ),
    ],
)
def test_secrets_that_are_none(tmp_path, monkeypatch, text, problem):
    monkeypatch.chdir(tmp_path)
    secret_file(tmp_path, text)
    server = "cookies: {secret_file: cookies.secret}\n"
    examined = examine(write(tmp_path, {"dnslb.yaml": server, ZONE: NS}))
    assert lines(examined, "cookies.secret") == [problem]


def test_a_secret_that_everybody_may_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    secret_file(tmp_path, mode=0o644)
    server = "cookies: {secret_file: cookies.secret}\n"
    examined = examine(write(tmp_path, {"dnslb.yaml": server, ZONE: NS}))
    assert examined.problems == ()
    told = "everybody may read cookies.secret; who knows a secret can forge cookies"
    assert warned(examined, "dnslb.yaml") == [f"1:24: cookies.secret_file: {told}"]


@pytest.mark.parametrize("name", ["0x", "0xabc", "0Xyz"])
def test_text_that_looks_like_octets(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    server = f"identity: {{name: '{name}'}}\n"
    examined = examine(write(tmp_path, {"dnslb.yaml": server, ZONE: NS}))
    told = "is told as text; for octets, pairs of hexadecimal digits follow 0x"
    assert warned(examined, "dnslb.yaml") == [f"1:18: identity.name: {told}"]
    assert examined.config.settings.identity == name.encode()
