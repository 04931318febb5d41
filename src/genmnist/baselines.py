"""What needs no network: the best linear code and the best linear map, median and blur."""

from __future__ import annotations

import torch
from scipy.ndimage import gaussian_filter, median_filter
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from torch import Tensor, nn


class LinearCode(nn.Module):
    """PCA as an autoencoder: the best linear code of k numbers.  x: (b, c, h, w), z: (b, k)"""

    def __init__(self, x: Tensor, k: int) -> None:
        super().__init__()
        pca = PCA(k, random_state=0).fit(x.flatten(1).cpu())
        self.shape = x.shape[1:]
        self.register_buffer("mean", torch.tensor(pca.mean_).to(x))
        self.register_buffer("directions", torch.tensor(pca.components_).to(x))  # (k, pixels)

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.directions.T

    def decode(self, z: Tensor) -> Tensor:
        return (self.mean + z @ self.directions).unflatten(1, self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class LinearMap:
    """The linear map, with a constant, that comes from `x` nearest to `target` in squared error.

    x, target: (n, c, h, w).  Called with images, it gives images, clipped to [0, 1].
    """

    def __init__(self, x: Tensor, target: Tensor) -> None:
        self.fitted = Ridge(1.0).fit(x.flatten(1).cpu(), target.flatten(1).cpu())

    def __call__(self, x: Tensor) -> Tensor:
        return torch.tensor(self.fitted.predict(x.flatten(1).cpu())).to(x).view_as(x).clamp(0, 1)


def median(x: Tensor, size: int = 3) -> Tensor:
    """Each pixel becomes the median of the size x size pixels around it.  (b, c, h, w)"""
    return torch.tensor(median_filter(x.cpu(), (1, 1, size, size))).to(x)


def blur(x: Tensor, width: float) -> Tensor:
    """Convolved with a Gaussian of that standard deviation in pixels.  (b, c, h, w)"""
    return torch.tensor(gaussian_filter(x.cpu(), (0, 0, width, width))).to(x)
