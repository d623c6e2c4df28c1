"""What ModelGate decided before, kept in a file of the run directory.

The more often the same clips judge, and the more a limit is chosen once their answers are known,
the less their verdict says of other clips. So a verdict tells how often they have judged, and how
the gate was changed since.
"""

from pydantic import ValidationError

from components.storage.location import Location
from components.storage.trouble import STORE_REFUSED
from schemas.document import Document
from schemas.errors import InputError


class Judgement(Document):
    """One verdict: `judged_by` names the test clips, `limits` the rules of the gate in words, and
    `artifact` the blessing, so that a step that is tried again is one judgement. `blessed` is the
    Model artifact that may be published; empty of one that was refused, and in earlier versions.
    """

    artifact: str
    judged_by: str
    limits: list[str]
    outcome: str
    value: float
    blessed: str = ""


def read_judgements(file: Location) -> list[Judgement]:
    """All of a run directory, the first one first.

    Raises:
        InputError: the file was changed so that it cannot be read.
    """
    found: list[Judgement] = []
    try:
        found.extend(map(Judgement.model_validate_json, file.read().splitlines()))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except STORE_REFUSED:
        raise
    except (OSError, ValidationError) as error:
        what = str(error).partition("\n")[0]
        raise InputError(
            f"{file}:{len(found) + 1}: no judgement of a gate ({what}); delete the line or the"
            " file, and verdicts tell less of how often their test clips have judged before"
        ) from error
    return found
