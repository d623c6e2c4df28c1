"""Workflow files that are refused: each text with the line and key of every refusal, in order.

What is said of them stands in `sentences.txt`.
"""

_SHORT = "name: digits\ndata: {folder: clips}\n"

KEYS_AND_VALUES = {
    _SHORT + "train: {epoch: 3}\n": ["3: train.epoch"],
    _SHORT + "epochs: 3\n": ["3: epochs"],
    _SHORT + "trian: {epochs: 3}\n": ["3: trian"],
    _SHORT + "model: {architecture: cnn_lsm}\n": ["3: model.architecture"],
    _SHORT + "model: {architecture: transformer}\n": ["3: model.architecture"],
    _SHORT + "task: clasify\n": ["3: task"],
    "name: x\ntask: classify\ndata: {folder: clips, background: noise.wav}\n": [
        "3: data.background"
    ],
    _SHORT + "audio: {normalize: RMS}\n": ["3: audio.normalize"],
    _SHORT + "run: {beam: {runner: dataflowrunner}}\n": ["3: run.beam.runner"],
    _SHORT + "gate: {accuracy: {at_least: 0.9, slices: [speaker, '']}}\n": [
        "3: gate.accuracy.slices[1]"
    ],
    _SHORT + "audio: {trim: yes}\n": ["3: audio.trim"],
    _SHORT + "train: {epochs: '3'}\n": ["3: train.epochs"],
    _SHORT + "train: {epochs: 3.0}\n": ["3: train.epochs"],
    _SHORT + "train: {epochs: 0}\n": ["3: train.epochs"],
    _SHORT + "train: {epochs: true}\n": ["3: train.epochs"],
    _SHORT + "train: {epochs: 1_000}\n": ["3: train.epochs"],
    _SHORT + "train: {epochs: [3]}\n": ["3: train.epochs"],
    _SHORT + "train: {learning_rate: .nan}\n": ["3: train.learning_rate"],
    _SHORT + "augment: {time_shift_ms: .inf}\n": ["3: augment.time_shift_ms"],
    _SHORT + "train:\n": ["3: train"],
    _SHORT + "train: fast\n": ["3: train"],
    _SHORT + "train: [1]\n": ["3: train"],
    _SHORT + "push: {directory: ''}\n": ["3: push.directory"],
    _SHORT + "run: {directory: 7}\n": ["3: run.directory"],
    _SHORT + "name: again\n": ["3: name"],
    _SHORT + "audio: {trim: true, trim: true}\n": ["3: audio.trim"],
    _SHORT + "audio: {clip_s: 90}\n": ["3: audio.clip_s"],
    _SHORT + "? [a, b]\n: 3\n": ["3"],
    _SHORT + "audio: {clip_s: !!python/object/apply:os.getcwd []}\n": ["3: audio.clip_s"],
    _SHORT + "audio: {clip_s: !speed 3}\n": ["3: audio.clip_s"],
    _SHORT + "audio: {clip_s: !!int x}\n": ["3: audio.clip_s"],
}

SOURCES_AND_SPLITS = {
    "data: {folder: a}": ["1: name"],
    "name: x": ["1: data"],
    "name: My Digits!\ndata: {folder: a}": ["1: name"],
    "name: 7\ndata: {folder: a}": ["1: name"],
    "name: x\ndata: {}": ["2: data"],
    "name: x\ndata:\n  folder: a\n  manifests: b": ["2: data"],
    "name: x\ndata: {manifests: []}": ["2: data.manifests"],
    "name: x\ndata: {manifests: [a, 3]}": ["2: data", "2: data.manifests", "2: data.manifests[1]"],
    "name: x\ndata: {manifests: 3}": ["2: data", "2: data.manifests"],
    "name: x\ndata: {generated: {words: [a]}}": ["2: data.generated.words"],
    "name: x\ndata: {generated: {words: [a, b, a]}}": ["2: data.generated.words"],
    "name: x\ndata: {generated: {words: [a, ' ']}}": ["2: data.generated.words"],
    "name: x\ndata: {generated: {words: [a, '']}}": ["2: data.generated.words[1]"],
    "name: x\ndata: {generated: {snr_db: [9, 3]}}": ["2: data.generated.snr_db"],
    "name: x\ndata: {generated: {snr_db: [9]}}": ["2: data.generated.snr_db[1]"],
    "name: x\ndata: {generated: {snr_db: [a, 3]}}": ["2: data.generated.snr_db[0]"],
    "name: x\ndata: {folder: a, split: {eval: 0.5, test: 0.5}}": ["2: data.split.eval"],
    "name: x\ndata: {folder: a, split: {test: 0}}": ["2: data.split.test"],
    "name: x\ndata: {folder: a, split: {eval: 0}}": ["2: data.split.eval"],
    "name: x\ndata: {folder: a, split: {eval_speakers: [p, q], test_speakers: [q]}}": [
        "2: data.split.test_speakers"
    ],
}

# Of the block `run.beam` in a workflow without files of this machine: what is wrong of it where.
_ELSEWHERE = "name: digits\ndata: {generated: {}}\nrun: {directory: 'gs://bucket/run', beam: {"
_DATAFLOW = (
    "project: my-project, region: europe-west4, temp_location: 'gs://bucket/tmp',"
    " sdk_container_image: 'registry/my-project/auricle-beam:1'"
)
_TO_DATAFLOW = f"runner: DataflowRunner, options: {{{_DATAFLOW}, "
_TO_JOB_SERVICE = "runner: PortableRunner, options: {job_endpoint: 'jobs:8099', "
BEAM_OPTIONS = {
    "runner: DataflowRunner, options: {project: my-project": ["runner"],
    "runner: FlinkRunner, options: {environment_config: 'auricle:1'": ["runner"],
    "runner: SparkRunner, options: {environment_config: 'auricle:1'": ["runner"],
    "runner: PortableRunner, options: {environment_config: 'auricle:1'": ["runner"],
    "runner: FlinkRunner, options: {flink_master: 'flink:8081'": ["runner"],
    "runner: SparkRunner, options: {spark_master_url: spark, environment_config: 'a:1'": [
        "options.spark_master_url"
    ],
    "workers: 2, runner: PortableRunner, options: {job_endpoint: 'a:1', environment_config: 'b'": [
        "workers"
    ],
    _TO_DATAFLOW + "staging_location: /tmp": ["options.staging_location"],
    _TO_DATAFLOW.replace("auricle-beam", "A B"): ["options.sdk_container_image"],
    _TO_DATAFLOW + "num_workers: 9, max_num_workers: 8": ["options.num_workers"],
    _TO_DATAFLOW + "autoscaling_algorithm: NONE, max_num_workers: 8": ["options.max_num_workers"],
    _TO_DATAFLOW + "machine_type: fast": ["options.machine_type"],
    _TO_DATAFLOW + "service_account_email: me": ["options.service_account_email"],
    _TO_DATAFLOW + "labels: [team=speech, Cost]": ["options.labels"],
    _TO_DATAFLOW + "worker_zone: us-east1-b": ["options.worker_zone"],
    _TO_DATAFLOW + "streaming: true": ["options.streaming"],
    _TO_DATAFLOW + "template_location: 'gs://b/t'": ["options.template_location"],
    _TO_JOB_SERVICE + "environment_type: CLOUD": ["options.environment_type"],
    _TO_JOB_SERVICE + "environment_type: LOOPBACK": ["options.environment_type"],
    _TO_JOB_SERVICE + "environment_type: PROCESS": ["options.environment_type"],
    _TO_JOB_SERVICE + "environment_type: EXTERNAL, environment_config: pool": [
        "options.environment_type"
    ],
}

COMBINATIONS = {
    _SHORT + "frontend: {frame_length_ms: 1500}\n": ["3: frontend.frame_length_ms"],
    _SHORT + "audio: {clip_s: 0.02}\n": ["3: audio.clip_s", "3: audio.clip_s", "3: audio.clip_s"],
    _SHORT + "frontend: {frame_length_ms: 995}\n": ["3: frontend.frame_length_ms"],
    _SHORT + "frontend: {frame_step_ms: 30}\n": ["3: frontend.frame_step_ms"],
    _SHORT + "frontend: {frame_step_ms: 0.01}\n": ["3: frontend.frame_step_ms"],
    _SHORT + "audio: {sample_rate: 8000}\nfrontend: {upper_edge_hertz: 7600}\n": [
        "4: frontend.upper_edge_hertz"
    ],
    _SHORT + "frontend: {lower_edge_hertz: 300, upper_edge_hertz: 300}\n": [
        "3: frontend.lower_edge_hertz"
    ],
    _SHORT + "frontend: {lower_edge_hertz: 9000}\n": ["3: frontend.lower_edge_hertz"],
    _SHORT + "frontend: {kind: mfcc, num_mfcc: 33}\n": ["3: frontend.num_mfcc"],
    _SHORT + "frontend: {num_mel_bins: 200}\n": ["3: frontend.num_mel_bins"],
    _SHORT + "augment: {time_shift_ms: 1000}\n": ["3: augment.time_shift_ms"],
    _SHORT + "augment: {noise: {snr_db: [20, 0]}}\n": ["3: augment.noise.snr_db"],
    _SHORT + "augment: {noise: {share: 1.5}}\n": ["3: augment.noise.share"],
    _SHORT + "augment: {room: {longest_s: 0}}\n": ["3: augment.room.longest_s"],
    _SHORT + "conditions: {names: [noise_10db, underwater]}\n": ["3: conditions.names"],
    _SHORT + "gate: {conditions: {noise_3db: {at_least: 0.9}}}\n": ["3: gate.conditions.noise_3db"],
    _SHORT + "gate: {conditions: {room: {at_least: 2}}}\n": ["3: gate.conditions.room.at_least"],
    _SHORT + "model: {architecture: cnn, size: large}\n": ["3: model.size"],
    _SHORT + "model: {architecture: tc_resnet, size: huge}\n": ["3: model.size"],
    _SHORT + "augment: {spec_augment: {time_mask_ms: 2000}}\n": [
        "3: augment.spec_augment.time_mask_ms"
    ],
    _SHORT + "augment: {spec_augment: {freq_mask_bins: 32}}\n": [
        "3: augment.spec_augment.freq_mask_bins"
    ],
    _SHORT + "model: {architecture: cnn, peephole: true}\n": ["3: model.peephole"],
    _SHORT + "model: {architecture: rnn, peephole: true}\n": ["3: model.peephole"],
    _SHORT + "gate: {false_rejects: {at_most: 0.1}}\n": ["3: gate.false_rejects"],
    _SHORT + "gate: {accuracy: {slices: [label]}}\n": ["3: gate.accuracy.slices"],
    _SHORT + "run: {beam: {options: {runner: X}}}\n": ["3: run.beam.options.runner"],
    _SHORT + "run: {beam: {options: {direct_num_workers: 2}}}\n": [
        "3: run.beam.options.direct_num_workers"
    ],
    _SHORT + "run: {beam: {options: {s3_secret_access_key: k}}}\n": [
        "3: run.beam.options.s3_secret_access_key"
    ],
    # Files of this machine, and workers that do not see its disk.
    _SHORT + f"run: {{beam: {{runner: DataflowRunner, options: {{{_DATAFLOW}}}}}}}\n": [
        "3: run.beam.runner",
        "3: run.beam.runner",
    ],
    **{
        f"{_ELSEWHERE}{beam}}}}}}}\n": [f"3: run.beam.{key}" for key in keys]
        for beam, keys in BEAM_OPTIONS.items()
    },
}
