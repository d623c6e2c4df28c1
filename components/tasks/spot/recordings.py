"""What a keyword spotter answered on long recordings without any of the words."""

from pathlib import Path

from components.tasks.spot.stream_scoring import score_recordings
from components.tasks.spot.wake_word import BACKGROUND_FILE, write_background
from schemas.background import BACKGROUND_LIST
from schemas.reports.model_card import ModelCard


def score_recordings_of(listed: bytes, saved_model: Path, card: ModelCard, folder: Path) -> None:
    """Writes what the model answers on all windows of the recordings `listed` into `folder`."""
    recordings = BACKGROUND_LIST.validate_json(listed)
    background = score_recordings(recordings, saved_model, card)
    write_background(background, folder / BACKGROUND_FILE)
