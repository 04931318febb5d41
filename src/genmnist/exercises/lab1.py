"""Lab 1: our solutions, and the wrong answers that people give, each with its sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from genmnist.autoencoder import squared_error as error
from genmnist.exercises import Exercise, on_copies, plain, returned
from genmnist.training import default_device

# fmt: off

# -- 1. Quantised codes, (z, bits) -> z ------------------------------------------------------------


def _quantize(z: Tensor, bits: int, *, levels: Callable = lambda bits: 2**bits,
              least: Callable = lambda z: z.amin(0), rounded: Callable = torch.round,
              most: Callable = lambda z: z.amax(0)) -> Tensor:
    low = least(z)
    step = ((most(z) - low) / max(levels(bits) - 1, 1)).clamp(min=1e-12)
    return low + rounded((z - low) / step) * step


def _codes(n: int) -> Tensor:
    """(n, 5): dimensions of different sizes and places, the last the same for all."""
    z = torch.randn(n, 5) * torch.tensor([1.0, 3.0, 0.5, 2.0, 0.0])
    return (z + torch.tensor([0.0, 4.0, -2.0, 0.3, 1.7])).to(default_device())


def _unguarded(z: Tensor, bits: int) -> Tensor:
    low, high = z.amin(0), z.amax(0)
    return low + ((z - low) / (high - low) * (2**bits - 1)).round() / (2**bits - 1) * (high - low)


quantize = Exercise(
    "Exercise 1", _quantize, observe=returned(),
    cases=lambda: [(_codes(n), bits) for n, bits in [(60, 3), (60, 1), (40, 8), (1, 4)]],
    right="So many levels for each dimension, and every value on one of them.",
    wrong={
        "Each dimension has a range of its own: take the extremes over the images, `dim=0`.":
            partial(_quantize, least=torch.min, most=torch.max),
        "Between 2**bits levels there are 2**bits - 1 steps.":
            partial(_quantize, levels=lambda bits: 2**bits + 1),
        "So many bits tell 2**bits levels apart.": partial(_quantize, levels=lambda bits: bits),
        "That is one level too few: 2**bits of them, the smallest and the largest included.":
            partial(_quantize, levels=lambda bits: 2**bits - 1),
        "Round to the nearest level, not to the one below: `.round()`.":
            partial(_quantize, rounded=torch.floor),
        "Those are the numbers of the levels: turn them back, `low + number * step`.":
            lambda z, bits: ((z - z.amin(0)) / (z.amax(0) - z.amin(0)).clamp(min=1e-12)
                             * (2**bits - 1)).round(),
        "The smallest value was taken away for the rounding: add it again.":
            lambda z, bits: _quantize(z, bits) - z.amin(0),
        "Take the smallest value away before you round.":
            partial(_quantize, least=lambda z: 0 * z[0], most=lambda z: z.amax(0) - z.amin(0)),
        "A dimension in which all values are equal has to stay as it is: keep its step from being "
        "0, as with `.clamp(min=1e-12)`.":
            (_unguarded, lambda z, bits: _unguarded(z, bits).nan_to_num(0)),
        "The levels go from the smallest to the largest value, not from -max to max.":
            partial(_quantize, least=lambda z: -z.abs().amax(0), most=lambda z: z.abs().amax(0)),
        "That rounds to decimal places: the levels depend on the range of each dimension.":
            lambda z, bits: z.round(decimals=bits),
        "That gives z as it is: round it.": lambda z, bits: z.clone(),
    })

# -- 2. The squared error over a power of the norm, (x_hat, x, power) -> (b,) ----------------------


def _norm(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1).clamp(min=1e-6)


def _score(x_hat: Tensor, x: Tensor, power: float, *, norm: Callable = _norm,
           error: Callable = error) -> Tensor:
    return error(x_hat, x) / norm(x) ** power


def _observed(answer: Callable, x_hat: Tensor, x: Tensor, power: float) -> dict[str, object]:
    """What is returned; of black images only whether their score is finite."""
    score, black = plain(on_copies(answer, x_hat, x, power)), ~x.flatten(1).any(dim=1)
    if not isinstance(score, Tensor) or score.shape != black.shape:
        return {"result": score}
    finite = "finite" if score[black].isfinite().all() else "NaN or infinite"
    return {"result": score.where(~black, 0), "score of a black image": finite}


def _pairs(b: int) -> tuple[Tensor, Tensor]:
    """Reconstructions and images, ever fainter, the last of several black."""
    brightness = torch.logspace(0, -2, b).view(-1, 1, 1, 1)
    brightness[1:][-1:] = 0
    x_hat, x = torch.rand(2, b, 1, 28, 28).to(default_device())
    return x_hat, brightness.to(x.device) * x.square()


anomaly_score = Exercise(
    "Exercise 2", _score, observe=_observed,
    cases=lambda: [(*_pairs(b), power) for b, power in [(5, 1), (5, 2), (1, 1), (4, 0), (6, 0.5)]],
    right="One score for each image, and a black one does no harm.",
    wrong={
        "That is the squared norm to the power: take the root of the sum first.":
            partial(_score, norm=lambda x: _norm(x) ** 2),
        "The squared error stays as it is: take the root of the sum of x² only.":
            partial(_score, error=lambda y, x: error(y, x).sqrt()),
        "Divide by the norm of the image x, not by that of something else.":
            lambda y, x, p: error(y, x) / _norm(y) ** p,
        "That is the sum of the pixels: the norm is the root of the sum of their squares.":
            partial(_score, norm=lambda x: x.flatten(1).sum(1).clamp(min=1e-6)),
        "p is the power of the norm, not its kind.":
            lambda y, x, p: error(y, x) / x.flatten(1).norm(p, dim=1).clamp(min=1e-6),
        "One norm for each image: `x.flatten(1).norm(dim=1)`.":
            partial(_score, norm=lambda x: x.norm().clamp(min=1e-6)),
        "That is the mean over pixels: take the sum.":
            partial(_score, error=lambda y, x: (y - x).square().flatten(1).mean(1)),
        "The power is not used: `norm**power`.": lambda y, x, p: _score(y, x, 1),
        "The power belongs to the norm alone.": lambda y, x, p: _score(y, x, 1) ** p,
        "Divide: a thin digit has a small norm, and its score should grow.":
            lambda y, x, p: error(y, x) * _norm(x) ** p,
        "A black image has norm 0: keep the norm from it, as with `.clamp(min=1e-6)`.":
            partial(_score, norm=lambda x: x.flatten(1).norm(dim=1)),
        "Only the norm 0 needs care: clamp at something tiny, such as 1e-6.":
            partial(_score, norm=lambda x: _norm(x).clamp(min=1)),
        "One score for each image, not one for the batch.": lambda *given: _score(*given).mean(),
        "That is the absolute error: square the differences.":
            partial(_score, error=lambda y, x: (y - x).abs().flatten(1).sum(1)),
    })
