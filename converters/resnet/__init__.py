"""ResNet-152: the network, its weights, the command."""
