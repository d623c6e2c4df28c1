"""How a running component says how far it is, without knowing who listens.

A line of JSON on the logger `auricle.progress`; the local runner draws it, any other runner finds
it in its logs. Logging crosses Beam's worker processes; a callback would not.
"""

import json
import logging

LOGGER_NAME = "auricle.progress"


def report_progress(done: int, total: int, unit: str, note: str = "") -> None:
    """Says that `done` of `total` `unit`s are finished; `note` is a short word such as a loss."""
    message = json.dumps({"done": done, "total": total, "unit": unit, "note": note})
    logging.getLogger(LOGGER_NAME).info(message)


def report_news(text: str) -> None:
    """Says something that a person should know of the running step, once."""
    logging.getLogger(LOGGER_NAME).info(json.dumps({"text": text}))
