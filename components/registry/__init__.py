"""Model registries: where a pushed version is registered, described and pointed at by aliases."""

from components.registry.interface import ALIASES, Registration, Registry

__all__ = ["ALIASES", "Registration", "Registry"]
