"""Our ResNet: its size, its names, and random weights that are good for something."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch: make test-deep")

from converters.resnet.network import (  # noqa: E402
    BLOCKS,
    RESNET152_PARAMETERS,
    ResNet,
    parameter_count,
    random_resnet,
)


@pytest.mark.parametrize(
    ("layers", "parameters"), [(50, 25_557_032), (101, 44_549_160), (152, RESNET152_PARAMETERS)]
)
def test_parameters(layers: int, parameters: int) -> None:
    """The networks have as many parameters as their publishers say."""
    with torch.device("meta"):
        assert parameter_count(ResNet(BLOCKS[layers])) == parameters
    assert RESNET152_PARAMETERS == 60_192_808


def test_names() -> None:
    """Weights are called what torchvision and timm call them; shapes are theirs too."""
    with torch.device("meta"):
        state = ResNet(BLOCKS[152]).state_dict()
    shapes = {
        "conv1.weight": [64, 3, 7, 7],
        "bn1.running_mean": [64],
        "layer1.0.downsample.0.weight": [256, 64, 1, 1],
        "layer2.7.conv2.weight": [128, 128, 3, 3],
        "layer3.35.conv3.weight": [1024, 256, 1, 1],
        "layer4.0.downsample.1.running_var": [2048],
        "fc.weight": [1000, 2048],
        "fc.bias": [1000],
    }
    assert {name: list(state[name].shape) for name in shapes} == shapes
    # 155 convolutions and as many normalisations of five tensors each, and the last layer.
    assert len(state) == 155 + 155 * 5 + 2


def test_stride_is_in_the_middle() -> None:
    """Version 1.5: the 3x3 convolution halves the picture, not the first 1x1."""
    with torch.device("meta"):
        block = ResNet((1, 1), width=4).get_submodule("layer2.0")
    assert (block.conv1.stride, block.conv2.stride) == ((1, 1), (2, 2))


def test_random_weights() -> None:
    """The same seed gives the same weights, and nobody else's random numbers change."""
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    first, second, other = (random_resnet((1, 2), seed, width=8) for seed in (1, 1, 2))
    assert torch.equal(before, torch.rand(1))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first.fc.weight, other.fc.weight)


def test_random_weights_tell_pictures_apart() -> None:
    """Random answers are neither all alike nor certain, so that comparisons mean something."""
    model = random_resnet(BLOCKS[50], 1)
    pictures = torch.from_numpy(np.random.default_rng(0).normal(size=(6, 3, 64, 64))).float()
    pictures = torch.nn.functional.avg_pool2d(pictures, 5, stride=1, padding=2) * 4
    with torch.inference_mode():
        best = model(pictures).softmax(1).max(1)
    assert len(set(best.indices.tolist())) > 2
    assert float(best.values.min()) < 0.9
