"""Networks of linear layers, for the labs."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


def layers(*sizes: int) -> list[nn.Module]:
    """Linear layers from size to size, SiLU between them."""
    return [part for a, b in pairwise(sizes) for part in (nn.SiLU(), nn.Linear(a, b))][1:]


def to_image(*sizes: int) -> nn.Sequential:
    """Layers that end in 784 pixels in [0, 1].  (b, sizes[0]) -> (b, 1, 28, 28)"""
    return nn.Sequential(*layers(*sizes), nn.Sigmoid(), nn.Unflatten(1, (1, 28, 28)))


class FullyConnected(nn.Module):
    """x -> code z -> x_hat in [0, 1].  x, x_hat: (b, 1, 28, 28), z: (b, sizes[-1])

    sizes: from 784 pixels down to the numbers of the code; the decoder has the same, backwards.
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Flatten(), *layers(*sizes))
        self.decode = to_image(*reversed(sizes))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))
