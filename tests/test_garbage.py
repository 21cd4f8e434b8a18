"""When Python looks for garbage."""

from __future__ import annotations

import gc

import pytest

from dnslb import garbage


@pytest.fixture(autouse=True)
def _as_before():
    yield
    gc.unfreeze()
    gc.enable()


def test_nobody_looks_while_it_is_paused():
    with garbage.paused():
        assert not gc.isenabled()
        with garbage.paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_goes_on_after_a_fault():
    with pytest.raises(KeyError), garbage.paused():
        raise KeyError
    assert gc.isenabled()


def test_what_is_much_is_not_looked_at_afterwards():
    gc.unfreeze()
    with garbage.paused():
        few = [[] for _ in range(100)]
    assert gc.get_freeze_count() == 0
    with garbage.paused():
        many = [[] for _ in range(garbage.MANY + 1000)]
    assert gc.get_freeze_count() > len(many) + len(few)
