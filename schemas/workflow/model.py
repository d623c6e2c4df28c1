"""The Keras model behind the frontend."""

from typing import Literal

from pydantic import Field

from schemas.workflow.block import Block

Size = Literal["small", "base", "large"]


class Model(Block):
    """The Keras model behind the frontend."""

    architecture: Literal[
        "cnn",
        "rnn",
        "lstm",
        "cnn_lstm",
        "tc_resnet",
        "ds_cnn",
        "bc_resnet",
        "att_rnn",
        "crnn",
    ] = Field(
        "cnn_lstm",
        description="Convolutions, plain recurrence, LSTM, or the three combined; or a network of a"
        " paper: residual convolutions over time, separable ones, broadcasted residuals, recurrence"
        " with attention.",
    )
    size: Size = Field("base", description="Of the networks from papers: how wide and deep.")
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
