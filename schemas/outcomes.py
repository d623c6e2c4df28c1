"""How things end, from one step to a scheduled check: every word that a record, an event or the
terminal uses for it. The words are stored; none may be renamed without still reading the old one.
"""

from typing import Literal

StepOutcome = Literal["done", "reused", "stopped", "failed"]
"""Of one step of a run; `stopped` by a gate."""

RuleOutcome = Literal["held", "broken", "undecided"]
"""Of one rule of ModelGate; `undecided` where more clips are needed to tell."""

VerdictOutcome = Literal["blessed", "refused", "undecided"]
"""Of ModelGate on a model."""

RunOutcome = Literal["pushed", "refused", "undecided", "withdrawn", "not servable"]
"""Of a judged run: `withdrawn` is a model that failed where it was served before, `not servable`
one that ServingCheck did not pass.
"""

NOT_PUSHED: frozenset[RunOutcome] = frozenset(("refused", "undecided", "withdrawn", "not servable"))
"""Those of a run that a gate stopped: exit code 3."""

CheckOutcome = Literal[
    RunOutcome, "training", "submitted", "killed", "nothing new", "stopped", "busy", "failed"
]
"""Of one check of the schedule: what became of the run, or why there was none; `submitted` is a run
elsewhere, of which the next check says what became of it.
"""

NotifyOn = Literal[VerdictOutcome, "failed"]
"""What a person can be notified of; a blessed model that was not published counts as refused."""
