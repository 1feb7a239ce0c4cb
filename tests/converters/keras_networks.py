"""Keras' own image networks with random weights that tell pictures apart; needs Keras."""

from typing import Any

import keras
import numpy as np

_NOISE_IMAGES = 8
_LAST_OF_BLOCK = ("_3_bn", "_project_BN")  # ResNet's and MobileNetV2's names
_SHARE = 0.25  # of a block: blocks add up, and a small share for each keeps fifty of them tame
_SPREAD = 0.5  # of the logits: enough that no answer is 1 / classes, too little for a certain one


def settled(network: Any, level: float) -> Any:
    """Measure on noise what training would bring about, and return the network.

    With the initial statistics of the batch normalisations numbers fade or grow from layer to
    layer, and any picture gets the same answer: parity would prove nothing.

    Args:
        network: one of `keras.applications` with `weights=None`; its last layer is dense.
        level: how far from 0 the numbers of an image go.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0  # the statistics become those of the one batch it will see
            if layer.name.endswith(_LAST_OF_BLOCK):
                layer.gamma.assign(keras.ops.full_like(layer.gamma, _SHARE))
    noise = level * _noise(*network.input_shape[1:3])
    network(noise, training=True)
    last = network.layers[-1]
    features = keras.Model(network.input, network.layers[-2].output).predict_on_batch(noise)
    centre = features.mean(axis=0)  # [features]
    kernel = keras.ops.convert_to_numpy(last.kernel)  # [features, classes]
    kernel *= _SPREAD / ((features - centre) @ kernel).std()
    last.set_weights([kernel, -centre @ kernel])
    return network


def _noise(height: int, width: int) -> np.ndarray:
    """Coloured noise, fine and coarse: FP32 [8, H, W, 3] of -1 to 1."""
    random = np.random.default_rng(1)
    coarse = random.uniform(-1, 1, (_NOISE_IMAGES, 7, 7, 3)).astype(np.float32)
    fine = random.uniform(-0.3, 0.3, (_NOISE_IMAGES, height, width, 3)).astype(np.float32)
    scaled = keras.ops.convert_to_numpy(keras.ops.image.resize(coarse, (height, width)))
    noise: np.ndarray = np.clip(scaled + fine, -1, 1)
    return noise
