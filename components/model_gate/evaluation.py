"""What TFX's Evaluator measures on the test split; what the numbers mean is `decision`'s duty."""

import tensorflow_model_analysis as tfma
from google.protobuf import text_format

from components.model_gate.counts import LABEL_KEY

# Under these names TFMA maps a string label to its class id by itself: `classes` beside `scores`.
SIGNATURE = "serving_examples"
PREDICTION_KEY = "scores"
SLICED_FEATURES = ("speaker", LABEL_KEY)

CONFUSION_METRIC = "multi_class_confusion_matrix_at_thresholds"
MEAN_SCORE_METRIC = "mean_score"

# Below any score, so that every clip counts as answered with its highest score; TFMA's own default
# leaves out answers below 0.5.
_THRESHOLD = -1.0


def make_eval_config() -> tfma.EvalConfig:
    """Metrics overall, by label and by speaker: confusion matrix, accuracy, loss, clip count.

    No thresholds: ModelGate decides. TFX's Evaluator adds the baseline model by itself where it is
    given one, as a copy of the one model spec here.
    """
    slices = "".join(f'slicing_specs {{ feature_keys: "{key}" }}\n' for key in SLICED_FEATURES)
    return text_format.Parse(
        f"""
        model_specs {{
          signature_name: "{SIGNATURE}"
          prediction_key: "{PREDICTION_KEY}"
          label_key: "{LABEL_KEY}"
        }}
        slicing_specs {{}}
        {slices}
        metrics_specs {{
          metrics {{ class_name: "ExampleCount" }}
          metrics {{ class_name: "MeanPrediction" config: '"name": "{MEAN_SCORE_METRIC}"' }}
          metrics {{
            class_name: "MultiClassConfusionMatrixAtThresholds"
            config: '"name": "{CONFUSION_METRIC}", "thresholds": [{_THRESHOLD}]'
          }}
        }}
        """,
        tfma.EvalConfig(),
    )
