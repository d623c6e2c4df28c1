"""Settings as `block.key` and value, as people name them."""

from collections.abc import Mapping


def flat_settings(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Every setting by its whole name; an empty block is a setting of its own.

    >>> flat_settings({"train": {"epochs": 60, "seed": 1}, "name": "digits"})
    {'train.epochs': 60, 'train.seed': 1, 'name': 'digits'}
    """
    found: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            found |= flat_settings(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
