"""dnslb: an authoritative DNS server that balances load.

Python decides, the engine answers: the strategies in `dnslb.policy` compile members, verdicts and
load into plans, and the extension `dnslb._engine` walks plans and never waits for Python.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("dnslb")
