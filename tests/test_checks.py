"""Every check of an exercise: right answers of all kinds, the wrong ones that people give, blanks.

An answer here is written as a learner would write it.
"""

import ast
import contextlib
import math
import random
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from exercises import right, wrong
from torch import nn

from genmnist import checks, evaluation
from genmnist.checks import autoencoder as check
from genmnist.checks import choices, judge_answer
from genmnist.drawn import draw

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/0*.ipynb"))
SOLUTIONS = {"01_autoencoder.ipynb": 7, "02_vae.ipynb": 8, "03_gan.ipynb": 9}  # at least so many


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(check, "default_device", lambda: torch.device("cpu"))


def ones():
    x, y = draw("MNIST", 300, seed=0)
    return x[y == 1] / 255


CHECKS = {
    "E2": (check.squared_error, evaluation.squared_error),
    "E3": (check.autoencoder, check.FullyConnectedAutoencoder),
    "E4": (check.expected_error, check.expected_squared_error),
    "E4, best": (check.best_answer, check.mean_image),
    "E5": (check.principal_angle, check.largest_angle),
    "E6": (check.anomaly_score, check.relative_error),
    "E7": (check.sample_mixture, check.mixture_samples),
}


# --- E2.


def by_hand(x_hat, x):
    total = torch.zeros(len(x))
    for channel in range(x.shape[1]):
        for row in range(28):
            for column in range(28):
                difference = x[:, channel, row, column] - x_hat[:, channel, row, column]
                total = total + difference**2
    return total


def in_place(x_hat, x):
    x_hat -= x
    return x_hat.pow(2).sum(dim=(1, 2, 3))


def without_gradient(x_hat, x):
    with torch.no_grad():
        return (x_hat - x).square().flatten(1).sum(1)


def forgets_to_return(*arguments):
    result = sum(a.sum() for a in arguments if isinstance(a, torch.Tensor))
    result + 1


SQUARED_ERROR = right("E2", [
    lambda x_hat, x: ((x - x_hat) ** 2).sum(dim=(1, 2, 3)),
    lambda x_hat, x: F.mse_loss(x_hat, x, reduction="none").view(len(x), -1).sum(-1),
    lambda x_hat, x: x[0].numel() * (x_hat - x).square().mean((1, 2, 3)),
    lambda x_hat, x: torch.linalg.vector_norm((x_hat - x).flatten(1), dim=1).pow(2),
    lambda x_hat, x: torch.stack([(a - b).square().sum() for a, b in zip(x, x_hat, strict=True)]),
    lambda x_hat, x: torch.einsum("bchw,bchw->b", x_hat - x, x_hat - x),
    lambda x_hat, x: (x_hat.double() - x.double()).square().flatten(1).sum(1),
    lambda a, b: a.sub(b).mul(a.sub(b)).sum(3).sum(2).sum(1),
    by_hand,
])  # fmt: skip
NOT_SQUARED_ERROR = wrong("E2", {
    "mean over pixels": lambda x_hat, x: (x_hat - x).square().flatten(1).mean(dim=1),
    "one number for the whole batch": [
        lambda x_hat, x: (x_hat - x).square().flatten(1).sum(dim=1).mean(),
        lambda x_hat, x: (x_hat - x).square().flatten(1).sum(dim=1).mean().item(),
    ],
    "sums over the images as well": [
        lambda x_hat, x: (x_hat - x).square().sum(),
        lambda x_hat, x: F.mse_loss(x_hat, x, reduction="sum"),
        lambda x_hat, x: (x_hat - x).square().sum().item(),
    ],
    "averages over pixels and images": [
        lambda x_hat, x: F.mse_loss(x_hat, x), lambda x_hat, x: ((x_hat - x) ** 2).mean(),
    ],
    "leaves the pixels": [
        lambda x_hat, x: (x_hat - x).square().flatten(1).sum(dim=0),
        lambda x_hat, x: (x_hat - x).square().sum(0),
    ],
    "squares the sum": lambda x_hat, x: (x_hat - x).flatten(1).sum(1) ** 2,
    "the absolute error": [
        lambda x_hat, x: (x_hat - x).abs().flatten(1).sum(1),
        lambda x_hat, x: F.l1_loss(x_hat, x, reduction="none").sum(dim=(1, 2, 3)),
    ],
    "leave the root out": [
        lambda x_hat, x: (x_hat - x).flatten(1).norm(dim=1),
        lambda x_hat, x: (x_hat - x).square().flatten(1).sum(1).sqrt(),
    ],
    "without a square": [
        lambda x_hat, x: (x_hat - x).flatten(1).sum(1),
        lambda x_hat, x: (x - x_hat).flatten(1).sum(1),
    ],
    "difference of the squares": lambda x_hat, x: (x_hat**2 - x**2).flatten(1).sum(1),
    "The sign is turned": lambda x_hat, x: -(x_hat - x).square().flatten(1).sum(1),
    "images in colour": [
        lambda x_hat, x: (x_hat - x).view(-1, 784).square().sum(dim=1),
        lambda x_hat, x: (x_hat - x)[:, 0].square().flatten(1).sum(dim=1),
    ],
    "half of the squared error": lambda x_hat, x: 0.5 * (x_hat - x).square().flatten(1).sum(1),
    "(5, 1): make it (5,)": lambda x_hat, x: (x_hat - x).square().flatten(1).sum(1, keepdim=True),
    "(5, 1, 1, 1): make it (5,)":
        lambda x_hat, x: (x_hat - x).square().sum((1, 2, 3), keepdim=True),
    "(5, 28, 28): sum over every dimension but": lambda x_hat, x: (x_hat - x).square().sum(dim=1),
    "(5, 784): sum over every dimension but": lambda x_hat, x: (x_hat - x).square().flatten(1),
    "a tensor of shape (5,) and not": lambda x_hat, x: (x_hat - x).pow(4).flatten(1).sum(1),
    "Stay with tensor operations": [
        lambda x_hat, x: ((x_hat - x).numpy() ** 2).sum(axis=(1, 2, 3)),
        lambda x_hat, x: [(a - b).square().sum().item() for a, b in zip(x, x_hat, strict=True)],
    ],
    "No gradient gets through": [
        without_gradient,
        lambda x_hat, x: (x_hat - x).square().flatten(1).sum(1).detach(),
        lambda x_hat, x: (x_hat.data - x).square().flatten(1).sum(1),
        lambda x_hat, x: torch.tensor([v.item() for v in (x_hat - x).square().flatten(1).sum(1)]),
    ],
    "changes the images": [in_place, lambda a, b: b.sub_(a).square().flatten(1).sum(1)],
    "returns nothing": forgets_to_return,
    "stopped with RuntimeError": lambda x_hat, x: (x_hat.flatten() - x.flatten(1)).sum(1),
    "stopped with NameError": lambda x_hat, x: (x_hat - y).square(),  # noqa: F821
})  # fmt: skip


# --- E3.


def dense(encoder=None, decoder=None, activation=nn.SiLU, width=128, **methods):
    """A class as in the exercise, from layers 784 -> k and k -> 784, and methods to replace."""

    class Network(nn.Module):
        def __init__(self, latent_dim):
            super().__init__()
            k = latent_dim
            to_code = [nn.Linear(784, width), activation(), nn.Linear(width, k)]
            to_image = [nn.Linear(k, width), activation(), nn.Linear(width, 784), nn.Sigmoid()]
            self.enc = nn.Sequential(nn.Flatten(), *(encoder(k) if encoder else to_code))
            image = nn.Unflatten(1, (1, 28, 28))
            self.dec = nn.Sequential(*(decoder(k) if decoder else to_image), image)

        def encode(self, x):
            return self.enc(x)

        def decode(self, z):
            return self.dec(z)

        def forward(self, x):
            return self.decode(self.encode(x))

    for name, method in methods.items():
        setattr(Network, name, method)
    return Network


def deep(activation):
    return dense(
        lambda k: [nn.Linear(784, 256), activation(), nn.Linear(256, 128), activation(),
                   nn.Linear(128, 64), activation(), nn.Linear(64, k)],
        lambda k: [nn.Linear(k, 64), activation(), nn.Linear(64, 128), activation(),
                   nn.Linear(128, 256), activation(), nn.Linear(256, 784), nn.Sigmoid()],
    )  # fmt: skip


class LayerByLayer(nn.Module):
    def __init__(self, latent_dim=2):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(28 * 28, 400), nn.Linear(400, latent_dim)
        self.fc3, self.fc4 = nn.Linear(latent_dim, 400), nn.Linear(400, 28 * 28)

    def encode(self, x):
        return self.fc2(F.relu(self.fc1(x.view(-1, 784))))

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))).view(-1, 1, 28, 28)

    def forward(self, x):
        z = self.encode(x)
        return self.decode(z)


class ByLoop(nn.Module):
    """With a list that is registered too, a residual layer, and tanh brought into [0, 1]."""

    def __init__(self, latent_dim):
        super().__init__()
        self.layers = [nn.Linear(784, 64), nn.Linear(64, 64), nn.Linear(64, latent_dim)]
        self.a, self.b, self.c = self.layers
        self.up = nn.ModuleList([nn.Linear(latent_dim, 64), nn.Linear(64, 784)])

    def encode(self, x):
        h = self.a(x.reshape(x.shape[0], 784)).relu()
        return self.c(h + self.b(h).relu())

    def decode(self, z):
        for layer in self.up:
            z = layer(z).tanh()
        return ((z + 1) / 2).unflatten(1, (1, 28, 28))

    def forward(self, x):
        return self.decode(self.encode(x))


def hides_its_layers(kind):
    class Network(LayerByLayer):
        def __init__(self, latent_dim):
            super().__init__(latent_dim)
            self.layers = kind([nn.Linear(latent_dim, 64), nn.Linear(64, 784)])

        def decode(self, z):
            first, last = self.layers.values() if kind is numbered else self.layers
            return last(first(z).relu()).sigmoid().view(-1, 1, 28, 28)

    return Network


def numbered(layers):
    return dict(enumerate(layers))


class MakesLayersOnTheWay(LayerByLayer):
    def __init__(self, latent_dim):
        nn.Module.__init__(self)
        self.k = latent_dim

    def encode(self, x):
        return nn.Linear(784, self.k)(x.flatten(1))


class KeepsTheImage(LayerByLayer):
    def encode(self, x):
        self.x = x
        return super().encode(x)

    def decode(self, z):
        return (super().decode(z) + self.x.mean(dim=(2, 3), keepdim=True)) / 2


class OtherOrder(LayerByLayer):
    def __init__(self, hidden=400, latent_dim=2):
        super().__init__(latent_dim)


class Blank(nn.Module):
    def __init__(self, latent_dim):
        super().__init__()

    def encode(self, x):
        return ...

    def decode(self, z):
        return ...

    def forward(self, x):
        return self.decode(self.encode(x))


def add_noise_to_code(self, x):
    z = self.enc(x)
    return z + 0.1 * torch.randn_like(z)


def without_gradients(self, x):
    with torch.no_grad():
        return self.decode(self.encode(x))


def down(*last, inside=nn.Identity):
    return lambda k: [nn.Linear(784, 64), inside(), nn.SiLU(), nn.Linear(64, k), *last]


def up(*last, inside=nn.Identity):
    return lambda k: [nn.Linear(k, 64), inside(), nn.SiLU(), nn.Linear(64, 784), *last]


def normalized():
    return nn.LayerNorm(64)


def normalized_by_batch():
    return nn.BatchNorm1d(64)


def straight(start, end):
    return lambda k: [nn.Linear(start or k, 64), nn.Linear(64, 64), nn.Linear(64, end or k)]


def straight_up(k):
    return [*straight(0, 784)(k), nn.Sigmoid()]


def one_layer(k):
    return [nn.Linear(784, k)]


AUTOENCODER = right("E3", [
    check.FullyConnectedAutoencoder,
    LayerByLayer,
    ByLoop,
    *(deep(activation) for activation in (nn.SiLU, nn.ReLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU)),
    dense(down(inside=normalized), up(nn.Sigmoid(), inside=normalized)),
    dense(one_layer),
    dense(width=4, activation=nn.GELU),
    dense(activation=nn.Softplus),
    lambda latent_dim: LayerByLayer(latent_dim).double().float(),
])  # fmt: skip
NOT_AUTOENCODER = wrong("E3", {
    "the encoder ends in an activation": [
        dense(down(nn.ReLU())), dense(down(nn.Sigmoid())),
        dense(down(nn.Softplus())), dense(encode=lambda self, x: self.enc(x).relu()),
    ],
    "squashed into a fixed range": [
        dense(down(nn.Tanh())), dense(encode=lambda self, x: F.normalize(self.enc(x))),
    ],
    "begin with `nn.Flatten()`": dense(encode=lambda self, x: nn.Linear(784, 24)(x)),
    "no code: `self.decode(self.encode(x))`": dense(forward=lambda self, x: self.decode(x)),
    "shape (64, 24) is needed": [
        lambda latent_dim: LayerByLayer(16), dense(encode=lambda self, x: self.enc(x).mean(dim=0)),
        dense(encode=lambda self, x: (self.enc(x), self.enc(x))),
    ],
    "`nn.Unflatten(1, (1, 28, 28))` gives": [
        dense(decode=lambda self, z: self.dec(z).flatten(1)),
        dense(decode=lambda self, z: self.dec(z).squeeze(1)),
    ],
    "decode leaves [0, 1]": [dense(decoder=up()), dense(decoder=up(nn.Tanh())),
                             dense(decoder=up(nn.ReLU())),
                             dense(decoder=up(nn.ReLU(), inside=nn.Tanh))],
    "is ever dark": [
        dense(decoder=up(nn.ReLU(), nn.Sigmoid())), dense(decoder=up(nn.Tanh(), nn.Sigmoid())),
        dense(decode=lambda self, z: self.dec(z).sigmoid()),
    ],
    "gets past the code": [
        dense(forward=lambda self, x: (self.decode(self.encode(x)) + x) / 2),
        dense(forward=lambda self, x: x),
    ],
    "decode uses more than the code": KeepsTheImage,
    "leave out what is random, such as": [
        dense(encode=add_noise_to_code),
        dense(down(inside=nn.Dropout)),
        dense(decoder=up(nn.Sigmoid(), inside=nn.Dropout)),
    ],
    "another code at": dense(encode=add_noise_to_code),
    "another image at": dense(decoder=up(nn.Sigmoid(), inside=nn.Dropout)),
    "Two calls of forward": dense(forward=lambda self, x: self.dec(add_noise_to_code(self, x))),
    "leave out `nn.BatchNorm1d`": [
        dense(down(inside=normalized_by_batch)),
        dense(decoder=up(nn.Sigmoid(), inside=normalized_by_batch)),
    ],
    "No gradient reaches the encoder": [
        dense(encode=lambda self, x: self.enc(x).detach()),
        dense(encode=lambda self, x: self.enc(x).round()),
        dense(decode=lambda self, z: self.dec(z.detach())),
        dense(forward=lambda self, x: self.decode(self.encode(x).detach())),
        dense(forward=without_gradients),
    ],
    "No gradient reaches the decoder": dense(decode=lambda self, z: self.dec(z).detach()),
    "that is PCA at best": [dense(straight(784, 0), straight_up), dense(activation=nn.Identity),
                            dense(one_layer, lambda k: [nn.Linear(k, 784), nn.Sigmoid()])],
    "The encoder has no activation": dense(straight(784, 0)),
    "The decoder has no activation": dense(decoder=straight_up),
    "`self.layers` is a plain list": hides_its_layers(list),
    "`self.layers` is a plain dict": hides_its_layers(numbered),
    "has no weights": MakesLayersOnTheWay,
    "That is convolutional": dense(
        lambda k: [nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 4, 3, 2), nn.SiLU(), nn.Flatten(),
                   nn.Linear(676, k)]),
    "It is no network": lambda latent_dim: print("made"),
    "first argument has to be latent_dim": OtherOrder,
    "hardly learns": dense(decoder=up(nn.Softmax(dim=1))),
    "encode returns nothing": dense(encode=lambda self, x: None),
    "decode returns nothing": dense(decode=lambda self, z: None),
    "forward returns nothing": dense(forward=lambda self, x: None),
    "return the image alone": dense(forward=lambda self, x: (self.dec(self.enc(x)), self.enc(x))),
    "decode is still the blank": dense(decode=lambda self, z: ...),
    "forward is still the blank": dense(forward=lambda self, x: ...),
    "shapes cannot be multiplied (64x128 and 100x24)":
        dense(lambda k: [nn.Linear(784, 128), nn.SiLU(), nn.Linear(100, k)]),
    "shapes cannot be multiplied (64x24 and 16x784)":
        dense(decoder=lambda k: [nn.Linear(16, 784), nn.Sigmoid()]),
    "stopped with TypeError": [dense()(3), nn.Module],
    "unexpected keyword argument 'latent_dim'": lambda k: LayerByLayer(k),
    "has no attribute 'encode'": lambda latent_dim: nn.Linear(784, latent_dim),
})  # fmt: skip


# --- E4.


def apart(a, b):
    return (a - b).square().flatten(1).sum(1)


def by_tosses(x_hat, left, right, p):
    """Ten throws whose shares are exactly p: a mean over outcomes."""
    count = round(10 * p)
    truths = [right] * count + [left] * (10 - count)
    return torch.stack([apart(x_hat, truth) for truth in truths]).mean(dim=0)


def by_descent(left, right, p):
    x_hat = torch.zeros_like(left, requires_grad=True)
    optimizer = torch.optim.SGD([x_hat], lr=0.2)
    for _ in range(60):
        optimizer.zero_grad()
        ((1 - p) * apart(x_hat, left) + p * apart(x_hat, right)).sum().backward()
        optimizer.step()
    return x_hat


EXPECTED_ERROR = right("E4", [
    lambda x_hat, left, right, p: p * apart(x_hat, right) + (1 - p) * apart(x_hat, left),
    lambda x_hat, left, right, p: apart(x_hat, left) + p * (apart(x_hat, right)
                                                            - apart(x_hat, left)),
    # the error of the mean, and the spread that no answer can avoid
    lambda x_hat, left, right, p: apart(x_hat, p * right + (1 - p) * left)
        + p * (1 - p) * apart(left, right),
    by_tosses,
])  # fmt: skip
NOT_EXPECTED_ERROR = wrong("E4", {
    "The weights are swapped": lambda x_hat, left, right, p: p * apart(x_hat, left)
        + (1 - p) * apart(x_hat, right),
    "against the mean of the two images": [
        lambda x_hat, left, right, p: apart(x_hat, (1 - p) * left + p * right),
        lambda x_hat, left, right, p: apart(x_hat, (left + right) / 2),
    ],
    "both with a half": lambda x_hat, left, right, p: (apart(x_hat, left)
                                                       + apart(x_hat, right)) / 2,
    "adds both errors": lambda x_hat, left, right, p: apart(x_hat, left) + apart(x_hat, right),
    "the likelier image": lambda x_hat, left, right, p: apart(x_hat, right if p > 0.5 else left),
    "the nearer image": lambda x_hat, left, right, p: torch.minimum(apart(x_hat, left),
                                                                    apart(x_hat, right)),
    "case that the truth is `stayed`": [
        lambda x_hat, left, right, p: p * apart(x_hat, right),
        lambda x_hat, left, right, p: apart(x_hat, right),
    ],
    "case that the truth is `moved`": [
        lambda x_hat, left, right, p: (1 - p) * apart(x_hat, left),
        lambda x_hat, left, right, p: apart(x_hat, left),
    ],
    "weights are squared": lambda x_hat, left, right, p: apart((1 - p) * x_hat, (1 - p) * left)
        + apart(p * x_hat, p * right),
    "mean over pixels": lambda x_hat, left, right, p:
        ((1 - p) * apart(x_hat, left) + p * apart(x_hat, right)) / 784,
    "one value for each of the 5": [
        lambda x_hat, left, right, p: ((1 - p) * apart(x_hat, left)
                                       + p * apart(x_hat, right)).mean(),
        lambda x_hat, left, right, p: 1.0,
    ],
    "the shape is (5, 1, 28, 28), not (5,)": lambda x_hat, left, right, p:
        (1 - p) * (x_hat - left) ** 2 + p * (x_hat - right) ** 2,
    "not the mean of the two squared errors": lambda x_hat, left, right, p:
        ((1 - p) * apart(x_hat, left) + p * apart(x_hat, right)).sqrt(),
    "returns nothing": forgets_to_return,
})  # fmt: skip
BEST_ANSWER = right("E4, best", [
    lambda left, right, p: p * right + (1 - p) * left,
    lambda left, right, p: torch.lerp(left, right, p),
    lambda left, right, p: left + p * (right - left),
    by_descent,
])  # fmt: skip
NOT_BEST_ANSWER = wrong("E4, best", {
    "You commit to the likelier image": lambda left, right, p: right if p > 0.5 else left,
    "the best for p = 1/2": lambda left, right, p: (left + right) / 2,
    "The weights are swapped": lambda left, right, p: p * left + (1 - p) * right,
    "twice as bright": [lambda left, right, p: left + right,
                        lambda left, right, p: (left + right).clamp(0, 1)],
    "always commit to `moved`": lambda left, right, p: right,
    "always commit to `stayed`": lambda left, right, p: left,
    "the brighter pixel": lambda left, right, p: torch.maximum(left, right),
    "the darker pixel": lambda left, right, p: torch.minimum(left, right),
    "comes from one of the two": [
        lambda left, right, p: torch.where(torch.rand_like(left) < p, right, left),
        lambda left, right, p: torch.where(torch.rand(5, 1, 1, 1) < p, right, left),
    ],
    "times the least one": [lambda left, right, p: 0.9 * (p * right + (1 - p) * left),
                            lambda left, right, p: torch.zeros_like(left),
                            lambda left, right, p: p**2 * right + (1 - p)**2 * left],
    "as many and as large": [lambda left, right, p: ((1 - p) * left + p * right).mean(dim=0),
                             lambda left, right, p: p],
    "returns nothing": forgets_to_return,
})  # fmt: skip


# --- E5.


def bases(a, b):
    return torch.linalg.qr(a).Q, torch.linalg.qr(b).Q


def cosines(a, b):
    q_a, q_b = bases(a, b)
    return torch.linalg.svdvals(q_a.T @ q_b)


def by_svd(a, b):
    u, v = (torch.linalg.svd(m, full_matrices=False).U for m in (a, b))
    smallest = torch.linalg.svd(v.T @ u).S[-1]
    return torch.acos(torch.clamp(smallest, -1, 1)).item() * 180 / math.pi


def by_projection(a, b):
    """The sine is the length of what is left of b's basis outside a."""
    q_a, q_b = (np.linalg.qr(m.double().numpy())[0] for m in (a, b))
    return np.degrees(np.arcsin(np.linalg.norm(q_b - q_a @ (q_a.T @ q_b), ord=2)))


def lengths_only(a, b):
    a, b = a / a.norm(dim=0), b / b.norm(dim=0)
    return torch.rad2deg(torch.linalg.svdvals(a.T @ b).min().arccos())


def by_column(a, b):
    return torch.rad2deg(F.cosine_similarity(a, b, dim=0).arccos())


PRINCIPAL_ANGLE = right("E5", [
    lambda a, b: torch.rad2deg(cosines(a, b).clamp(max=1).min().arccos()),
    lambda a, b: np.degrees(scipy.linalg.subspace_angles(a.numpy(), b.numpy())[0]),
    lambda a, b: cosines(a, b).clamp(max=1).arccos().max().mul(180 / 3.14159).reshape(1),
    by_svd,
    by_projection,
])  # fmt: skip
NOT_PRINCIPAL_ANGLE = wrong("E5", {
    "in radians": [
        lambda a, b: cosines(a, b).min().arccos(),
        lambda a, b: scipy.linalg.subspace_angles(a.numpy(), b.numpy()).max(),
    ],
    "the smallest angle": [
        lambda a, b: torch.rad2deg(cosines(a, b).max().arccos()),
        lambda a, b: torch.rad2deg(cosines(a, b)[0].arccos()),
        lambda a, b: cosines(a, b)[0].arccos(),
    ],
    "That is the cosine": lambda a, b: cosines(a, b).min(),
    "Take orthonormal bases first":
        lambda a, b: torch.rad2deg(torch.linalg.svdvals(a.T @ b).min().clamp(max=1).arccos()),
    "The columns have length 1 now": lengths_only,
    "q_a @ q_b.T has d rows": lambda a, b: torch.rad2deg(
        torch.linalg.svdvals(bases(a, b)[0] @ bases(a, b)[1].T).min().arccos()),
    "the mean of the angles": lambda a, b: torch.rad2deg(cosines(a, b).arccos().mean()),
    "column by column": [
        lambda a, b: by_column(a, b).max(), lambda a, b: by_column(a, b).min(),
        lambda a, b: by_column(a, b).mean(),
    ],
    "That is arcsin": lambda a, b: torch.rad2deg(cosines(a, b).min().arcsin()),
    "It is not a number": lambda a, b: torch.rad2deg(torch.linalg.svdvals(a.T @ b)[-1].arccos()),
    "one number is wanted": [
        lambda a, b: torch.rad2deg(cosines(a, b).arccos()), by_column, lambda a, b: "34 degrees",
    ],
    "For a test pair it gives": lambda a, b: torch.rad2deg(cosines(a, b).min().arccos()) / 2,
    "Two bases of one space have angle 0":
        lambda a, b: torch.rad2deg(cosines(a, b).min().arccos()) + (a[0, 0] == a[0, 0]) * 0
        if (a - b).std() < 0.5 else torch.tensor(math.nan),
    "returns nothing": forgets_to_return,
    "stopped with": lambda a, b: torch.rad2deg((a @ b).arccos()),
})  # fmt: skip


# --- E6.


def light(x):
    return x.square().flatten(1).sum(dim=1)


def error(autoencoder, x):
    return (autoencoder(x) - x).square().flatten(1).sum(dim=1)


def by_angle(autoencoder, x):
    return 1 - F.cosine_similarity(autoencoder(x).flatten(1), x.flatten(1))


def in_batch(scores):
    return (scores - scores.mean()) / scores.std()


ANOMALY_SCORE = right("E6", [
    lambda autoencoder, x: error(autoencoder, x) / light(x).sqrt().clamp(min=1e-6),
    lambda autoencoder, x: error(autoencoder, x) / (x.flatten(1).norm(dim=1) + 1e-6),
    lambda autoencoder, x: (autoencoder(x) - x).square().mean((1, 2, 3))
    / x.square().mean((1, 2, 3)).sqrt().clamp_min(1e-9),
    lambda autoencoder, x: error(lambda x: autoencoder.decode(autoencoder.encode(x)), x)
    / (light(x) + 1e-6) ** 0.5,
])  # fmt: skip
NOT_ANOMALY_SCORE = wrong("E6", {
    "by the light itself": lambda autoencoder, x: error(autoencoder, x) / light(x).clamp_min(1e-6),
    "root of the whole quotient":
        lambda autoencoder, x: (error(autoencoder, x) / (light(x) + 1e-8)).sqrt(),
    "the light is the sum of x squared":
        lambda autoencoder, x: error(autoencoder, x) / (x.sum(dim=(1, 2, 3)) + 1e-6),
    "and take the root after that":
        lambda autoencoder, x: error(autoencoder, x) / (x.sum(dim=(1, 2, 3)) + 1e-6).sqrt(),
    "light of the copy": lambda autoencoder, x: error(autoencoder, x)
        / light(autoencoder(x)).sqrt().clamp_min(1e-6),
    "another score": [
        by_angle,
        lambda autoencoder, x: error(autoencoder, x) / ((x > 0.5).sum(dim=(1, 2, 3)) + 1),
    ],
    "by the squared error alone": [
        error,
        lambda autoencoder, x: (autoencoder(x) - x).square().mean(dim=(1, 2, 3)),
        lambda autoencoder, x: error(autoencoder, x).sqrt(),
        lambda autoencoder, x: error(autoencoder, x).add(1).log(),
        lambda autoencoder, x: (autoencoder(x) - x).abs().flatten(1).sum(1),
    ],
    "A thick stroke copied well":
        lambda autoencoder, x: error(autoencoder, x) / (light(x) + 1000).sqrt(),
    "The sign is turned round": [
        lambda autoencoder, x: -error(autoencoder, x) / light(x).sqrt().clamp(min=1e-6),
        lambda autoencoder, x: light(x).sqrt() / error(autoencoder, x).clamp(min=1e-6),
    ],
    "changes with the other images": [
        lambda autoencoder, x: error(autoencoder, x) / light(x).sqrt().max(),
        lambda autoencoder, x: in_batch(error(autoencoder, x) / light(x).clamp(min=1e-6)),
    ],
    "A black image divides by 0":
        lambda autoencoder, x: error(autoencoder, x) / light(x).sqrt(),
    "infinite or not a number":
        lambda autoencoder, x: ((autoencoder(x) - x).square() / x).flatten(1).sum(1),
    "does not tell them apart": [
        lambda autoencoder, x: light(x),
        lambda autoencoder, x: -light(x),
        lambda autoencoder, x: torch.ones(len(x)),
        lambda autoencoder, x: (autoencoder(x) - autoencoder(x)).flatten(1).sum(1),
    ],
    "a tensor of shape (b,)": [
        lambda autoencoder, x: error(autoencoder, x).mean() / light(x).mean(),
        lambda autoencoder, x: (error(autoencoder, x) / light(x).sqrt())[:, None],
        lambda autoencoder, x: (error(autoencoder, x) / light(x).sqrt()).numpy(),
        lambda autoencoder, x: (autoencoder(x) - x).square() / light(x).sqrt()[:, None, None, None],
    ],
    "returns nothing": forgets_to_return,
    "stopped with AttributeError": lambda autoencoder, x: autoencoder.score(x),
})  # fmt: skip


# --- E7.


def roots(covariances):
    """Symmetric ones: V diag(sqrt(l)) V^T."""
    values, vectors = torch.linalg.eigh(covariances)
    return vectors @ values.sqrt().diag_embed() @ vectors.mT


def sampler(factor=torch.linalg.cholesky, noise=torch.randn, component=None, centre=None):
    """The solution with one of its parts replaced."""

    def answer(n, weights, means, covariances):
        k = component(weights, n) if component else torch.multinomial(weights, n, replacement=True)
        spread = (factor(covariances)[k] @ noise(n, means.shape[1], 1)).squeeze(2)
        return (means[k] if centre is None else centre(means, weights)) + spread

    return answer


def by_choice(n, weights, means, covariances):
    p = weights.double().numpy()
    k = np.random.choice(len(weights), size=n, p=p / p.sum())
    noise = torch.randn(n, means.shape[1])
    return means[k] + torch.einsum("nij,nj->ni", torch.linalg.cholesky(covariances)[k], noise)


def by_distribution(n, weights, means, covariances):
    normal = torch.distributions.MultivariateNormal(means, covariances)
    mixture = torch.distributions.Categorical(weights)
    return torch.distributions.MixtureSameFamily(mixture, normal).sample((n,))


def in_blocks(shuffled):
    def answer(n, weights, means, covariances):
        counts = torch.distributions.Multinomial(n, weights).sample().long()
        parts = [
            torch.distributions.MultivariateNormal(m, s).sample((count,))
            for count, m, s in zip(counts, means, covariances, strict=True)
        ]
        z = torch.cat(parts)
        return z[torch.randperm(n)] if shuffled else z

    return answer


def one_after_another(n, weights, means, covariances):
    z = []
    for _ in range(n):
        k = random.choices(range(len(weights)), weights.tolist())[0]
        z.append(means[k] + torch.linalg.cholesky(covariances[k]) @ torch.randn(means.shape[1]))
    return torch.stack(z)


def average(n, weights, means, covariances):
    draws = torch.distributions.MultivariateNormal(means, covariances).sample((n,))
    return (weights[:, None] * draws).sum(dim=1)


def seeded(n, *mixture):
    torch.manual_seed(3)
    return sampler()(n, *mixture)


def diagonal_root(covariances):
    return covariances.diagonal(dim1=1, dim2=2).sqrt().diag_embed()


def same_noise(n, z, one):
    return torch.randn(1, z, one).expand(n, z, one)


SAMPLE_MIXTURE = right("E7", [
    sampler(), sampler(factor=roots), by_choice, by_distribution, in_blocks(True),
    one_after_another,
    lambda n, w, m, s: sampler()(n, w, m, s).double(),
    sampler(component=lambda w, n: torch.bucketize(torch.rand(n), w.cumsum(0)[:-1])),
])  # fmt: skip
NOT_SAMPLE_MIXTURE = wrong("E7", {
    "take the 1 away with `.squeeze(-1)`": lambda n, weights, means, covariances: means[
        torch.multinomial(weights, n, replacement=True)] + torch.randn(n, 2, 1),
    "come equally often": sampler(component=lambda w, n: torch.randint(len(w), (n,))),
    "lie around one centre": [
        sampler(component=lambda w, n: torch.multinomial(w, 1).expand(n)),
        sampler(component=lambda w, n: w.argmax().expand(n)),
        sampler(centre=lambda means, weights: weights @ means),
        average,
    ],
    "The component of weight 0.125 gives 2": sampler(
        component=lambda w, n: torch.distributions.Categorical(logits=w).sample((n,))),
    "The component of weight 0.5 gives 6": sampler(
        component=lambda w, n: torch.multinomial(w**2, n, replacement=True)),
    "add the means of their components": sampler(centre=lambda means, weights: 0),
    "do not lie around its mean": sampler(noise=lambda *shape: torch.randn(*shape) + 1),
    "The noise is N(0, I)":
        sampler(factor=lambda s: torch.eye(2).expand_as(s)),
    "multiplied the noise by the covariance": sampler(factor=lambda s: s),
    "The Cholesky factor is transposed": sampler(factor=lambda s: torch.linalg.cholesky(s).mT),
    "lost the correlations: take the Cholesky factor, not": sampler(factor=diagonal_root),
    "used the variances as standard deviations": sampler(factor=lambda s: diagonal_root(s) ** 2),
    "A root of every entry": sampler(factor=lambda s: s.sqrt().nan_to_num()),
    "share one noise": sampler(noise=lambda n, z, one: torch.randn(n, 1, one).expand(n, z, one)),
    "is its mean: add noise": sampler(noise=torch.zeros),
    "are the same: draw noise for each row": sampler(noise=same_noise),
    "`torch.rand` is uniform": sampler(noise=torch.rand),
    "comes out with": sampler(factor=lambda s: 2 * torch.linalg.cholesky(s)),
    "sorted by component": [in_blocks(False), lambda *given: in_blocks(False)(*given).flip(0)],
    "do not seed": seeded,
    "not finite": sampler(noise=lambda *shape: torch.randn(*shape) / 0),
    "a tensor of shape (20000, 2) is needed": [
        lambda *given: sampler()(*given)[:, :, None], lambda *given: sampler()(*given).T,
        lambda *given: sampler()(*given).numpy(),
        lambda n, *mixture: sampler()(1, *mixture).squeeze(0),
    ],
    "returns nothing": forgets_to_return,
    "must match the size of tensor b (20000) at non-singleton dimension 0":
        sampler(centre=lambda means, weights: means),
    "stopped with RuntimeError": sampler(component=lambda w, n: torch.multinomial(w, n)),
})  # fmt: skip


# --- All of them.


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *SQUARED_ERROR,
        *AUTOENCODER,
        *EXPECTED_ERROR,
        *BEST_ANSWER,
        *PRINCIPAL_ANGLE,
        *ANOMALY_SCORE,
        *SAMPLE_MIXTURE,
    ],
)
def test_a_right_answer_is_accepted_and_used(exercise, answer, capsys):
    kept = CHECKS[exercise][0](answer)
    assert kept is answer
    printed = capsys.readouterr().out
    assert printed.startswith(f"{exercise}. Right. ") and printed.count("\n") == 1


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        *NOT_SQUARED_ERROR, *NOT_AUTOENCODER, *NOT_EXPECTED_ERROR, *NOT_BEST_ANSWER,
        *NOT_PRINCIPAL_ANGLE,
        *NOT_ANOMALY_SCORE, *NOT_SAMPLE_MIXTURE,
    ],
)  # fmt: skip
def test_a_wrong_answer_gets_its_own_hint_and_the_course_goes_on(exercise, answer, hint, capsys):
    run, own = CHECKS[exercise]
    kept = run(answer)
    printed = capsys.readouterr().out.removeprefix("made\n")
    assert printed.startswith(f"{exercise}. Not yet. ") and hint in printed
    assert printed.endswith(" The notebook goes on with the course's version.\n")
    assert kept == own and kept is not answer


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_blank_is_not_a_mistake(exercise, capsys):
    run, own = CHECKS[exercise]
    blanks = {"E3": [Blank]}.get(exercise, [lambda *given: ...])
    for blank in (*blanks, None, ...):
        assert run(blank) == own
        assert capsys.readouterr().out == (
            f"{exercise}. Not attempted yet. The notebook goes on with the course's version.\n"
        )


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_check_leaves_the_random_state_and_the_gradients_as_they_were(exercise):
    """Also where the answer seeds, draws and turns gradients off."""
    right_one = {
        "E2": evaluation.squared_error, "E3": LayerByLayer, "E4": by_tosses, "E4, best": by_descent,
        "E5": by_svd, "E6": by_angle, "E7": by_choice,
    }[exercise]  # fmt: skip

    def meddles(*given, **named):
        torch.manual_seed(5)
        np.random.seed(5)
        random.random()
        torch.set_grad_enabled(False)
        raise KeyError("end")

    def numbers():
        return torch.rand(1).item(), np.random.rand(), random.random()

    for answer in (right_one, meddles, None):
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        expected = numbers()
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        CHECKS[exercise][0](answer)
        assert numbers() == expected
        assert torch.is_grad_enabled()


def test_the_verdict_does_not_depend_on_the_random_state(capsys):
    for seed in range(3):
        torch.manual_seed(seed)
        check.sample_mixture(sampler())
        check.autoencoder(deep(nn.Tanh))
    assert len(set(capsys.readouterr().out.splitlines())) == 2


def test_the_arguments_of_an_answer_that_is_checked_stay_as_they_are():
    answers = dict.fromkeys(check.TASKS)
    check.tasks(answers)
    assert answers == dict.fromkeys(check.TASKS)


@pytest.mark.parametrize("exercise", ["E2", "E3", "E4", "E4, best", "E5", "E6"])
def test_an_answer_is_tried_on_the_device_that_the_notebook_uses(exercise, monkeypatch):
    """On this stand-in for a GPU tensors have a place and no values."""
    devices = []
    monkeypatch.setattr(check, "default_device", lambda: torch.device("meta"))

    def notes(*given, latent_dim=1):
        devices.extend(g.device.type for g in given if isinstance(g, torch.Tensor))

    network = dense(encode=lambda self, x: notes(x, *self.parameters()))
    CHECKS[exercise][0](network if exercise == "E3" else notes)
    assert devices and set(devices) == {"meta"}


# --- What is shown.


def examine(answer):
    if answer == "raise":
        raise ValueError("two lines.\nof <b>text</b>")
    if answer == "silent":
        raise AssertionError
    if answer == "mistake":
        raise checks.Mistake("It is 1 < 2.")
    return "Good."


def test_an_error_in_an_answer_is_reported_in_one_line(capsys):
    assert judge_answer("E0", "raise", "own", examine) == "own"
    assert judge_answer("E0", "silent", "own", examine, otherwise="") == "own"
    assert capsys.readouterr().out.splitlines() == [
        "E0. Not yet. Your code stopped with ValueError: two lines. "
        "The notebook goes on with the course's version.",
        "E0. Not yet. Your code stopped with AssertionError.",
    ]


def test_stopping_the_cell_stops_it():
    def stop(answer):
        raise KeyboardInterrupt

    state = torch.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        judge_answer("E0", "x", "own", lambda answer: stop(torch.rand(1)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("answer", "word", "color"),
    [("x", "Right.", "#009E73"), ("mistake", "Not yet.", "#D55E00"),
     (None, "Not attempted yet.", "#6B6B6B")],
)  # fmt: skip
def test_in_a_notebook_the_verdict_is_a_bordered_line_of_safe_html(
    answer, word, color, monkeypatch, capsys
):
    shown = []
    monkeypatch.setattr(checks, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    judge_answer("E0", answer, "own", examine)
    (data,) = shown
    assert f"<b>E0. {word}</b>" in data["text/html"] and color in data["text/html"]
    assert data["text/plain"].startswith(f"E0. {word}")
    assert "1 < 2" not in data["text/html"] and capsys.readouterr().out == ""
    if answer == "mistake":
        assert "1 &lt; 2" in data["text/html"] and "1 < 2" in data["text/plain"]


@pytest.mark.parametrize(
    ("result", "is_close"),
    [
        (torch.tensor([1.0, 1000.0]), True),
        (torch.tensor([1.9, 1000.0]), True),  # within a thousandth of the largest
        (torch.tensor([2.1, 1000.0]), False),
        (torch.tensor([[1.0, 1000.0]]), False),
        (torch.tensor([math.nan, 1000.0]), False),
        (torch.tensor([1, 1000]), True),
        (np.array([1.0, 1000.0]), True),
        ([1.0, 1000.0], True),
        ("1000", False),
        (None, False),
    ],
)
def test_close_is_relative_to_the_size(result, is_close):
    assert checks.close(result, torch.tensor([1.0, 1000.0])) is is_close


# --- Letters.


def printed_by(function, answers, capsys):
    assert function(answers) is None
    return capsys.readouterr().out.strip()


LETTERS = [("E1", check.tasks, check.TASKS, "dg"), ("Exit quiz", check.quiz, check.QUIZ, "abcd")]


@pytest.mark.parametrize(("exercise", "function", "key", "letters"), LETTERS)
def test_letters_are_compared_one_by_one(exercise, function, key, letters, capsys):
    hints = set()
    assert printed_by(function, key, capsys) == f"{exercise}. Right. All {len(key)}."
    spaced = {question: f" {letter.upper()} " for question, letter in key.items()}
    assert printed_by(function, spaced, capsys) == f"{exercise}. Right. All {len(key)}."
    for question in key:
        for letter in set(letters) - {key[question]}:
            said = printed_by(function, key | {question: letter}, capsys)
            start = f"{exercise}. Not yet. {len(key) - 1} of {len(key)} right. {question}: "
            assert said.startswith(start) and said.endswith(".")
            hints.add(said)
    assert len(hints) == len(key) * (len(letters) - 1)


@pytest.mark.parametrize(("exercise", "function", "key", "letters"), LETTERS)
def test_letters_left_open_or_out_of_range_are_named(exercise, function, key, letters, capsys):
    first, second, *_ = key
    for blank in (dict.fromkeys(key), dict.fromkeys(key, ""), dict.fromkeys(key, ...), {}):
        assert printed_by(function, blank, capsys) == f"{exercise}. Not attempted yet."
    count = f"{exercise}. Not yet. {len(key) - 1} of {len(key)} right."
    said = printed_by(function, key | {first: None}, capsys)
    assert said == f"{count} Still open: {first}."
    said = printed_by(function, key | {first: "z"}, capsys)
    assert said == f"{count} {first}: choose one of {', '.join(letters)}."
    said = printed_by(function, key | {"another": "a"}, capsys)
    assert "There is no question 'another'" in said
    assert printed_by(function, [], capsys).startswith(f"{exercise}. Not yet. Your code stopped")
    two_wrong = key | {first: "z", second: "z"}
    assert f"{len(key) - 2} of" in printed_by(function, two_wrong, capsys)


@pytest.mark.parametrize(
    ("letter", "said"),
    [
        ("b", "Right."), (" B", "Right."), (None, "Not attempted yet."), ("", "Not attempted yet."),
        ("a", "Not yet. It does come back badly"), ("c", "Not yet. The code has room"),
        ("d", "Not yet. The score uses no labels"), ("e", "Not yet. Choose one of a, b, c, d."),
    ],
)  # fmt: skip
def test_a_single_letter_needs_no_count(letter, said, capsys):
    printed = printed_by(check.why_thin, letter, capsys)
    assert printed.startswith(f"E6, why. {said}") and "1" not in printed


def test_hints_may_be_one_for_all_wrong_letters(capsys):
    choices("E0", {"q": "b", "r": "a"}, {"q": "a", "r": "a"}, {"q": "no.", "r": {"b": "not b."}})
    assert capsys.readouterr().out == "E0. Not yet. 1 of 2 right. q: choose one of a.\n"


# --- The course's own versions, each against a second way to get the same.


@pytest.mark.parametrize(("d", "k"), [(3, 1), (20, 3), (784, 16)])
@pytest.mark.parametrize("distance", [1e-3, 0.3, 3.0])
def test_the_largest_angle_is_that_of_scipy(d, k, distance):
    torch.manual_seed(0)
    a, c = torch.randn(2, d, k, dtype=torch.float64)
    b = a @ torch.randn(k, k).double() + distance * c
    expected = np.degrees(scipy.linalg.subspace_angles(a.numpy(), b.numpy()).max())
    assert check.largest_angle(a, b).item() == pytest.approx(expected, rel=1e-4)


def test_the_largest_angle_of_known_spaces():
    axes = torch.eye(4)
    assert check.largest_angle(axes[:, :2], axes[:, 1:3]).item() == pytest.approx(90)
    assert check.largest_angle(axes[:, :2], 5 * axes[:, [1, 0]]).item() == pytest.approx(0)
    half = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]).T
    assert check.largest_angle(axes[:, [0, 2]], half).item() == pytest.approx(45, abs=1e-4)


def test_the_course_draws_from_the_mixture_that_it_was_given():
    """Three Gaussians in 2 numbers, told apart by their distance: shares, means, covariances."""
    torch.manual_seed(0)
    n = 40_000
    weights = torch.tensor([0.2, 0.5, 0.3])
    means = torch.tensor([[0.0, 90.0], [80.0, 0.0], [-80.0, 5.0]])
    root = torch.randn(3, 2, 2) + torch.eye(2)
    covariances = root @ root.mT
    z = check.mixture_samples(n, weights, means, covariances)
    k = torch.cdist(z, means).argmin(dim=1)
    for i in range(3):
        part = z[k == i]
        share, spread = weights[i].item(), covariances[i].diagonal().sqrt()
        # five standard errors each
        assert abs(len(part) / n - share) < 5 * (share * (1 - share) / n) ** 0.5
        assert ((part.mean(dim=0) - means[i]).abs() < 5 * spread / len(part) ** 0.5).all()
        scale = torch.outer(spread, spread)
        assert ((part.T.cov() - covariances[i]).abs() < 5 * scale * (2 / len(part)) ** 0.5).all()
    assert abs((k[1:] == k[:-1]).float().mean() - weights.square().sum()) < 0.02, "not in order"


def test_the_course_draws_with_the_entropy_of_torch_distributions():
    torch.manual_seed(0)
    weights, means = torch.tensor([0.3, 0.7]).double(), torch.randn(2, 3).double()
    root = torch.randn(2, 3, 3).double()
    covariances = root @ root.mT + 0.1 * torch.eye(3)
    law = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(weights),
        torch.distributions.MultivariateNormal(means, covariances),
    )
    z = check.mixture_samples(20_000, weights, means, covariances)
    assert z.dtype == torch.float64
    ours, theirs = law.log_prob(z), law.log_prob(law.sample((20_000,)))
    error_of_difference = (2 / 20_000) ** 0.5 * theirs.std().item()
    assert abs(ours.mean() - theirs.mean()) < 5 * error_of_difference


def test_the_course_scores_the_error_relative_to_the_light():
    x, x_hat = torch.rand(2, 4, 1, 28, 28)
    scores = check.relative_error(lambda given: x_hat, x).numpy()
    a, b = x.numpy(), x_hat.numpy()
    expected = [((p - q) ** 2).sum() / math.sqrt((p**2).sum()) for p, q in zip(a, b, strict=True)]
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert check.relative_error(lambda given: given, torch.zeros(2, 1, 28, 28)).tolist() == [0, 0]


def test_the_course_answers_a_coin_toss_with_the_least_expected_error():
    generator = torch.Generator().manual_seed(1)
    left, right = torch.rand(2, 4, 1, 6, 6, generator=generator, dtype=torch.float64)
    best = check.mean_image(left, right, 0.3)
    least = check.expected_squared_error(best, left, right, 0.3)
    by_scipy = scipy.optimize.minimize(
        lambda x: check.expected_squared_error(
            torch.as_tensor(x).view_as(left), left, right, 0.3).sum().item(),
        np.zeros(left.numel()), tol=1e-10,
    )  # fmt: skip
    np.testing.assert_allclose(best.flatten(), by_scipy.x, atol=1e-4)
    assert least.sum().item() == pytest.approx(by_scipy.fun, abs=1e-6)
    # committing to the likelier image costs 1 / (1 - p) times as much, here 1 / 0.7
    commit = check.expected_squared_error(left, left, right, 0.3)
    torch.testing.assert_close(commit, least / 0.7)
    coin = torch.rand(100_000, generator=generator) < 0.3
    errors = torch.where(
        coin, (best[0] - right[0]).square().sum(), (best[0] - left[0]).square().sum()
    )
    assert errors.mean().item() == pytest.approx(least[0].item(), rel=0.01)


@pytest.mark.parametrize("latent_dim", [1, 2, 32])
def test_the_course_has_a_fully_connected_autoencoder(latent_dim):
    model, x = check.FullyConnectedAutoencoder(latent_dim), torch.rand(3, 1, 28, 28)
    assert model.encode(x).shape == (3, latent_dim)
    torch.testing.assert_close(model(x), model.decode(model.encode(x)))
    assert model(x).shape == x.shape and model(x).min() >= 0 and model(x).max() <= 1
    model(x).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


# --- The notebooks: their blanks are blanks, and their folded solutions are right.

SOLUTION = re.compile(r"<summary>(?:Solution|Answers)</summary>\s*```python\n(.*?)```", re.S)


def cells_of(path):
    cells = nbformat.read(path, as_version=4).cells
    return [c for c in cells if "setup" not in c.metadata.get("tags", [])]


def is_check(statement):
    return any(isinstance(n, ast.Name) and n.id == "check" for n in ast.walk(statement))


def run(statements, names):
    exec(compile(ast.Module(list(statements), []), "notebook", "exec"), names)


def defines(statement):
    """Whether it only makes a name: an import, a function, a class or a plain value."""
    if isinstance(statement, ast.Assign):
        try:
            ast.literal_eval(statement.value)
        except ValueError:
            return False
        return True
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.name)
def test_the_folded_solutions_are_right_and_the_blanks_are_blank(path, capsys):
    cells = cells_of(path)
    if not any("import" in c.source and "genmnist.checks" in c.source for c in cells):
        pytest.skip("no exercise is checked in this notebook")
    x = ones()
    names = {"sample": x, "fade": evaluation.squared_error(x / 2, x).mean().item()}
    checking, solved, open_ones = [], [], []
    for cell in cells:
        if cell.cell_type == "markdown":
            for solution in SOLUTION.findall(cell.source):
                assert checking, "a solution follows its exercise"
                run(ast.parse(solution).body, names)
                run(checking, names)
                said = capsys.readouterr().out.splitlines()
                assert said and all(". Right." in line for line in said), (solution, said)
                solved += said
            continue
        statements = [s for s in ast.parse(cell.source).body if defines(s) or is_check(s)]
        for statement in (s for s in statements if not is_check(s)):
            with contextlib.suppress(NameError):  # a default value that only a full run has
                run([statement], names)
        if found := [s for s in statements if is_check(s) and not defines(s)]:
            checking = found
            blank_names = dict(names)
            run(checking, blank_names)
            said = capsys.readouterr().out.splitlines()
            assert said and all(". Not attempted yet." in line for line in said), said
            open_ones += said
        else:
            assert "exercise" not in cell.metadata.get("tags", []), "an exercise without a check"
    exercises = [line.split(". ")[0] for line in open_ones]
    assert [line.split(". ")[0] for line in solved] == exercises, "each has a solution"
    assert len(set(exercises)) == len(exercises) >= SOLUTIONS.get(path.name, 1)
