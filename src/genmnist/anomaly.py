"""One class is normal and nine are strange, or the other way round."""

from __future__ import annotations

from collections.abc import Callable

import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from genmnist.networks import FullyConnected
from genmnist.training import in_parts


class OnePerClass(nn.Module):
    """An autoencoder for each of ten classes, trained together: each image by that of its class."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.members = nn.ModuleList(FullyConnected(*sizes) for _ in range(10))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """x: (b, 1, 28, 28), y: (b,) classes.  -> x_hat (b, 1, 28, 28)"""
        x_hat = torch.empty_like(x)
        for c, member in enumerate(self.members):
            x_hat[y == c] = member(x[y == c])
        return x_hat

    def scores(self, score: Callable[..., Tensor], x: Tensor, *others: object) -> Tensor:
        """score(x_hat, x, *others) for each of the ten as x_hat.  (n, 1, 28, 28) -> (n, 10)"""
        x_hats = (in_parts(member, x) for member in self.members)
        return torch.stack([score(x_hat, x, *others) for x_hat in x_hats], dim=1)


def auroc(normal: Tensor, strange: Tensor) -> float:
    """The probability in % that a strange image's score is the higher one.  (n,), (m,)"""
    truth = [0] * len(normal) + [1] * len(strange)
    return 100 * float(roc_auc_score(truth, torch.cat([normal, strange]).cpu()))


def one_normal(scores: Tensor, y: Tensor) -> float:
    """Each class normal in turn, scored by its own autoencoder: the mean of ten AUROCs in %.

    scores: (n, 10) of `OnePerClass`, y: (n,) classes.
    """
    return sum(auroc(s[y == c], s[y != c]) for c, s in enumerate(scores.T)) / 10


def best_of_nine(scores: Tensor, strange: int) -> Tensor:
    """The lowest score of the autoencoders of all classes but one.  (n, 10) -> (n,)"""
    return scores[:, [c for c in range(10) if c != strange]].amin(dim=1)


def nine_normal(scores: Tensor, y: Tensor, strange: int) -> float:
    """Nine classes normal and one strange, scored by the best of the nine: the AUROC in %."""
    best = best_of_nine(scores, strange)
    return auroc(best[y != strange], best[y == strange])
