"""eSpeak NG through ctypes: a word and a way to speak it become samples.

The library keeps state from one utterance to the next (flutter, wave phase, noise), which neither
its parameters nor `espeak_Initialize` reset: the same word differs by what was spoken before. So
every word is spoken by a library freshly loaded and unloaded again, which costs 5 ms and makes the
samples a function of the arguments alone. The library is global to the process: one lock.

API: https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h
"""

import _ctypes
import ctypes
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from schemas.errors import AuricleError

_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_POSITION_CHARACTER = 1
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_RAND_SEED = 1
_LONGEST_PATH = 140
_SYNTH_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p
)
_lock = threading.Lock()


def synthesize(
    text: str, voice: str, rate_wpm: int, pitch: int, pitch_range: int
) -> tuple[np.ndarray, int]:
    """`text` spoken, int16 [samples], and the sample rate in Hz.

    `voice` is a language and a variant of it, such as `en-us+f3`; `rate_wpm` 80 to 450 words a
    minute; `pitch` and `pitch_range` 0 to 99, where 50 is the variant's own.

    Raises AuricleError where the library cannot start, knows no such voice or fails.
    """
    import espeakng_loader

    with _lock, _loaded() as library, _short(espeakng_loader.get_data_path()) as data_path:
        return _speak(library, data_path, text, voice, (rate_wpm, pitch, pitch_range))


@contextmanager
def _loaded() -> Iterator[ctypes.CDLL]:
    """The library, in the state in which it was built."""
    import espeakng_loader

    path = espeakng_loader.get_library_path()
    if _is_loaded(path):
        raise AuricleError(
            f"{path} is already in use in this process: its state would leak into the speech"
        )
    library = ctypes.CDLL(path)
    try:
        yield library
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def _is_loaded(path: str) -> bool:
    try:
        handle = _ctypes.dlopen(path, os.RTLD_NOLOAD | os.RTLD_LAZY)
    except OSError:
        return False
    _ctypes.dlclose(handle)
    return True


@contextmanager
def _short(path: str) -> Iterator[str]:
    """A path to the directory `path` that fits into the 160 characters the library keeps."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="espeak") as directory:
        link = Path(directory) / "data"
        link.symlink_to(path)
        yield str(link)


def _speak(
    library: ctypes.CDLL,
    data_path: str,
    text: str,
    voice: str,
    rate_pitch_range: tuple[int, int, int],
) -> tuple[np.ndarray, int]:
    blocks: list[np.ndarray] = []

    @_SYNTH_CALLBACK
    def collect(samples: "ctypes._Pointer[ctypes.c_int16]", count: int, events: int | None) -> int:
        if samples and count > 0:
            blocks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    sample_rate = library.espeak_Initialize(
        _OUTPUT_SYNCHRONOUS, 0, os.fsencode(data_path), _INITIALIZE_DONT_EXIT
    )
    if sample_rate <= 0:
        raise AuricleError(f"eSpeak NG cannot start with its data in {data_path}")
    library.espeak_SetSynthCallback(collect)
    if library.espeak_SetVoiceByName(voice.encode()) != 0:
        raise AuricleError(f"eSpeak NG has no voice {voice!r}")
    for parameter, value in zip((_RATE, _PITCH, _RANGE), rate_pitch_range, strict=True):
        library.espeak_SetParameter(parameter, value, 0)
    library.espeak_ng_SetRandSeed(ctypes.c_long(_RAND_SEED))
    encoded = text.encode() + b"\0"
    status = library.espeak_Synth(
        encoded, ctypes.c_size_t(len(encoded)), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None
    )
    if status != 0:
        raise AuricleError(f"eSpeak NG failed with status {status} on {text!r}")
    library.espeak_Synchronize()
    return (np.concatenate(blocks) if blocks else np.empty(0, np.int16)), sample_rate
