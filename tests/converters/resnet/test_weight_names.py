"""Names of weights in other libraries' files."""

import pytest

from converters.resnet.weight_names import our_names

PAIRS = {
    "resnet.embedder.embedder.convolution.weight": "conv1.weight",
    "resnet.embedder.embedder.normalization.running_mean": "bn1.running_mean",
    "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight": "layer1.0.conv1.weight",
    "resnet.encoder.stages.0.layers.0.layer.1.normalization.bias": "layer1.0.bn2.bias",
    "resnet.encoder.stages.2.layers.35.layer.2.convolution.weight": "layer3.35.conv3.weight",
    "resnet.encoder.stages.3.layers.2.layer.2.normalization.num_batches_tracked": (
        "layer4.2.bn3.num_batches_tracked"
    ),
    "resnet.encoder.stages.1.layers.0.shortcut.convolution.weight": "layer2.0.downsample.0.weight",
    "resnet.encoder.stages.1.layers.0.shortcut.normalization.running_var": (
        "layer2.0.downsample.1.running_var"
    ),
    "classifier.1.weight": "fc.weight",
    "classifier.1.bias": "fc.bias",
}


@pytest.mark.parametrize("theirs", PAIRS)
def test_hugging_face(theirs: str) -> None:
    """Each of Hugging Face's names has one of ours."""
    assert our_names([theirs]) == {theirs: PAIRS[theirs]}


@pytest.mark.parametrize("wrapper", ["", "module.", "model."])
def test_wrappers(wrapper: str) -> None:
    """What training on several GPUs puts before every name is dropped; ours stay as they are."""
    names = ["conv1.weight", "layer4.2.bn3.bias", "fc.bias"]
    wrapped = [wrapper + name for name in names]
    assert our_names(wrapped) == dict(zip(wrapped, names, strict=True))


def test_unknown_names_stay() -> None:
    """A name that no library uses is left for the message that refuses it."""
    assert our_names(["head.weight", "conv1.weight"]) == {
        "head.weight": "head.weight",
        "conv1.weight": "conv1.weight",
    }
    assert our_names([]) == {}
