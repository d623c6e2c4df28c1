"""Model registries: where a published version is registered, described and pointed at by aliases.

A registry follows the ledger and decides nothing; what is served is told by `components.versions`.
"""

from components.registry.interface import ALIASES, Registration, Registry

__all__ = ["ALIASES", "Registration", "Registry"]
