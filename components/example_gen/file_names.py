"""What a file or folder is by its name: a recording, or what people and programs leave beside them.

The one place that knows, for data sets in folders, for importers, and for commands that are given
folders. Nothing is opened. What is left behind is never a label, a clip or a reject.
"""

import posixpath
from collections.abc import Collection, Iterable
from pathlib import Path

AUDIO_SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aiff",
    ".aif",
    ".au",
    ".sph",
    ".m4a",
    ".mp4",
    ".aac",
    ".webm",
)

# Of Speech Commands (Warden 2018): long recordings without words, beside the folders of the labels.
BACKGROUND_FOLDER = "_background_noise_"

# Notes, tables, transcripts, pictures, scripts, what editors keep of a waveform's drawing.
_OTHER_SUFFIXES = (
    *(".txt", ".md", ".rst", ".pdf", ".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".xml"),
    *(".html", ".htm", ".doc", ".docx", ".xls", ".xlsx", ".rtf", ".lab", ".textgrid", ".eaf"),
    *(".srt", ".png", ".jpg", ".jpeg", ".ini", ".log", ".zip", ".py", ".sh", ".ipynb", ".lnk"),
    *(".url", ".sha256", ".md5", ".asd", ".reapeaks", ".pkf", ".sfk"),
)
_OTHER_NAMES = (
    *("license", "licence", "readme", "notice", "changelog", "copying", "citation", "makefile"),
    *("checksums", "md5sums", "sha256sums", "thumbs.db", "ehthumbs.db", "icon\r"),
)
# Windows, macOS, Linux, Synology, QNAP; all of them but for their case.
_SYSTEM_FOLDERS = (
    *("__macosx", "__pycache__", "@eadir", "@recycle", "@recently-snapshot", "#recycle"),
    *("#snapshot", "$recycle.bin", "recycler", "system volume information", "lost+found"),
)
_RUN_DIRECTORY = {"workflow.json", "format.json"}  # as `pipeline.workspace` makes it
_APPLE_DOUBLE = "._"  # what macOS writes beside a file on a disk that is not its own


def is_audio(name: str) -> bool:
    """Whether a file of this name is taken for a recording."""
    suffix = posixpath.splitext(name)[1].lower()
    return suffix in AUDIO_SUFFIXES and not is_left_behind(name)


def is_left_behind(name: str) -> bool:
    """Whether a file or folder is hidden, or of the operating system.

    >>> [is_left_behind(name) for name in ("._a.wav", ".git", "__MACOSX", "_unknown_", "a.wav")]
    [True, True, True, False, False]
    """
    return name.startswith(".") or name.lower() in _SYSTEM_FOLDERS


def is_other_file(name: str) -> bool:
    """Whether a file is none that anyone takes for a recording: notes, tables, pictures."""
    lower = name.lower()
    return (
        is_left_behind(name)
        or posixpath.splitext(lower)[1] in _OTHER_SUFFIXES
        or lower in _OTHER_NAMES
    )


def is_run_directory(files: Collection[str]) -> bool:
    """Whether a folder of these files is where a workflow runs, which may lie beside its data."""
    return set(files) >= _RUN_DIRECTORY


def is_no_label(name: str) -> bool:
    """Whether a folder holds no clips of a label, whatever is in it.

    >>> [is_no_label(name) for name in ("_background_noise_", "lost+found", "_silence_", "yes")]
    [True, True, False, False]
    """
    return is_left_behind(name) or name.lower() == BACKGROUND_FOLDER


def is_of_macos(path: str) -> bool:
    """Whether a manifest that names this path was made of a listing with macOS's own files in it.

    >>> is_of_macos("left/._a.wav"), is_of_macos("__MACOSX/left/a.wav"), is_of_macos(".clips/a.wav")
    (True, True, False)
    """
    if _APPLE_DOUBLE not in path and "__" not in path:  # of a million rows most, at once
        return False
    if _APPLE_DOUBLE not in path and "__" not in path:  # of a million rows, most
        return False
    parts = path.replace("\\", "/").split("/")
    return parts[-1].startswith(_APPLE_DOUBLE) or "__macosx" in (part.lower() for part in parts)


def visible(folder: Path, paths: Iterable[Path]) -> list[Path]:
    """Those of `paths` in `folder`, sorted, that are not left behind, nor in a folder that is."""
    return sorted(
        path for path in paths if not any(map(is_left_behind, path.relative_to(folder).parts))
    )
