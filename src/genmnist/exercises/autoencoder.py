"""Notebook 1: our solutions, and the wrong answers that people give, each with its sentence."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from genmnist.autoencoder import Autoencoder
from genmnist.autoencoder import squared_error as error
from genmnist.exercises import Exercise, mark, on_copies, plain, probes, returned

# fmt: off


def _off(y: Tensor, x: Tensor) -> Tensor:
    return (y - x).flatten(1)


# -- 1. The squared error of each image, (x_hat, x) -> (b,) ----------------------------------------

ERRORS = {  # wrong in every exercise that needs a squared error
    "That is one number for the whole batch: keep one for each image.": F.mse_loss,
    "That is the mean over pixels: take their sum.": lambda y, x: _off(y, x).square().mean(1),
    "Sum over every dimension but the first, as with `.flatten(1)`.":
        lambda y, x: (y - x).square(),
    "The square is missing: errors of both signs cancel.": lambda y, x: _off(y, x).sum(1),
    "That is the absolute error: square the differences.": lambda y, x: _off(y, x).abs().sum(1),
    "That is the root of the squared error: leave the root out.":
        lambda y, x: error(y, x).sqrt(),
}
squared_error = Exercise(
    "Exercise 1", error, observe=probes.errors, right="One number for each image.",
    cases=lambda: [tuple(probes.images(2, b, c, 28, 28)) for b, c in [(5, 1), (1, 1), (2, 3)]],
    wrong=ERRORS | {
        "That is the difference of the squares: subtract first, then square.":
            lambda y, x: _off(y**2, x**2).sum(1),
        "Right for grey images, not for (b, 3, 28, 28): let `.flatten(1)` count the pixels.":
            lambda y, x: (y - x).view(-1, 784).square().sum(1),
        "Right for several images, not for a single one: leave out `.squeeze()`.":
            lambda y, x: error(y, x).squeeze(),
    })

# -- 2. An autoencoder, FullyConnected(latent_dim) -------------------------------------------------


class _FullyConnected(Autoencoder):
    """x -> code z -> x_hat in [0, 1].  x, x_hat: (b, 1, 28, 28), z: (b, latent_dim)"""

    def __init__(self, latent_dim: int) -> None:
        nn.Module.__init__(self)
        self.encoder = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 512), nn.SiLU(),
            nn.Linear(512, 256), nn.SiLU(),
            nn.Linear(256, latent_dim))
        self.decoder = nn.Sequential(  # decode takes the sigmoid
            nn.Linear(latent_dim, 256), nn.SiLU(),
            nn.Linear(256, 512), nn.SiLU(),
            nn.Linear(512, 784), nn.Unflatten(1, (1, 28, 28)))


_FullyConnected.__name__ = "FullyConnected"  # in summaries


def _with(**methods: Callable) -> type:
    return type("FullyConnected", (_FullyConnected,), methods)


FullyConnected = Exercise(
    "Exercise 2", _FullyConnected, observe=probes.network, seconds=30,
    right="Every weight can learn, and everything goes through the code.",
    cases=lambda: [(probes.images(64, 1, 28, 28),)],
    wrong={
        "`super().__init__()` is missing, the first line of `__init__`.":
            _with(__init__=lambda self, z: setattr(self, "encoder", nn.Linear(784, z))),
        "encode gets images, and its linear layers want (b, 784): begin with `nn.Flatten()`.":
            _with(encode=lambda self, x: self.encoder[1:](x)),
        "Some of its layers are unknown to the network: make each in `__init__`, as an attribute "
        "or in `nn.Sequential`, not in a plain list.":
            _with(encode=lambda self, x: nn.Linear(784, self.decoder[0].in_features)(x.flatten(1))),
        "The same input gives something else the next time: leave out noise, and what looks at the "
        "rest of the batch.": _with(encode=lambda self, x: self.encoder(F.dropout(x))),
        "A code may be any number: end the encoder in a linear layer, with no activation after it.":
            _with(encode=lambda self, x: self.encoder(x).relu()),
        "The pixels must fill [0, 1] and stay in it: end decode in one linear layer, then one "
        "sigmoid.": _with(decode=lambda self, z: self.decoder(z)),
        "forward has to be `self.decode(self.encode(x))`, and decode may use nothing but z.":
            _with(forward=lambda self, x: (self.decode(self.encode(x)) + x) / 2),
        "The gradient of the error does not reach every weight: leave out `detach`, `no_grad`, "
        "rounding, and layers that nothing uses.":
            _with(encode=lambda self, x: self.encoder(x).detach()),
        "There is no activation between the layers: this can only find PCA.":
            _with(encode=lambda self, x: self.encoder[1::2](x.flatten(1)),
                  decode=lambda self, z: self.decoder[5](self.decoder[:5:2](z)).sigmoid()),
    })

# -- 3. A training step, (autoencoder, optimizer, seen, x) -> loss ---------------------------------


def _step(autoencoder: nn.Module, optimizer: Optimizer, seen: Tensor, x: Tensor, *,
          loss: Callable = lambda net, s, x: error(net(s), x).mean(),
          order: str = "zero backward step") -> Tensor:
    value = loss(autoencoder, seen, x)
    do = {"zero": optimizer.zero_grad, "backward": value.backward, "step": optimizer.step,
          "own": torch.optim.SGD(autoencoder.parameters(), lr=0.01).step}
    for word in order.split():
        do[word]()
    return value


step = Exercise(
    "Exercise 3", _step, observe=probes.steps, right="Right for batches of every size.",
    cases=lambda: [tuple(image for b in (5, 1, 150) for image in probes.images(2, b, 1, 28, 28))],
    wrong={
        probes.MOVED: partial(_step, order="zero backward own"),
        probes.ONCE: partial(_step, order="zero backward"),
        probes.MISSING: partial(_step, order="zero step backward"),
        probes.ZERO: partial(_step, order="backward zero step"),
        "The gradients of all batches add up: `optimizer.zero_grad()` is missing.":
            partial(_step, order="backward step"),
        "No gradient reaches the weights: leave out `no_grad`, `detach`, `.item()`.":
            torch.no_grad()(_step),
        "The autoencoder sees `seen`, and x has to come out.": (
            partial(_step, loss=lambda net, s, x: error(net(s), s).mean()),
            partial(_step, loss=lambda net, s, x: error(net(x), x).mean()),
            partial(_step, loss=lambda net, s, x: error(net(x), s).mean())),
        "Sum over pixels, mean over images: `squared_error(…).mean()`.": (
            partial(_step, loss=lambda net, s, x: F.mse_loss(net(s), x)),
            partial(_step, loss=lambda net, s, x: error(net(s), x).sum())),
        "`backward()` wants one number: take the mean over the images.":
            partial(_step, loss=lambda net, s, x: error(net(s), x)),
        "Return the loss as a tensor, without `.item()`.": lambda *given: _step(*given).item(),
        "That is the loss after the update: return the one that you differentiated.":
            lambda net, o, s, x: (_step(net, o, s, x), error(net(s), x).mean())[1],
    })

# -- 4. The expected error, (x_hat, stayed, moved, p) -> (b,), and the images that make it smallest

P = [(5, 0.7), (1, 0.2), (3, 0.6), (2, 0.1), (1, 0.8), (2, 0.4)]  # images, probability of `moved`


def _expected(x_hat: Tensor, stayed: Tensor, moved: Tensor, p: float, error=error) -> Tensor:
    return (1 - p) * error(x_hat, stayed) + p * error(x_hat, moved)


def _mean(stayed: Tensor, moved: Tensor, p: float) -> Tensor:
    return (1 - p) * stayed + p * moved


expected_error = Exercise(
    "Exercise 4", _expected, observe=probes.errors,
    right="Each error, weighed by how often its image comes up.",
    cases=lambda: [(*probes.images(3, b, 1, 28, 28), p) for b, p in P],
    wrong={
        "The weights are swapped: p belongs to `moved`.": lambda y, s, m, p: _expected(y, m, s, p),
        "That is the error against the mean image: take the mean of the two errors.":
            lambda y, s, m, p: error(y, _mean(s, m, p)),
        "That weighs both with a half: `moved` has probability p.":
            lambda y, s, m, p: _expected(y, s, m, 0.5),
        "That adds both errors, but only one image comes up: weigh them with 1 - p and p.":
            lambda y, s, m, p: error(y, s) + error(y, m),
        "That is the error against the likelier image: the other one comes up, too.":
            lambda y, s, m, p: error(y, m if p > 0.5 else s),
        "One of the two errors is left out.": lambda y, s, m, p: p * error(y, m),
        **{sentence: partial(_expected, error=wrong) for sentence, wrong in ERRORS.items()},
    })
best_answer = Exercise(
    "Exercise 4, best answer", _mean, observe=returned(),
    cases=lambda: [(*probes.images(2, b, 1, 28, 28), p) for b, p in P],
    right="The mean, pixel by pixel: no image has a smaller expected squared error.",
    wrong={
        "That is the likelier image: you pay in full when the other one comes up.":
            lambda s, m, p: m if p > 0.5 else s,
        "That is halfway, the best for p = 1/2 only.": lambda s, m, p: (s + m) / 2,
        "The weights are swapped: p belongs to `moved`.": lambda s, m, p: _mean(m, s, p),
        "The weights of a mean sum to 1.": lambda s, m, p: s + m,
        "You always choose the same of the two.": lambda s, m, p: m,
        "That draws one of the two: you pay in full when the other one comes up.":
            lambda s, m, p: torch.where(torch.rand_like(s) < p, m, s),
    })

# -- 5. Draws from a mixture of Gaussians, (n, weights, means, covariances) -> (n, z) --------------


def _sample(n: int, weights: Tensor, means: Tensor, covariances: Tensor, *,
            components: Callable = lambda w, n: torch.multinomial(w, n, replacement=True),
            factor: Callable = torch.linalg.cholesky, noise: Callable = torch.randn) -> Tensor:
    k = components(weights, n)  # (n,)
    spread = factor(covariances)[k] @ noise(n, means.shape[1], 1).to(means)  # S = L L^T
    return means[k] + spread.squeeze(2)


def _mixtures() -> list[tuple[int, Tensor, Tensor, Tensor]]:
    """On the CPU, where the notebook fits them."""
    means = torch.tensor([[50.0, -30.0], [-200.0, 100.0], [200.0, 200.0]])
    covariances = torch.tensor([[[1, 3.8], [3.8, 16]], [[4, 0], [0, 0.25]], [[9, 4], [4, 4]]])
    plane = torch.tensor([0.5, 0.3, 0.2]), means, covariances
    return [(4000, *plane), (7, torch.ones(1), torch.randn(1, 3), torch.eye(3)[None]), (1, *plane)]


def _draws(answer: Callable, n: int, *mixture: Tensor) -> dict[str, object]:
    """Form and moments of the draws; u is the noise behind them, u = L^-1 (z - mean)."""
    z = plain(on_copies(answer, n, *mixture))
    if n < 1000 or not isinstance(z, Tensor) or z.shape != (n, 2):
        return {"result": 0 * z if isinstance(z, Tensor) else z}
    again, once_more = (plain(answer(9, *mixture)) for _ in range(2))
    double, weights, means, covariances = (part.cpu().double() for part in (z, *mixture))
    k = torch.cdist(double, means).argmin(1)
    u = torch.linalg.cholesky(covariances)[k].inverse() @ (double - means[k])[:, :, None]
    groups = [u[k == i, :, 0] - u[k == i, :, 0].mean(0) for i in range(3)]
    echoes = [1 + (u * u.roll(lag, 0)).mean() for lag in (1, n // 2)]
    repeats = (k[1:] == k[:-1]).double().mean() / weights.square().sum()
    tails = (u.abs() > 2).double().mean() / 0.0455
    return {
        "result": 0 * z,
        "number of components": float(len(k.unique())),
        "number of equal calls": float(torch.equal(again, once_more)),
        "share of the components over their weights": k.bincount(minlength=3) / n / weights,
        "covariance of L⁻¹ (z - mean)": [g.T @ g / len(g) for g in groups],
        "ratio (repeated components, repeated noise, mean, noise beyond 2) to what is right":
            [repeats, *echoes, *(1 + u.mean(0)).flatten(), tails],
    }


sample_mixture = Exercise(
    "Exercise 5", _sample, _mixtures, _draws, tolerance=0.35,  # over five standard errors
    right="Weights, means and covariances are those of the mixture.",
    wrong={
        "The draws are sorted by component: draw a component for each.":
            partial(_sample, components=lambda w, n: torch.multinomial(w, n, True).sort()[0]),
        "All draws lie around one point: draw n components, and add to each `means[component]`.":
            partial(_sample, components=lambda w, n: torch.multinomial(w, 1).expand(n)),
        "The components come equally often: draw them by their weights.":
            partial(_sample, components=lambda w, n: torch.randint(len(w), (n,))),
        "A component may come more than once: `torch.multinomial(…, replacement=True)`.":
            partial(_sample, components=torch.multinomial),
        "The noise is missing, or the same for all: it needs n × z numbers.":
            partial(_sample, noise=torch.zeros),
        "The noise is uniform, `torch.rand`: take `torch.randn`.":
            partial(_sample, noise=torch.rand),
        "Multiply by the Cholesky factor of the covariance, not by the covariance.":
            partial(_sample, factor=lambda s: s),
        "The root of every entry is no root of the matrix: take the Cholesky factor.":
            partial(_sample, factor=torch.sqrt),
        "The Cholesky factor L is transposed: a draw is mean + L @ noise.":
            partial(_sample, factor=lambda s: torch.linalg.cholesky(s).mT),
        "The correlations are lost: multiply by the Cholesky factor of the covariance.":
            partial(_sample, factor=lambda s: (s * torch.eye(s.shape[1])).sqrt()),
        "Two calls give the same draws: set no seed inside.":
            lambda *given: (torch.manual_seed(3), _sample(*given))[1],
        "Right for many draws, not for n = 1: `.squeeze(-1)` instead of `.squeeze()`.":
            lambda *given: _sample(*given).squeeze(),
    })

QUIZ = {  # question -> the right letter, and why each of the others is wrong
    "1": ("b", dict.fromkeys("ac", "a label is enough as an answer.")),
    "2": ("c", {
        "a": "a sigmoid can give black and white pixels side by side.",
        "b": "more training makes the mean more exact, not sharp (exercise 4)."}),
    "3": ("a", {
        "b": "the mixture of 50 draws with the same 16 numbers.",
        "c": "the same decoder draws well from the mixture's codes."}),
    "4": ("b", {
        "a": "its code was the widest of all.",
        "c": "the loss is the squared error, as before."}),
}
quiz = partial(mark, QUIZ)
