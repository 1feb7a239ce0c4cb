"""ResNet with bottleneck blocks, as PyTorch's model library defines it ("version 1.5").

Letters: N images, C channels, H and W pixels. The stride sits in the 3x3 convolution. Module names
are those of the published weights: conv1, bn1, layer1.0.conv1, ..., layer1.0.downsample.0, fc.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Number of layers to number of blocks in each of the four stages."""

RESNET152_PARAMETERS = 60_192_808
IMAGENET_CLASSES = 1000

_EXPANSION = 4


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut: [N, inputs, H, W] -> [N, 4 * width, H', W'].

    Args:
        inputs: channels that come in.
        width: channels of the 3x3 convolution.
        stride: 2 halves H and W.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )
            if stride != 1 or inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add what the three convolutions find to the input."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        total: Tensor = self.relu(y + shortcut)
        return total


class ResNet(nn.Module):
    """Images [N, 3, H, W] -> logits [N, classes].

    Args:
        blocks: number of blocks in each stage.
        classes: number of classes.
        width: channels after the first convolution; 64 in the published networks.
    """

    def __init__(
        self, blocks: Sequence[int], classes: int = IMAGENET_CLASSES, width: int = 64
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = width
        for stage, count in enumerate(blocks):
            layers = []
            for block in range(count):
                stride = 2 if stage and not block else 1
                layers.append(Bottleneck(inputs, width << stage, stride))
                inputs = (width << stage) * _EXPANSION
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.stages = len(blocks)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, classes)

    def features(self, x: Tensor) -> Tensor:
        """Describe each image by what the stages found: [N, 32 * width] for four stages."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # [N, width, H/4, W/4]
        for stage in range(self.stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return torch.flatten(self.avgpool(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Score each class."""
        logits: Tensor = self.fc(self.features(x))
        return logits


def parameter_count(model: nn.Module) -> int:
    """The number of weights that training changes."""
    return sum(parameter.numel() for parameter in model.parameters())


def random_resnet(blocks: Sequence[int], seed: int, **sizes: int) -> ResNet:
    """Make a network with random weights that still tells pictures apart.

    What training would bring about is measured on noise instead: the statistics of the batch
    normalisations (with the initial ones, numbers grow until half precision overflows) and the
    centre of the features (without it, every picture gets the same class).

    Args:
        blocks: number of blocks in each stage.
        seed: of the random numbers.
        sizes: `classes` and `width`.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = ResNet(blocks, **sizes)
        for module in model.modules():
            _randomise(module)
        noise = _noise()
        model.train()(noise)
        features = model.eval().features(noise)
        centre = features.mean(0)
        spread = (features - centre).norm(dim=1).mean()
        nn.init.normal_(model.fc.weight, std=0.5 / float(spread))
        model.fc.bias.copy_(-model.fc.weight @ centre)
    return model


def _randomise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.BatchNorm2d):
        module.momentum = None  # the statistics become those of the one batch it will see
    elif isinstance(module, Bottleneck):
        # Blocks add up: a small share for each keeps fifty of them tame.
        nn.init.constant_(module.bn3.weight, 0.25)


def _noise(images: int = 8, size: int = 96) -> Tensor:
    """Coloured noise of several grains: [images, 3, size, size] with mean 0 and deviation 1."""
    layers = []
    for grain in (4, 16, 64):
        noise = torch.randn(images, 3, grain, grain)
        layers.append(nn.functional.interpolate(noise, size=(size, size), mode="bilinear"))
    mixed = torch.stack(layers).sum(0)
    return (mixed - mixed.mean()) / mixed.std()
