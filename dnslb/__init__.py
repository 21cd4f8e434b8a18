"""dnslb: an authoritative DNS server that balances load.

Python decides, the engine answers: the strategies in `dnslb.policy` compile members, verdicts and
load into plans, and the extension `dnslb._engine` walks plans and never waits for Python.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
"""As `pyproject.toml` has it. To look it up among the installed packages costs a start 30 ms."""
