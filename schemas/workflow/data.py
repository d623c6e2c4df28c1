"""Where the recordings are, and how they are divided."""

from pydantic import Field

from schemas.workflow.block import Block, Name, Seconds, Share, Text
from schemas.workflow.generated import Generated


class Split(Block):
    """How utterances are divided into train, eval and test, or into folds."""

    eval: Share = Field(
        0.1, description="Share of the speakers, chosen by hash, whose clips choose the best epoch."
    )
    test: Share = Field(
        0.1, description="Share of the speakers, chosen by hash, whose clips test the model."
    )
    eval_speakers: list[Name] = Field(
        [], description="Names of speakers whose clips choose the best epoch."
    )
    test_speakers: list[Name] = Field(
        [], description="Names of speakers whose clips test the model."
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=20,
        description="Cross-validation, for small data: the speakers, or the clips where speakers"
        " are not known, are divided into so many folds. Every clip tests a model that was trained"
        " on the other folds, and the model that is published is trained on all of them.",
    )


class Cut(Block):
    """Recordings are cut into windows; all windows of a recording are in one split."""

    window_s: Seconds = Field(1.0, description="Length of a window, in s.")
    step_s: Seconds = Field(1.0, description="From the start of one window to the next, in s.")


class Data(Block):
    """Where the labelled recordings are: exactly one of manifests, folder, generated."""

    manifests: Text | list[Text] | None = Field(
        None,
        description="JSON-lines manifests: a path, URI or glob, or a list of them; `{SPAN}` stands"
        " for a number, `{YYYY}`, `{MM}` and `{DD}` for a date.",
    )
    folder: Text | None = Field(
        None,
        description="A folder of `label/clip.wav`; in one of Speech Commands its lists say the"
        " split.",
    )
    root: Text | list[Text] | None = Field(
        None,
        description="Folders below which all recordings of manifests have to lie; if not given,"
        " paths have to lie below that of the manifests, and URIs may lie anywhere.",
    )
    generated: Generated | None = Field(None, description="Generated speech instead of recordings.")
    window: int | None = Field(
        None, ge=1, description="How many of the newest spans are used; all if not given."
    )
    split: Split = Field(Split(), description="How speakers are divided.")
    labels: list[Name] | None = Field(
        None,
        min_length=2,
        description="Rows with other labels are rejected; without it all labels are taken.",
    )
    cut: Cut | None = Field(None, description="Cut recordings into windows.")
    background: Text | list[Text] | None = Field(
        None,
        description="Long recordings without any of the words: audio files, folders or globs, at"
        " most 24 hours each. Any detection in them counts as a false alarm.",
    )
    max_reject_fraction: float = Field(
        0.02,
        ge=0.0,
        le=1.0,
        description="A run stops when more than this share of the rows is rejected.",
    )
