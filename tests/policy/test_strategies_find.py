"""Finding strategies by name: dnslb's, and the operator's own, with the documented example."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from dnslb.health.standing import Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.strategies import BUILT_IN, NAMES, find
from policy.making import backend, candidates, choice, inclusion, pool, service, spread

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "strategies"
DOCUMENT = ROOT / "docs" / "strategies.md"
WORDS = (
    "weighted",
    "round-robin",
    "least-load",
    "subnet",
    "failover",
    "fastest",
    "all",
    "geo",
    "nearest",
)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Make modules importable for one test: the example's folder, or a module of this text."""
    before = set(sys.modules)
    find.cache_clear()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def load(folder: Path | None = None, **modules: str) -> None:
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(dedent(text))
        monkeypatch.syspath_prepend(folder or tmp_path)

    yield load
    find.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_words_of_the_configuration():
    assert NAMES == WORDS


@pytest.mark.parametrize("name", WORDS)
def test_built_in(name):
    assert find(name) is BUILT_IN[name]
    assert find(name).name == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wieghted", "unknown strategy 'wieghted'; there are weighted, round-robin"),
        ("wieghted", "or your own as package.module:Class"),
        ("", "unknown strategy ''"),
        ("no_such_module:X", "cannot import no_such_module: ModuleNotFoundError"),
        (":X", "cannot import : ValueError"),
        ("json:loads", "loads is no subclass of dnslb.policy.strategies.Strategy"),
        ("json:", "json has no "),
        ("json:JSONDecoder", "JSONDecoder is no subclass"),
        ("json:Missing", "strategy 'json:Missing': json has no Missing"),
    ],
)
def test_what_cannot_be_found_is_told(name, message):
    with pytest.raises(LookupError, match=re.escape(message)):
        find(name)


def test_a_module_that_fails_is_told(load):
    load(own_broken="raise RuntimeError('not today')")
    with pytest.raises(LookupError, match="cannot import own_broken: RuntimeError: not today"):
        find("own_broken:X")


def test_a_class_that_cannot_be_made_is_told(load):
    load(
        own_picky="""
            from dnslb.policy.strategies.weighted import Weighted
            class Picky(Weighted):
                def __init__(self, factor): self.factor = factor
        """
    )
    with pytest.raises(LookupError, match=r"cannot make a Picky: TypeError: .*factor"):
        find("own_picky:Picky")


def test_a_class_that_plans_nothing_is_told(load):
    load(
        own_half="""
            from dnslb.policy.strategies import Strategy
            class Half(Strategy):
                name = "half"
        """
    )
    with pytest.raises(LookupError, match=r"cannot make a Half: TypeError: .*plan"):
        find("own_half:Half")


def test_a_class_without_a_name_is_told(load):
    load(
        own_mute="""
            from dnslb.policy.strategies import Strategy
            class Mute(Strategy):
                def plan(self, candidates, choice): return candidates[0].node
        """
    )
    with pytest.raises(LookupError, match="'own_mute:Mute': Mute has no `name`"):
        find("own_mute:Mute")


def test_a_failure_is_not_kept(load):
    with pytest.raises(LookupError):
        find("own_late:Late")
    load(own_late="from dnslb.policy.strategies.weighted import Weighted as Late")
    assert find("own_late:Late").name == "weighted"


class TestTheDocumentedExample:
    NAME = "two_choices:TwoChoices"

    @pytest.fixture(autouse=True)
    def _example(self, load):
        load(EXAMPLES)

    @pytest.mark.parametrize(
        ("weights", "loads", "answers", "expected"),
        [
            ((1, 1, 1), (0.9, 0.1, 0.4), 1, {"b1": 0.5, "b2": 0.5}),
            ((1, 1, 1), (None, 0.9, 0.4), 1, {"b1": 0.5, "b2": 0.5}),
            ((1, 1, 1), (None, None, None), 1, {"b0": 0.5, "b1": 0.5}),
            ((1, 0, 1), (0.9, 0.1, 0.4), 1, {"b0": 0.5, "b2": 0.5}),
            ((1,), (0.9,), 1, {"b0": 1}),
            ((1, 1, 1), (0.9, 0.1, 0.4), 3, {"b0": 1, "b1": 1, "b2": 1}),
        ],
        ids=["least", "unknown-last", "in-order", "weight-nought", "alone", "three-answers"],
    )
    def test_plan(self, weights, loads, answers, expected):
        node = find(self.NAME).plan(candidates(*weights, loads=loads), choice(answers))
        assert inclusion(node) == expected

    def test_it_compiles(self):
        members = [backend(name) for name in "abc"]
        known = {
            one.id: Standing(load=load) for one, load in zip(members, (0.2, 0.9, 0.3), strict=True)
        }
        of = pool(*members, strategy=self.NAME)
        assert spread(Compiler(known).service(service(of)).a) == {"a": 0.5, "c": 0.5}

    def test_the_document_shows_what_runs(self):
        text = DOCUMENT.read_text()
        assert f"strategy: {self.NAME}" in text
        code = (EXAMPLES / "two_choices.py").read_text()
        shown = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        assert any(block.strip() and block.strip() in code for block in shown)
        exec(compile(shown[-1], str(DOCUMENT), "exec"), namespace := {})  # noqa: S102 - it is ours
        tests = [namespace[name] for name in namespace if name.startswith("test_")]
        assert tests
        for test in tests:
            test()


@pytest.mark.parametrize("name", WORDS)
def test_every_strategy_is_documented(name):
    assert f"\n## `{name}`\n" in DOCUMENT.read_text()
