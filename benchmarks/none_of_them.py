"""How often `auricle predict` says that a clip is none of the words, rightly and wrongly.

    python benchmarks/none_of_them.py DATA OUT [--epochs 20]

DATA holds `fsdd`, `arabic_commands` and `esc10`, each with a manifest.jsonl. A classifier of five
words is trained on each of the first two, in OUT, tested on speakers it has not heard; and one more
of the Arabic words with a class `_unknown_`: five other words and the first fold of the
environmental sounds. Asked are the words of the test speakers, all other words of the same
speakers that no training had, sounds (with `_unknown_` of the second fold), and white noise.
Rules are limits of the highest score, of its lead over the second, and of the entropy: each at the
same quantiles of the test clips that are answered right.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

import auricle
from components.evaluation.score_files import read_scores
from components.evaluation.scores import ModelScores
from components.tasks.classify.scoring import scores_of

FSDD = ["zero", "one", "two", "three", "four"]
ARABIC = ["right", "left", "up", "down", "stop"]
TAUGHT = ["close", "eight", "no", "open", "seven"]
TAUGHT_FOLDS = 1  # of the sounds
QUANTILES = (0.02, 0.05, 0.1)
NOISES = 200


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    data, out = given.data.resolve(), given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    sounds = list(rows_of(data / "esc10"))
    speakers = "{eval_speakers: [jackson], test_speakers: [george]}"
    for name, folder, words, audio, split, taught in (
        ("fsdd", "fsdd", FSDD, "{sample_rate: 8000, clip_s: 0.75}", speakers, []),
        ("arabic", "arabic_commands", ARABIC, "{}", "{eval: 0.2, test: 0.3}", []),
        ("arabic_unknown", "arabic_commands", ARABIC, "{}", "{eval: 0.2, test: 0.3}", TAUGHT),
    ):
        rows = list(rows_of(data / folder))
        heard = [row for row in sounds if taught and row["fold"] <= TAUGHT_FOLDS]
        lines = [row for row in rows if row["label"] in words]
        lines += [{**row, "label": "_unknown_"} for row in rows if row["label"] in taught]
        lines += [{**row, "label": "_unknown_", "speaker": f"fold {row['fold']}"} for row in heard]
        (out / f"{name}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        workflow = out / f"{name}.yaml"
        workflow.write_text(
            f"name: {name}\ndata: {{manifests: {name}.jsonl, root: {data}, split: {split}}}\n"
            f"audio: {audio}\ntrain: {{epochs: {given.epochs}}}\n"
            "gate: {accuracy: {at_least: 0.5}}\n"
        )
        other = [row for row in rows if row["label"] not in (*words, *taught)]
        report(workflow, other, [row for row in sounds if row not in heard])


def rows_of(folder: Path) -> Iterator[dict]:
    for line in (folder / "manifest.jsonl").open():
        row = json.loads(line)
        yield {**row, "audio_filepath": str(folder / row["audio_filepath"])}


def report(workflow: Path, other: list[dict], sounds: list[dict]) -> None:
    record = auricle.run(workflow).record
    table = read_scores(Path(record.scores)).counted
    model = auricle.load_model(workflow, run=record.number)
    is_word = np.array([not label.startswith("_") for label in table.targets.tolist()])
    speakers = {*table.speakers[is_word].tolist()}
    asked = {
        "other words": [row["audio_filepath"] for row in other if row["speaker"] in speakers],
        "sounds": [row["audio_filepath"] for row in sounds],
        "white noise": noises(model.card.audio.sample_rate),
    }
    words = table.candidate.select(is_word)
    print(f"\n{workflow.stem}: accuracy {record.verdict.headline.value:.3f}", end="")
    print(f" ({words.is_right.mean():.3f} on {len(words.is_right)} words)", end="")
    print(f", limit {model.card.none_below}")
    found = {name: shown(model, files) for name, files in asked.items()}
    print(f"as predict says it: words {says_none(words, model):.3f}", end="")
    for name, (none, _) in found.items():
        print(f", {name} {none.mean():.3f} of {len(none)}", end="")
    print("\n| rule | quantile | right words | wrong words | other words | sounds | white noise |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for quantile in QUANTILES:
        for rule, merit in RULES.items():
            of_words = merit(scores_of(words))
            limit = np.quantile(of_words[words.is_right], quantile)
            shares = [
                (of_words[chosen] < limit).mean() for chosen in (words.is_right, ~words.is_right)
            ]
            shares += [(merit(scores) < limit).mean() for _, scores in found.values()]
            print(f"| {rule} | {quantile:g} | {' | '.join(f'{share:.3f}' for share in shares)} |")


def says_none(words: ModelScores, model: auricle.TrainedModel) -> float:
    answers = zip(words.answers.tolist(), words.confidence.tolist(), strict=True)
    return float(np.mean([bool(model.card.is_none(*answer)) for answer in answers]))


def shown(model: auricle.TrainedModel, files: list) -> tuple[np.ndarray, np.ndarray]:
    """Whether each clip is called none, and its scores in the order of the card's labels."""
    predictions = model.predict(files, top=len(model.card.labels)).files
    answered = [each for each in predictions if each.error is None]
    scores = [
        [{a.label: a.score for a in each.answers}[label] for label in model.card.labels]
        for each in answered
    ]
    return np.array([bool(each.is_none) for each in answered]), np.array(scores)


def noises(rate: int) -> list[bytes]:
    """White noise of 1 s at levels from 0.01 to 0.3, as WAV files."""
    rng = np.random.default_rng(0)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "noise.wav"
        for level in rng.uniform(0.01, 0.3, NOISES):
            soundfile.write(file, rng.normal(0, level, rate), rate)
            made.append(file.read_bytes())
    return made


def lead(scores: np.ndarray) -> np.ndarray:
    ranked = np.sort(scores, axis=1)
    return ranked[:, -1] - ranked[:, -2]


RULES = {
    "highest score": lambda scores: scores.max(axis=1),
    "lead over the second": lead,
    "entropy": lambda scores: (scores * np.log(scores + 1e-12)).sum(axis=1),
}


if __name__ == "__main__":
    main()
