"""What several commands take."""

from pathlib import Path
from typing import Annotated

import typer

WorkflowFile = Annotated[Path, typer.Argument(metavar="FILE", help="The workflow file.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
