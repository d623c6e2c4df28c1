"""Recurrent cells against their equations, written out in numpy."""

import keras
import numpy as np
import pytest

from components.models.recurrent import PeepholeLSTMCell, stack_frames


def _sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


@pytest.fixture
def cell():
    cell = PeepholeLSTMCell(5)
    cell.build((None, 3))
    rng = np.random.default_rng(1)
    cell.set_weights([rng.normal(0, 0.7, weight.shape) for weight in cell.weights])
    return cell


def _numpy_steps(weights, inputs):
    """Outputs of the equations in the issue, one time step at a time, in float64."""
    kernel, recurrent, peephole, bias = (np.asarray(weight, np.float64) for weight in weights)
    w_xi, w_xf, w_xc, w_xo = np.split(kernel, 4, axis=1)
    w_hi, w_hf, w_hc, w_ho = np.split(recurrent, 4, axis=1)
    w_ci, w_cf, w_co = peephole
    b_i, b_f, b_c, b_o = np.split(bias, 4)
    h = c = np.zeros((inputs.shape[0], 5))
    outputs = []
    for x in np.moveaxis(inputs, 1, 0):
        i = _sigmoid(x @ w_xi + h @ w_hi + w_ci * c + b_i)
        f = _sigmoid(x @ w_xf + h @ w_hf + w_cf * c + b_f)
        c = f * c + i * np.tanh(x @ w_xc + h @ w_hc + b_c)
        o = _sigmoid(x @ w_xo + h @ w_ho + w_co * c + b_o)
        h = o * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, axis=1)


def test_peephole_lstm_follows_its_equations(cell):
    inputs = np.random.default_rng(2).normal(size=(4, 7, 3)).astype(np.float32)
    outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)
    np.testing.assert_allclose(outputs, _numpy_steps(cell.get_weights(), inputs), atol=1e-6)


def test_without_peepholes_it_is_kerass_lstm(cell):
    kernel, recurrent, peephole, bias = cell.get_weights()
    cell.set_weights([kernel, recurrent, np.zeros_like(peephole), bias])
    lstm = keras.layers.LSTM(5, return_sequences=True)
    lstm.build((None, 7, 3))
    lstm.set_weights([kernel, recurrent, bias])  # Keras's gates: i, f, c, o as well
    inputs = np.random.default_rng(2).normal(size=(4, 7, 3)).astype(np.float32)
    outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)
    np.testing.assert_allclose(outputs, lstm(inputs), atol=1e-6)


def test_peephole_lstm_starts_with_an_open_forget_gate():
    cell = PeepholeLSTMCell(2)
    cell.build((None, 3))
    np.testing.assert_array_equal(cell.bias, [0, 0, 1, 1, 0, 0, 0, 0])


def test_stacked_frames_lie_side_by_side():
    features = np.arange(2 * 11 * 3, dtype=np.float32).reshape(2, 11, 3)
    stacked = np.array(stack_frames(keras.ops.convert_to_tensor(features), count=4)[0])
    np.testing.assert_array_equal(stacked, features[:, :8].reshape(2, 2, 12))


def test_a_clip_of_few_frames_is_not_stacked():
    features = keras.ops.ones((2, 3, 5))
    assert stack_frames(features, count=4)[0].shape == (2, 3, 5)
