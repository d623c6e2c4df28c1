"""How long libsndfile and FFmpeg find a file: an oracle for ours, to be asked in a child process,
since some files crash them.
"""

import io

import soundfile

Length = tuple[int, int]  # samples of each channel, and Hz


def lengths(data: bytes) -> list[Length]:
    """What each of the two reads of a file with the content `data`; nothing of one that refuses, or
    is not installed.
    """
    found = (_by_libsndfile(data), _by_ffmpeg(data))
    return [length for length in found if length is not None and length[0]]


def _by_libsndfile(data: bytes) -> Length | None:
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            return len(file.read(file.frames, dtype="float32", always_2d=True)), file.samplerate
    except (soundfile.LibsndfileError, ValueError, MemoryError):
        return None


def _by_ffmpeg(data: bytes) -> Length | None:
    try:
        import av
    except ImportError:
        return None
    samples = rate_hz = 0
    try:
        with av.open(io.BytesIO(data), metadata_errors="replace") as file:
            for frame in file.decode(file.streams.audio[0]):
                samples, rate_hz = samples + frame.samples, frame.sample_rate
    except (av.error.FFmpegError, IndexError, ValueError):
        pass
    return samples, rate_hz
