"""dnslb: an authoritative DNS server that balances load.

Python decides, the engine answers: the strategies in `dnslb.policy` compile members, verdicts and
load into plans, and the extension `dnslb._engine` walks plans and never waits for Python.
"""

__all__ = ["__version__"]

__version__: str


def __getattr__(name: str) -> str:
    """`__version__`, looked up when somebody asks: the start of a server need not wait for it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415 - the very cost that is put off

    globals()[name] = found = version("dnslb")
    return found
