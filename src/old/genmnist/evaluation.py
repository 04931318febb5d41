"""How good are images?  Distances and shares in the judge's feature space, and simpler measures.

Features are (n, d) tensors from `Judge.features`; every function compares sets of them.  No single
number is to be trusted: a collapsed generator can reach a precision of 0.98.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1_000  # rows of a distance matrix at a time: 10,000 columns of them take 40 MB


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance between Gaussians fitted to two sets of features.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)), in squared feature units.
    With judge features it ranks models in this course; it is not FID, which is defined on
    Inception-v3 features.

    Args:
        a, b: (n, d) and (m, d).  Biased upwards for small n, so compare equal n only.

    Raises:
        ValueError: if n or m <= d, where a covariance cannot have full rank; if a value is not
            finite or the numbers of features differ.

    Heusel et al. (2017), equation 6.
    """
    _check_features(a, b)
    if min(len(a), len(b)) <= a.shape[1]:
        raise ValueError(f"{a.shape[1]} features need more samples than {len(a)} and {len(b)}")
    a, b = a.cpu().double(), b.cpu().double()  # Apple's GPUs have no double precision
    cov_a, cov_b = a.T.cov(), b.T.cov()  # (d, d)
    # cov_a cov_b is similar to a positive semi-definite matrix: its eigenvalues are real, >= 0
    cross = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    shift = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    return float(shift + cov_a.trace() + cov_b.trace() - 2 * cross)


class Manifold(NamedTuple):
    precision: float  # share of fakes within reach of a real image: quality
    recall: float  # share of real images within reach of a fake: variety
    density: float  # fakes' mean number of real neighbourhoods, over k: quality, unbounded
    coverage: float  # share of real images with a fake in their neighbourhood: variety


def precision_recall(real: Tensor, fake: Tensor, *, k: int = 5) -> Manifold:
    """Precision, recall, density and coverage by k-th neighbours, each a share (density: a ratio).

    A real image's neighbourhood is the ball up to its k-th nearest *other* real image; a fake's
    likewise among fakes.  Two samples of one law at large n: density 1, coverage 1 - 2^-k.

    Args:
        real, fake: (n, d) each.  The numbers must be equal: all four depend on n.

    Raises:
        ValueError: if the numbers differ, if k is not in 1 … n - 1, or a value is not finite.

    Kynkäänniemi et al. (2019) for the first two; Naeem et al. (2020) for the others.
    """
    _check_features(real, fake)
    n = len(real)
    if len(fake) != n:
        raise ValueError(f"{n} real and {len(fake)} fake: take equally many, all four depend on n")
    if not 1 <= k < n:
        raise ValueError(f"k is {k}: it must lie between 1 and n - 1 = {n - 1}")
    # distances do not change, and round less, when the features lie around 0; whole numbers,
    # because these are subtracted without rounding
    centre = real.mean(dim=0).round()
    real, fake = (real - centre).cpu(), (fake - centre).cpu()
    real_reach, fake_reach = _distance_to_neighbour(real, k), _distance_to_neighbour(fake, k)
    precise, dense = torch.zeros(n), torch.zeros(n)
    recalled, covered = torch.zeros(n, dtype=torch.bool), torch.zeros(n, dtype=torch.bool)
    for rows in torch.arange(n).split(BLOCK):
        distance = torch.cdist(fake[rows], real)  # (block, n)
        within_real = distance <= real_reach
        precise[rows] = within_real.any(dim=1).float()
        dense[rows] = within_real.sum(dim=1) / k
        covered |= within_real.any(dim=0)
        recalled |= (distance <= fake_reach[rows, None]).any(dim=0)
    shares = (precise, recalled.float(), dense, covered.float())
    return Manifold(*(share.mean().item() for share in shares))


def _distance_to_neighbour(x: Tensor, k: int) -> Tensor:
    """Distance of each row to its k-th nearest other row.  (n, d) -> (n,)"""
    reach = [torch.cdist(part, x).kthvalue(k + 1, dim=1).values for part in x.split(BLOCK)]
    return torch.cat(reach)  # k + 1, because the nearest row is the row itself


def nearest_neighbours(x: Tensor, among: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest row of `among` for each row of x: distances (n,) and indices (n,).

    To see whether a model has memorised: samples to training images should be no nearer than
    held-out real images to training images.
    """
    _check_features(x, among)
    if len(among) == 0:
        raise ValueError(f"nothing to search: the second set has shape {tuple(among.shape)}")
    x, among = x.cpu(), among.cpu()
    nearest = [torch.cdist(part, among).argmin(dim=1) for part in x.split(BLOCK // 4)]
    index = torch.cat(nearest) if nearest else torch.zeros(0, dtype=torch.long)
    # cdist rounds; a copy has to be at distance 0
    return (x - among[index]).norm(dim=1), index


def class_histogram(labels: Tensor, *, num_classes: int = 10) -> Tensor:
    """Share of each class.  (n,) -> (num_classes,)

    Raises:
        ValueError: if there are no labels or one is out of range.
    """
    if len(labels) == 0:
        raise ValueError("there are no labels to count")
    if labels.min() < 0 or labels.max() >= num_classes:
        worst = labels.min() if labels.min() < 0 else labels.max()
        raise ValueError(f"label {worst.item()} is out of range: 0 to {num_classes - 1}")
    return torch.bincount(labels.cpu(), minlength=num_classes).double() / len(labels)


def kl_divergence(p: Tensor, q: Tensor) -> float:
    """sum_i p_i log(p_i / q_i) in nats, with 0 log 0 = 0; infinite where q is 0 and p is not.

    Raises:
        ValueError: if the shapes differ or a share is not a number.
    """
    if p.shape != q.shape or p.isnan().any() or q.isnan().any():
        raise ValueError(f"shares of {tuple(p.shape)} and {tuple(q.shape)} classes: {p}, {q}")
    p, q = p.double(), q.double()
    return float(torch.where(p > 0, p * (p / q).log(), 0.0).sum())


def inception_score(logits: Tensor) -> float:
    """exp of the mean KL( p(y | x) || p(y) ), between 1 and the number of classes.  (n, c) -> float

    With the judge's logits; print it as a share of the real images' own.  No splits.
    Salimans et al. (2016), section 4.
    """
    if logits.dim() != 2 or len(logits) == 0:
        raise ValueError(f"logits have shape {tuple(logits.shape)}; (n, c) is needed, n > 0")
    log_p = logits.cpu().double().log_softmax(dim=1)
    log_marginal = log_p.logsumexp(dim=0) - math.log(len(log_p))
    return float((log_p.exp() * (log_p - log_marginal)).sum(dim=1).mean().exp())


def parzen_log_likelihood(x: Tensor, samples: Tensor, *, sigma: float) -> Tensor:
    """log of the mean over samples of N(x; sample, sigma^2 I), in nats, one value per image.

    x: (n, d) and samples: (m, d), pixels in [0, 1].  Returns (n,).  A cautionary tale: it rewards
    blur, and ranks blurred training images above training images.  Goodfellow et al. (2014), §5.
    """
    d, m = x.shape[1], len(samples)
    if m == 0 or sigma <= 0:
        raise ValueError(f"{m} samples and sigma {sigma}: at least one and more than 0 are needed")
    constant = 0.5 * d * math.log(2 * math.pi * sigma**2) + math.log(m)
    parts = [
        torch.logsumexp(-0.5 * (torch.cdist(part, samples) / sigma).square(), dim=1)
        for part in x.split(BLOCK // 4)
    ]
    return torch.cat(parts) - constant


def _check_features(a: Tensor, b: Tensor) -> None:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features of shapes {tuple(a.shape)} and {tuple(b.shape)}: need (n, d)")
    for name, values in (("first", a), ("second", b)):
        if not values.isfinite().all():
            bad = values[~values.isfinite()][0].item()
            raise ValueError(f"the {name} features contain {bad}")
