"""The typed workflow: every key a workflow file may say, its type, its default and its meaning.

Reading the file, and saying where in it something is wrong, is `pipeline.config.loader`'s duty. The
JSON schema for editors (`workflow.schema.json`) and the table in `docs/workflow.md` are generated
from these types.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.conflicts import find_conflicts

COMMAND_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")


class _Block(BaseModel):
    """A block of the file: unknown keys are refused, values are never coerced, defaults hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Seconds = Annotated[float, Field(gt=0.0, le=60.0)]
Milliseconds = Annotated[float, Field(gt=0.0)]


class Generated(_Block):
    """Speech spoken by eSpeak NG's voices and mixed with generated noise; needs no recordings."""

    words: list[Text] = Field(list(COMMAND_WORDS), min_length=2, description="The words to speak.")
    speakers: int = Field(
        60, ge=3, le=2000, description="Distinct voices: voice, variant, pitch, rate."
    )
    takes: int = Field(2, ge=1, le=1000, description="Clips of each word by each speaker.")
    snr_db: tuple[float, float] = Field(
        (5.0, 30.0), strict=False, description="Range of the random signal-to-noise ratio, in dB."
    )
    seed: int = Field(1, ge=0, description="Seed of voices, noise and levels.")


class Split(_Block):
    """How utterances are divided into train, eval and test."""

    eval: Share = Field(0.1, description="Share of the hashed speakers that validates training.")
    test: Share = Field(0.1, description="Share of the hashed speakers that judges the model.")
    eval_speakers: list[Text] = Field([], description="Speakers that validate training, by name.")
    test_speakers: list[Text] = Field([], description="Speakers that judge the model, by name.")


class Cut(_Block):
    """Recordings are cut into windows; all windows of a recording are in one split."""

    window_s: Seconds = Field(1.0, description="Length of a window, in s.")
    step_s: Seconds = Field(1.0, description="From the start of one window to the next, in s.")


class Data(_Block):
    """Where the labelled recordings are: exactly one of manifests, folder, generated."""

    manifests: Text | list[Text] | None = Field(
        None,
        description="JSON-lines manifests: a path or glob, or a list of them; `{SPAN}` stands for a"
        " number, `{YYYY}`, `{MM}` and `{DD}` for a date.",
    )
    folder: Text | None = Field(None, description="A folder of `label/clip.wav`.")
    root: Text | None = Field(
        None,
        description="Recordings of manifests lie below it; where the manifests are if not given.",
    )
    generated: Generated | None = Field(None, description="Generated speech instead of recordings.")
    window: int | None = Field(
        None, ge=1, description="Newest spans that are used; all if not given."
    )
    split: Split = Field(Split(), description="How speakers are divided.")
    labels: list[Text] | None = Field(
        None,
        min_length=2,
        description="Rows with other labels are rejected; all may be if not given.",
    )
    cut: Cut | None = Field(None, description="Cut recordings into windows.")
    background: Text | list[Text] | None = Field(
        None,
        description="Long recordings without any of the words: audio files, paths or globs, at most"
        " 24 hours each. What the model hears in them is a false alarm.",
    )
    max_reject_fraction: float = Field(
        0.02, ge=0.0, le=1.0, description="More rejects than this share of the rows stop a run."
    )


class Audio(_Block):
    """What every clip becomes before it is stored, in this order."""

    sample_rate: int = Field(16000, ge=4000, le=192000, description="Stored rate, in Hz.")
    denoise: bool = Field(False, description="Spectral gating against steady noise.")
    trim: bool = Field(True, description="Cut leading and trailing silence.")
    normalize: Literal["rms", "peak", "none"] = Field("rms", description="How the level is set.")
    min_s: float = Field(0.02, ge=0.0, le=60.0, description="Shorter clips are rejected, in s.")
    clip_s: Seconds = Field(
        1.0, description="Every clip is padded or cropped to this length, in s."
    )


class Frontend(_Block):
    """The features the model computes from the waveform; part of the exported model."""

    kind: Literal["log_mel", "mfcc", "waveform"] = Field("log_mel", description="Kind of features.")
    frame_length_ms: Milliseconds = Field(25.0, description="Length of a frame, in ms.")
    frame_step_ms: Milliseconds = Field(16.0, description="Step between frames, in ms.")
    num_mel_bins: int = Field(
        32, ge=4, le=512, description="Mel bands (log_mel, mfcc); 20 do better at 8 kHz."
    )
    num_mfcc: int = Field(13, ge=2, le=128, description="Cepstral coefficients (mfcc).")
    lower_edge_hertz: float = Field(60.0, ge=0.0, description="Lowest mel band edge, in Hz.")
    upper_edge_hertz: float | None = Field(
        None,
        gt=0.0,
        description="Highest mel band edge, in Hz; the Nyquist frequency if not given.",
    )


class SpecAugment(_Block):
    """Masks over time and frequency (Park et al. 2019), while training only."""

    time_masks: int = Field(1, ge=0, le=10, description="Masks along time.")
    time_mask_ms: float = Field(100.0, ge=0.0, description="Longest time mask, in ms.")
    freq_masks: int = Field(2, ge=0, le=10, description="Masks along frequency.")
    freq_mask_bins: int = Field(5, ge=0, description="Widest frequency mask, in bins.")


class Augment(_Block):
    """Random changes of each clip, drawn anew each epoch, while training only."""

    time_shift_ms: float = Field(100.0, ge=0.0, description="Largest shift either way, in ms.")
    speed: float = Field(
        0.1, ge=0.0, le=0.5, description="Largest change of speed and pitch either way, as a share."
    )
    frequency_warp: float = Field(
        0.1, ge=0.0, le=0.5, description="Largest shift of formants either way, as a share."
    )
    equalizer_db: float = Field(
        12.0, ge=0.0, le=40.0, description="Largest tilt of the spectrum either way, in dB."
    )
    gain_db: float = Field(6.0, ge=0.0, le=60.0, description="Largest gain either way, in dB.")
    spec_augment: SpecAugment = Field(SpecAugment(), description="Masks over the features.")


class Model(_Block):
    """The Keras model behind the frontend."""

    architecture: Literal["cnn", "rnn", "lstm", "cnn_lstm"] = Field(
        "cnn_lstm", description="Convolutions, plain recurrence, LSTM, or the three combined."
    )
    units: int = Field(128, ge=1, le=4096, description="Width of the recurrent and dense layers.")
    layers: int = Field(
        3, ge=1, le=16, description="Convolutions (cnn, cnn_lstm) or recurrent layers (rnn, lstm)."
    )
    filters: int = Field(
        32,
        ge=1,
        le=4096,
        description="Filters of the first convolution; each next has twice as many.",
    )
    pooling: Literal["max", "average"] = Field("max", description="Pooling of the convolutions.")
    peephole: bool = Field(
        False, description="LSTM gates also see the cell state (lstm, cnn_lstm)."
    )
    dropout: float = Field(0.2, ge=0.0, lt=1.0, description="Share of activations dropped.")


class Train(_Block):
    """How the model is trained."""

    epochs: int = Field(60, ge=1, le=10000, description="Passes over the training clips, at most.")
    batch_size: int = Field(32, ge=1, le=65536, description="Clips of a step, over all devices.")
    learning_rate: float = Field(0.002, gt=0.0, le=1.0, description="Adam's highest rate.")
    patience: int = Field(
        20, ge=1, description="Epochs without a better eval loss before stopping."
    )
    seed: int = Field(1, ge=0, description="Seed of weights, order and augmentation.")
    start: Literal["scratch", "champion", "both"] = Field(
        "scratch",
        description="champion: from the weights of the last blessed model; both: from scratch and"
        " from it, and the better one, by the paired test on the eval split, goes on.",
    )


class DataGate(_Block):
    """When training may begin; a run whose data breaks a rule stops before it."""

    min_clips_per_class: int = Field(
        5, ge=0, description="Training clips that every class has; 0 asks for none."
    )
    min_speakers_per_class: int = Field(
        1, ge=0, description="Training speakers of every class, where speakers are known."
    )
    anomalies: bool = Field(True, description="Stop at what ExampleValidator calls an error.")
    leaks: bool = Field(
        True, description="Stop at a speaker, or the very same audio, in two splits."
    )
    near_duplicates: bool = Field(
        True, description="Stop at the same recording, re-encoded or trimmed, in two splits."
    )
    max_drift: float = Field(
        0.3,
        ge=0.0,
        le=1.0,
        description="How far side features and labels may move since the last run that passed:"
        " Jensen-Shannon divergence, or change of a share; 1 allows all.",
    )


class Threshold(_Block):
    """What one metric has to reach on the test split."""

    at_least: float | None = Field(
        None, ge=0.0, le=1.0, description="Lowest value that is blessed."
    )
    no_worse_by_more_than: float | None = Field(
        None, ge=0.0, le=1.0, description="Largest loss against the last blessed model."
    )
    slices: list[Text] = Field(
        [],
        description="`at_least` also holds for every value of these: speaker, label, snr, duration,"
        " or a key of the manifest.",
    )


class FalseRejects(_Block):
    """How many words may be missed; labels that begin with `_` are no words."""

    at_most: float | None = Field(
        None,
        ge=0.0,
        le=1.0,
        description="Largest share of a word's test clips that is missed at the operating threshold"
        " and still blessed. Labels that begin with `_`, as `_unknown_`, are no words: to answer"
        " them is no alarm.",
    )


class Gate(_Block):
    """When a model is blessed; without any rule every model is."""

    accuracy: Threshold = Field(Threshold(), description="Share of test clips labelled right.")
    false_alarms_per_hour: float = Field(
        1.0,
        gt=0.0,
        description="How many the operating threshold allows, in recordings of data.background.",
    )
    false_rejects: FalseRejects = Field(
        FalseRejects(), description="Share of test clips of words that are missed at it."
    )
    confidence: float = Field(
        0.95, ge=0.5, lt=1.0, description="Of the intervals that rules are judged by."
    )


class ServingCheck(_Block):
    """What an exported model has to do in a process of its own before it is pushed."""

    clips: int = Field(64, ge=1, le=10_000, description="Test clips that each signature is asked.")
    max_latency_ms: float | None = Field(
        None, gt=0.0, description="95 % of single clips have to be answered within this, in ms."
    )
    max_memory_mb: float | None = Field(
        None, gt=0.0, description="What TensorFlow with the model in it may take, in MB."
    )


class Push(_Block):
    """Where a blessed model goes."""

    directory: Text = Field(
        "serving", description="Serving directory; relative to the run directory."
    )
    keep: int = Field(
        5,
        ge=1,
        description="Versions kept there; what is served and what a rollback needs always are.",
    )


class Registry(_Block):
    """Where pushed versions are registered."""

    kind: Literal["mlflow", "none"] = Field(
        "mlflow", description="MLflow, or nowhere; on Vertex AI it is Vertex AI's own."
    )
    uri: Text | None = Field(
        None,
        description="MLflow tracking server; `registry.sqlite` in the run directory if not given."
        " User and password come from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`.",
    )


class Schedule(_Block):
    """When `auricle schedule` looks for something new, and what is new enough to train again."""

    cron: Text = Field(
        "0 3 * * *", description="Minute, hour, day of month, month, day of week, as cron reads it."
    )
    timezone: Text = Field("UTC", description="Time zone of the cron line, such as Europe/Berlin.")
    min_new_clips: int = Field(
        1, ge=1, description="New or changed clips that are worth a training."
    )
    max_age_days: float | None = Field(
        None, gt=0.0, description="Train again when the last training is this old, in days."
    )


NotifyOn = Literal["blessed", "refused", "undecided", "failed"]


class Notify(_Block):
    """Who is told how a run ended; nobody without a webhook or command."""

    webhook: Text | None = Field(
        None,
        description="Name of the environment variable that holds the webhook's URL, which is a"
        " secret and is kept nowhere.",
    )
    command: list[Text] | None = Field(
        None, min_length=1, description="Program and arguments; gets the message as JSON on stdin."
    )
    on: list[NotifyOn] = Field(
        ["blessed", "refused", "undecided", "failed"],
        min_length=1,
        description="Ends of a run that are told.",
    )


BeamRunner = Literal[
    "DirectRunner", "DataflowRunner", "FlinkRunner", "SparkRunner", "PortableRunner"
]


class Beam(_Block):
    """What runs the audio."""

    runner: BeamRunner = Field(
        "DirectRunner", description="Beam runner; DirectRunner is this machine."
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Processes of a Beam worker that decode; by the size of the work if not given.",
    )
    options: dict[str, str | int | float | bool | list[str]] = Field(
        {}, description="Further Beam pipeline options, by name without dashes."
    )


class Vertex(_Block):
    """Where on Google Cloud a pipeline for Vertex AI registers what it pushes."""

    project: Text | None = Field(
        None, description="Google Cloud project; that of Dataflow if not given."
    )
    region: Text | None = Field(None, description="Its region; that of Dataflow if not given.")


class Run(_Block):
    """Where and on what the workflow runs."""

    directory: Text | None = Field(None, description="Run directory; `runs/<name>` if not given.")
    orchestrator: Literal["local", "vertex"] = Field("local", description="What runs the graph.")
    beam: Beam = Field(Beam(), description="What runs the audio.")
    vertex: Vertex = Field(Vertex(), description="Where Vertex AI registers what is pushed.")
    keep_examples: int = Field(
        3, ge=1, description="Of how many data sets the run directory keeps the examples."
    )


class Workflow(_Block):
    """A speech model, from labelled recordings to a pushed SavedModel."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Name of model and run directory."
    )
    task: Literal["classify"] = Field("classify", description="One label for a whole clip.")
    data: Data = Field(description="Where the labelled recordings are.")
    audio: Audio = Field(Audio(), description="What every clip becomes before it is stored.")
    frontend: Frontend = Field(Frontend(), description="The features, part of the model.")
    augment: Augment = Field(Augment(), description="Random changes while training.")
    model: Model = Field(Model(), description="The Keras model behind the frontend.")
    train: Train = Field(Train(), description="How the model is trained.")
    data_gate: DataGate = Field(DataGate(), description="When training may begin.")
    gate: Gate = Field(Gate(), description="When a model is blessed.")
    serving_check: ServingCheck = Field(
        ServingCheck(), description="What a model has to do before it is pushed."
    )
    push: Push = Field(Push(), description="Where a blessed model goes.")
    registry: Registry = Field(Registry(), description="Where pushed versions are registered.")
    schedule: Schedule = Field(Schedule(), description="When it is trained again.")
    notify: Notify = Field(Notify(), description="Who is told how a run ended.")
    run: Run = Field(Run(), description="Where and on what the workflow runs.")

    @model_validator(mode="after")
    def _refuse_conflicts(self) -> "Workflow":
        conflicts = find_conflicts(self)
        if conflicts:
            text = "; ".join(map(str, conflicts))
            raise PydanticCustomError("conflicts", "{text}", {"text": text, "conflicts": conflicts})
        return self
