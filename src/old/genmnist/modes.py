"""Data with modes that can be counted: a ring of 8, a grid of 25, and digits stacked in colour."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from genmnist.data import Images
from genmnist.evaluation import kl_divergence
from genmnist.judge import Judge

RING_STD, GRID_STD = 0.01, 0.05
REACH = 3.0  # standard deviations within which a point counts as one of its mode
PERFECT_SHARE = 1 - math.exp(-(REACH**2) / 2)  # of a perfect sampler's points: 98.89 %


def ring_of_8() -> Tensor:
    """Centres on the unit circle at angles 2 pi i / 8; use with RING_STD.  -> (8, 2)

    `linspace(0, 2 pi, 8)` would meet itself and leave seven.
    """
    angle = torch.arange(8) * (2 * math.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


def grid_of_25() -> Tensor:
    """Centres on {-4, -2, 0, 2, 4}^2; use with GRID_STD.  -> (25, 2)"""
    axis = torch.arange(-4.0, 5.0, 2.0)
    return torch.cartesian_prod(axis, axis)


def sample_mixture(centres: Tensor, std: float, n: int) -> Tensor:
    """n draws from the even mixture of N(centre, std^2 I).  -> (n, 2)"""
    chosen = torch.randint(len(centres), (n,))
    return centres[chosen] + std * torch.randn(n, 2)


class ModeCount(NamedTuple):
    modes: int  # centres with at least one high-quality point
    high_quality: float  # share of points within 3 standard deviations of a centre
    reverse_kl: float  # KL( share of high-quality points per centre || even shares ), nats


def count_modes(points: Tensor, centres: Tensor, std: float) -> ModeCount:
    """Which modes a sample reaches, and how many of its points are good.

    points: (n, 2).  A perfect sampler reaches every mode with a share of PERFECT_SHARE; a larger
    share is itself a sign of collapse.  Protocol of Lin et al. (2018), PacGAN.

    Raises:
        ValueError: if there are no points or one is not finite.
    """
    if len(points) == 0 or not points.isfinite().all():
        raise ValueError(f"{len(points)} points, all finite: {bool(points.isfinite().all())}")
    distance, nearest = torch.cdist(points.cpu(), centres.cpu()).min(dim=1)
    good = nearest[distance < REACH * std]
    counts = torch.bincount(good, minlength=len(centres)).double()
    even = torch.full_like(counts, 1 / len(centres))
    divergence = kl_divergence(counts / counts.sum(), even) if len(good) else math.inf
    return ModeCount(int((counts > 0).sum()), len(good) / len(points), divergence)


def stack_digits(images: Images, n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Colour images with a random digit in red, in green and in blue: 1,000 modes.

    Returns x uint8 (n, 3, 28, 28) and modes int64 (n,), 100 r + 10 g + b.
    Metz et al. (2017), Unrolled GAN.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(images), (n, 3), generator=generator).to(images.x.device)
    digits = images.y[chosen]
    return images.x[chosen, 0], 100 * digits[:, 0] + 10 * digits[:, 1] + digits[:, 2]


class StackedCount(NamedTuple):
    modes: int  # of 1,000, seen at least once
    kl: float  # KL( share of each mode || even shares ), nats


def count_stacked_modes(judge: Judge, x: Tensor) -> StackedCount:
    """Modes of stacked digits, each channel read by the judge; one sample is enough for a mode.

    x: (n, 3, 28, 28) in [0, 1].  A perfectly even sampler has KL about 999 / (2 n), and real
    stacked digits a little more.  Protocol of PacGAN: n = 26,000.
    """
    if x.dim() != 4 or x.shape[1] != 3 or len(x) == 0:
        raise ValueError(f"images have shape {tuple(x.shape)}; (n, 3, 28, 28) is needed, n > 0")
    r, g, b = judge.labels(x.flatten(0, 1).unsqueeze(1)).view(-1, 3).T
    counts = torch.bincount((100 * r + 10 * g + b).cpu(), minlength=1000).double()
    shares = counts / counts.sum()
    return StackedCount(int((counts > 0).sum()), kl_divergence(shares, torch.full((1000,), 1e-3)))
