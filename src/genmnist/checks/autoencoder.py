"""The checks of notebook 1: each knows the wrong answers that people give."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from genmnist import evaluation
from genmnist.checks import (
    Mistake,
    NotAttempted,
    as_numbers,
    called,
    called_on_copies,
    choices,
    close,
    described,
    judge_answer,
    raise_if_known,
)
from genmnist.training import default_device

# -- E1 ------------------------------------------------------------------------------------------

TASKS = {
    "read the digit on a cheque": "d",
    "draw a new dress": "g",
    "remove the noise from a scan": "g",
    "say how likely an image is": "g",
    "tell a shirt from a coat": "d",
    "fill in a missing corner": "g",
}
_PIXELS_WANTED = "what is asked for is pixels, so p(y | x) of a label y cannot give it."
_TASK_HINTS = {
    "read the digit on a cheque": "the answer is one of ten labels for a given image: p(y | x).",
    "draw a new dress": "no image is given, a new one is wanted: a draw from p(x).",
    "remove the noise from a scan": _PIXELS_WANTED,
    "say how likely an image is": "that is the value of p(x) itself.",
    "tell a shirt from a coat": "a boundary between two labels is enough: p(y | x).",
    "fill in a missing corner": _PIXELS_WANTED,
}


def tasks(answers: Mapping[str, str | None]) -> None:
    """E1.  answers: task -> "d" for discriminative, p(y | x), or "g" for generative, p(x)."""
    choices("E1", answers, TASKS, _TASK_HINTS)


# -- E2 ------------------------------------------------------------------------------------------

SquaredError = Callable[[Tensor, Tensor], Tensor]


def squared_error(answer: SquaredError) -> SquaredError:
    """E2.  (x_hat, x), both (b, 1, 28, 28), to the squared error of each image, (b,)."""
    return judge_answer("E2", answer, evaluation.squared_error, _examine_squared_error)


def _examine_squared_error(answer: SquaredError) -> str:
    generator = torch.Generator().manual_seed(0)
    x_hat, x = torch.rand(2, 5, 1, 28, 28, generator=generator).to(default_device())
    result = called_on_copies(answer, x_hat, x, what="images")
    difference = (x_hat - x).flatten(1)
    square = difference.square()
    raise_if_known(
        result,
        {
            "That is the mean over pixels: sum them. The mean is 784 times smaller, and its size "
            "no longer says how wrong an image is.": square.mean(dim=1),
            "That is one number for the whole batch: keep one value per image, and leave the mean "
            "over images to the training step.": square.sum(dim=1).mean(),
            "That sums over the images as well: keep one value per image.": square.sum(),
            "That averages over pixels and images: keep one value per image, the sum over its "
            "pixels.": square.mean(),
            "That sums over the images and leaves the pixels: flatten from dimension 1 on and sum "
            "over dimension 1.": (square.sum(dim=0), square.view_as(x).sum(dim=0)),
            "That sums the differences and squares the sum, so that errors of both signs cancel: "
            "square first.": difference.sum(dim=1).square(),
            "That is the absolute error: square the differences.": difference.abs().sum(dim=1),
            "That is the root of the squared error: leave the root out.": square.sum(dim=1).sqrt(),
            "The differences are summed without a square, so errors of both signs cancel.":
                (difference.sum(dim=1), -difference.sum(dim=1)),
            "That is the difference of the squares: subtract first, then square.":
                ((x_hat**2 - x**2).flatten(1).sum(dim=1), (x**2 - x_hat**2).flatten(1).sum(dim=1)),
            "The sign is turned round: an error is never below 0.": -square.sum(dim=1),
            "That is half of the squared error: leave the factor out.": square.sum(dim=1) / 2,
        },
    )  # fmt: skip
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}. Stay with tensor operations, without NumPy "
                      "and `.item()`: gradients have to get through.")  # fmt: skip
    if result.dim() > 1 and result.numel() == 5:
        raise Mistake(f"For 5 images the shape is {tuple(result.shape)}: make it (5,), by "
                      "`.flatten(1)` and a sum without `keepdim`.")  # fmt: skip
    if result.dim() > 1:
        raise Mistake(
            f"For 5 images the shape is {tuple(result.shape)}: sum over every dimension but the "
            "first. `.flatten(1)` makes one of the other three."
        )
    if not close(result, square.sum(dim=1)):
        raise Mistake(
            f"For 5 images it gives {described(result)} and not, for each image, the sum over its "
            "pixels of (x_hat - x) squared."
        )
    if not answer(x_hat.requires_grad_(), x).requires_grad:
        raise Mistake("No gradient gets through: leave out `no_grad`, `.detach()`, `.data` and "
                      "`.item()`.")  # fmt: skip
    colour = torch.rand(2, 4, 3, 28, 28, generator=generator).to(default_device())
    if not close(answer(*colour), evaluation.squared_error(*colour)):
        raise Mistake("Right for grey images, but not for images in colour, (b, 3, 28, 28), which "
                      "come at the end: let `.flatten(1)` count the pixels.")  # fmt: skip
    return "One value per image, in squared grey values: the unit of every error in this notebook."


# -- E3 ------------------------------------------------------------------------------------------


class FullyConnectedAutoencoder(nn.Module):
    """x -> code z -> x_hat in [0, 1] through three hidden layers each way."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Flatten(),  # (b, 784)
            nn.Linear(784, 512),
            nn.SiLU(),
            nn.Linear(512, 256),
            nn.SiLU(),
            nn.Linear(256, 128),
            nn.SiLU(),
            nn.Linear(128, latent_dim),  # (b, z)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_dim, 128),
            nn.SiLU(),
            nn.Linear(128, 256),
            nn.SiLU(),
            nn.Linear(256, 512),
            nn.SiLU(),
            nn.Linear(512, 784),
            nn.Sigmoid(),
            nn.Unflatten(1, (1, 28, 28)),  # (b, 1, 28, 28)
        )

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def autoencoder(answer: type[nn.Module]) -> type[nn.Module]:
    """E3.  A class with encode, decode and forward, made by `answer(latent_dim)`."""
    return judge_answer("E3", answer, FullyConnectedAutoencoder, _examine_autoencoder)


CODE = 24  # a size that nobody writes down by accident


def _examine_autoencoder(answer: type[nn.Module]) -> str:
    torch.manual_seed(0)
    x = torch.rand(64, 1, 28, 28).lt(0.15).float().to(default_device())  # white dots on black
    model = answer(latent_dim=CODE)
    if not isinstance(model, nn.Module):
        raise Mistake("It is no network: it begins with `class FullyConnectedAutoencoder"
                      "(nn.Module):`.")  # fmt: skip
    _examine_layers(model)
    with _explained("(1792x28 and", "encode gets images, (b, 1, 28, 28), and its "
                    "linear layers want them flat: begin with `nn.Flatten()`."):  # fmt: skip
        z = called(model.to(x.device).encode, x, name="encode")
    wild = answer(latent_dim=CODE).to(x.device)  # may give any numbers, unless it is squashed
    with torch.no_grad():
        for p in wild.parameters():
            p.mul_(100)
    _examine_code(model, wild, x, z)
    try:
        x_hat = called(model.decode, model.encode(x), name="decode")
    except NotAttempted:
        raise Mistake("encode is there, decode is still the blank.") from None
    _examine_decoded(model, wild, x, z, x_hat)
    parts = {
        "encoder": _reached(model, model.encode(x)),
        "decoder": _reached(model, model.decode(z.detach())),
    }
    through = _reached(model, model(x))
    lost = [p for p in parts if not parts[p]] or [p for p in parts if not parts[p] & through]
    if lost:
        raise Mistake(
            f"No gradient reaches the {lost[0]}: leave out `detach`, `no_grad` and rounding."
        )
    _examine_bends(model, x, parts)
    if answer(5).to(x.device).encode(x).shape != (64, 5):
        raise Mistake("Its first argument has to be latent_dim: `FullyConnectedAutoencoder(5)` "
                      "must make codes of 5 numbers.")  # fmt: skip
    first, last = _train_a_little(model, x)
    if not last < 0.95 * first:
        raise Mistake(
            f"It hardly learns: 40 steps of Adam change the error from {first:.0f} to {last:.0f}. "
            "Look at the last layers of decode, and at the activations."
        )
    count = sum(p.numel() for p in model.parameters())
    return f"{count:,} weights, and 40 steps of Adam cut the error from {first:.0f} to {last:.0f}."


@contextlib.contextmanager
def _explained(words: str, sentence: str) -> Iterator[None]:
    """Turn an error of torch that holds these words into one that says what to do."""
    try:
        yield
    except RuntimeError as error:
        if words not in str(error):
            raise
        raise Mistake(sentence) from None


def _examine_layers(model: nn.Module) -> None:
    registered = {id(p) for p in model.parameters()}
    usual = vars(nn.Module()).keys()
    attributes = [pair for m in model.modules() for pair in vars(m).items() if pair[0] not in usual]
    for name, value in attributes:
        if isinstance(value, (list, tuple, dict)):
            layers = value.values() if isinstance(value, dict) else value
            layers = [layer for layer in layers if isinstance(layer, nn.Module)]
            if any(id(p) not in registered for layer in layers for p in layer.parameters()):
                raise Mistake(f"`self.{name}` is a plain {type(value).__name__}, so the optimizer "
                              "does not see its layers: use `nn.Sequential`.")  # fmt: skip
    if any(isinstance(m, nn.modules.conv._ConvNd) for m in model.modules()):
        raise Mistake("That is convolutional, and this one is to be fully connected: use "
                      "`nn.Flatten()` and `nn.Linear`.")  # fmt: skip


def _examine_code(model: nn.Module, wild: nn.Module, x: Tensor, z: object) -> None:
    if not isinstance(z, Tensor) or z.shape != (64, CODE):
        raise Mistake(
            f"With latent_dim = {CODE}, encode turns 64 images into {described(z)}; a tensor of "
            f"shape (64, {CODE}) is needed: one code of latent_dim numbers for each image."
        )
    if not [*model.parameters()]:
        raise Mistake("The network has no weights: make the layers in `__init__`, each as an "
                      "attribute, `self.… = …`.")  # fmt: skip
    _examine_steadiness(model.encode, x, "code")
    wild_z = wild.encode(x)
    if min(z.min(), wild_z.min()) >= 0:
        raise Mistake(
            "No number of the code is ever negative: the encoder ends in an activation. End it in "
            "a linear layer, so that a code may be anything."
        )
    if max(z.abs().max(), wild_z.abs().max()) <= 1:
        raise Mistake("The code is squashed into a fixed range: end the encoder in a linear layer.")


def _examine_decoded(
    model: nn.Module, wild: nn.Module, x: Tensor, z: Tensor, x_hat: object
) -> None:
    if not isinstance(x_hat, Tensor) or x_hat.shape != x.shape:
        raise Mistake(
            f"decode turns 64 codes into {described(x_hat)}; images of shape (64, 1, 28, 28) are "
            "needed: `nn.Unflatten(1, (1, 28, 28))` gives flat pixels their shape."
        )
    wild_x_hat = wild.decode(torch.randn_like(z))
    if min(x_hat.min(), wild_x_hat.min()) < 0 or max(x_hat.max(), wild_x_hat.max()) > 1:
        raise Mistake(
            "decode leaves [0, 1]: end it in `nn.Sigmoid()`. A pixel is between black, 0, and "
            "white, 1."
        )
    if wild_x_hat.min() > 0.2:
        raise Mistake("No pixel that decode makes is ever dark: end it in one sigmoid, and that "
                      "right after a linear layer.")  # fmt: skip
    if close(model.decode(z), x_hat):
        model.encode(1 - x)
        if not close(model.decode(z), x_hat):
            raise Mistake("decode uses more than the code: something that encode keeps of the "
                          "image.")  # fmt: skip
    _examine_steadiness(model.decode, z, "image")
    try:
        with _explained("shapes cannot be multiplied", "forward hands something to decode that is "
                        "no code: `self.decode(self.encode(x))`."):  # fmt: skip
            rebuilt = called(model, x, name="forward")
    except NotAttempted:
        raise Mistake("encode and decode are there, forward is still the blank.") from None
    if not isinstance(rebuilt, Tensor):
        raise Mistake(f"forward gives {described(rebuilt)}: return the image alone.")
    if not close(model(x), rebuilt):
        raise Mistake("Two calls of forward give different images: leave out what is random.")
    if not close(rebuilt, x_hat):
        raise Mistake("forward is not decode(encode(x)): something of the image gets past the "
                      "code.")  # fmt: skip


def _examine_steadiness(part: Callable[[Tensor], Tensor], given: Tensor, what: str) -> None:
    result = part(given)
    if not close(part(given), result):
        raise Mistake(f"The same input gets another {what} at the next call: leave out what is "
                      "random, such as `nn.Dropout`.")  # fmt: skip
    if not close(part(given[:2]), result[:2]):
        raise Mistake(f"One {what} depends on the others of its batch: leave out `nn.BatchNorm1d` "
                      "(`nn.LayerNorm` looks at one at a time).")  # fmt: skip


def _reached(model: nn.Module, output: Tensor) -> set[str]:
    """The names of the weights that a gradient of this output reaches."""
    if not output.requires_grad:
        return set()
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    loss = (output * torch.randn_like(output)).sum()
    gradients = torch.autograd.grad(loss, [*weights.values()], allow_unused=True)
    found = zip(weights, gradients, strict=True)
    return {name for name, gradient in found if gradient is not None and gradient.any()}


def _examine_bends(model: nn.Module, x: Tensor, parts: Mapping[str, set[str]]) -> None:
    straight = {
        "encoder": not _bends(model.encode, x, math.inf),
        # with the sigmoid at its end taken off, which works where it is not rounded to 0 or 1
        "decoder": not _bends(lambda z: model.decode(z).clamp(1e-4, 1 - 1e-4).logit(),
                              torch.randn(64, CODE).to(x.device), 5.0),
    }  # fmt: skip
    if all(straight.values()):
        raise Mistake(
            "There is no activation between the linear layers, so together they are one linear "
            "map: that is PCA at best. Put `nn.SiLU()` between them."
        )
    weights = dict(model.named_parameters())
    for part in (part for part in parts if straight[part]):
        if sum(weights[name].dim() == 2 for name in parts[part]) > 1:
            raise Mistake(f"The {part} has no activation between its linear layers, so together "
                          "they are a single one: put `nn.SiLU()` between them.")  # fmt: skip


@torch.no_grad()
def _bends(part: Callable[[Tensor], Tensor], points: Tensor, limit: float) -> bool:
    """Whether anywhere the image of a middle is not the middle of the images; |images| < limit."""
    for scale in (1.0, 10.0, 100.0, 1000.0):
        a, b = (scale * points).chunk(2)
        ends, middle = torch.stack([part(a), part(b)]), part((a + b) / 2)
        seen = (ends.abs().amax(dim=0) < limit) & (middle.abs() < limit)
        gap = (middle - ends.mean(dim=0))[seen].abs()
        if seen.any() and gap.max() > 0.01 * (ends[0] - ends[1])[seen].abs().max():
            return True
    return False


def _train_a_little(model: nn.Module, x: Tensor) -> tuple[float, float]:
    """Squared error per image on 64 images before and after 40 steps of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    errors = []
    for _ in range(41):
        loss = evaluation.squared_error(model(x), x).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        errors.append(loss.item())
    return errors[0], min(errors)


# -- E4 ------------------------------------------------------------------------------------------


# A coin decides the truth: `moved` with probability p, `stayed` with 1 - p.
ExpectedError = Callable[[Tensor, Tensor, Tensor, float], Tensor]
BestAnswer = Callable[[Tensor, Tensor, float], Tensor]
PROBABILITIES = (0.7, 0.2)  # each image is the likelier one once


def expected_squared_error(x_hat: Tensor, stayed: Tensor, moved: Tensor, p: float) -> Tensor:
    """(1 - p) |x_hat - stayed|^2 + p |x_hat - moved|^2 of each image.  (b, 1, h, w) -> (b,)"""
    error = evaluation.squared_error
    return (1 - p) * error(x_hat, stayed) + p * error(x_hat, moved)


def mean_image(stayed: Tensor, moved: Tensor, p: float) -> Tensor:
    """(1 - p) stayed + p moved: where the gradient of the expected squared error is 0."""
    return (1 - p) * stayed + p * moved


def expected_error(answer: ExpectedError) -> ExpectedError:
    """E4.  (x_hat, stayed, moved, p) to the expected squared error of each answer x_hat, (b,)."""
    return judge_answer("E4", answer, expected_squared_error, _examine_expected_error)


def _examine_expected_error(answer: ExpectedError) -> str:
    generator = torch.Generator().manual_seed(0)
    x_hat, stayed, moved = torch.rand(3, 5, 1, 28, 28, generator=generator).to(default_device())
    results = [
        called(answer, x_hat.clone(), stayed.clone(), moved.clone(), p) for p in PROBABILITIES
    ]
    shapes = {tuple(result.shape) if isinstance(result, Tensor) else () for result in results}
    if shapes == {()}:
        raise Mistake(f"It gives {described(results[0])}: give one value for each of the 5 images.")
    if shapes != {(5,)}:
        raise Mistake(f"For 5 images the shape is {tuple(results[0].shape)}, not (5,): "
                      "`squared_error` has summed over the pixels already.")  # fmt: skip
    a, b = evaluation.squared_error(x_hat, stayed), evaluation.squared_error(x_hat, moved)

    def both(one: Callable[[float], Tensor]) -> Tensor:
        return torch.cat([one(p) for p in PROBABILITIES])

    error = evaluation.squared_error
    raise_if_known(
        both(dict(zip(PROBABILITIES, results, strict=True)).get),
        {
            "The weights are swapped: p belongs to `moved`, 1 - p to `stayed`.":
                both(lambda p: p * a + (1 - p) * b),
            "That is the error against the mean of the two images. Neither of them is the truth: "
            "take the mean of the two errors.":
                (both(lambda p: error(x_hat, mean_image(stayed, moved, p))),
                 both(lambda p: error(x_hat, (stayed + moved) / 2))),
            "That weighs both with a half: the truth is `moved` with probability p.":
                both(lambda p: (a + b) / 2),
            "That adds both errors, but only one of the two images is the truth: weigh them with "
            "1 - p and p.": both(lambda p: a + b),
            "That is the error against the likelier image: the other one comes up, too.":
                both(lambda p: b if p > 0.5 else a),
            "That is the error against the nearer image: nobody tells you which one is the truth.":
                both(lambda p: torch.minimum(a, b)),
            "That leaves out the case that the truth is `stayed`.": (both(lambda p: p * b),
                                                                   both(lambda p: b)),
            "That leaves out the case that the truth is `moved`.": (both(lambda p: (1 - p) * a),
                                                                    both(lambda p: a)),
            "The weights are squared with the difference: weigh the squared errors.":
                both(lambda p: (1 - p) ** 2 * a + p**2 * b),
            "That is the mean over pixels: sum them, as `squared_error` does.":
                both(lambda p: ((1 - p) * a + p * b) / 784),
        },
    )  # fmt: skip
    if not close(both(dict(zip(PROBABILITIES, results, strict=True)).get),
                 both(lambda p: expected_squared_error(x_hat, stayed, moved, p))):  # fmt: skip
        raise Mistake("It is not the mean of the two squared errors, weighted with their "
                      "probabilities 1 - p and p.")  # fmt: skip
    return "A mean of the errors, weighted with how often each comes up."


def best_answer(answer: BestAnswer) -> BestAnswer:
    """E4, second half.  (stayed, moved, p) to the images with the least expected squared error."""
    return judge_answer("E4, best", answer, mean_image, _examine_best_answer)


def _examine_best_answer(answer: BestAnswer) -> str:
    generator = torch.Generator().manual_seed(0)
    stayed, moved = torch.rand(2, 5, 1, 28, 28, generator=generator).to(default_device())
    results = [called(answer, stayed.clone(), moved.clone(), p) for p in PROBABILITIES]
    for result in results:
        if not isinstance(result, Tensor) or result.shape != stayed.shape:
            raise Mistake(f"It gives {described(result)}: give images, as many and as large as "
                          "`stayed` and `moved`.")  # fmt: skip
    found = torch.stack(results).detach()

    def both(one: Callable[[float], Tensor]) -> Tensor:
        return torch.stack([one(p) for p in PROBABILITIES])

    def cost(images: Tensor) -> float:
        """Expected squared error, over that of the best answer, in the mean of both cases."""
        each = [expected_squared_error(x_hat, stayed, moved, p).mean().item()
                for p, x_hat in zip(PROBABILITIES, images, strict=True)]  # fmt: skip
        return sum(each)

    likelier = both(lambda p: moved if p > 0.5 else stayed)
    best = both(lambda p: mean_image(stayed, moved, p))
    raise_if_known(
        found,
        {
            "You commit to the likelier image. When the other one comes up, you pay in full: try "
            f"an image in between. Yours costs {cost(likelier) / cost(best):.2f} times the least.":
                likelier,
            "That is the mean of the two, and the best for p = 1/2. Here one is likelier than the "
            "other.": both(lambda p: (stayed + moved) / 2),
            "The weights are swapped: p belongs to `moved`.":
                both(lambda p: mean_image(moved, stayed, p)),
            "That adds the two images, and where they overlap it is twice as bright: the weights "
            "of a mean sum to 1.": (both(lambda p: stayed + moved),
                                    both(lambda p: (stayed + moved).clamp(0, 1))),
            "You always commit to `moved`.": both(lambda p: moved),
            "You always commit to `stayed`.": both(lambda p: stayed),
            "That takes the brighter pixel: where the two differ, the best value lies between "
            "them.": both(lambda p: torch.maximum(stayed, moved)),
            "That takes the darker pixel: where the two differ, the best value lies between them.":
                both(lambda p: torch.minimum(stayed, moved)),
        },
        tolerance=2e-3,
    )  # fmt: skip
    if _is_mix(found, stayed, moved):
        raise Mistake("Each of your pixels comes from one of the two images. When the other one "
                      "comes up, you pay in full: try values in between.")  # fmt: skip
    if not close(found, best, tolerance=5e-3):
        raise Mistake(
            f"The expected error of yours is {cost(found) / cost(best):.2f} times the least one: "
            "where is the derivative of (1 - p) (x_hat - stayed)² + p (x_hat - moved)² zero?"
        )
    return "The mean, pixel by pixel: no other image has a smaller expected squared error."


def _is_mix(found: Tensor, stayed: Tensor, moved: Tensor) -> bool:
    """Whether every value is that of one of the two images."""
    return bool(((found == stayed) | (found == moved)).all())


# -- E5 ------------------------------------------------------------------------------------------

Angle = Callable[[Tensor, Tensor], Tensor]


def largest_angle(a: Tensor, b: Tensor) -> Tensor:
    """The largest principal angle between the column spaces of a and b, (d, k) each, in degrees.

    With orthonormal bases Q_a and Q_b of the two, arccos of the smallest singular value of
    Q_a^T Q_b.  Björck and Golub (1973), theorem 1.
    """
    q_a, q_b = (torch.linalg.qr(m.cpu().double()).Q for m in (a, b))
    smallest = torch.linalg.svdvals(q_a.T @ q_b).min().clamp(max=1)
    return torch.rad2deg(smallest.arccos())


def principal_angle(answer: Angle) -> Angle:
    """E5.  (a, b), both (d, k), to the largest angle between their column spaces, in degrees."""
    return judge_answer("E5", answer, largest_angle, _examine_principal_angle)


def _examine_principal_angle(answer: Angle) -> str:
    generator = torch.Generator().manual_seed(0)
    a, c = torch.randn(2, 50, 3, generator=generator)
    b = a + 0.3 * c
    mixed = a @ torch.randn(3, 3, generator=generator)  # another basis of the space of a
    device = default_device()
    value = _one_angle(called(answer, a.to(device), b.to(device)))
    q_a, q_b = (torch.linalg.qr(m).Q for m in (a, b))
    cosines = torch.linalg.svdvals(q_a.T @ q_b).clamp(max=1)
    raw = torch.linalg.svdvals(a.T @ b)
    unit = torch.linalg.svdvals(nn.functional.normalize(a, dim=0).T
                                @ nn.functional.normalize(b, dim=0))  # fmt: skip
    by_column = torch.rad2deg(nn.functional.cosine_similarity(a, b, dim=0).arccos())
    right = largest_angle(a, b)
    known = {
        "That is in radians: `torch.rad2deg` turns it into degrees.": cosines.min().arccos(),
        "That is the smallest angle: the largest one belongs to the smallest singular value.":
            (torch.rad2deg(cosines.max().arccos()), cosines.max().arccos()),
        "That is the cosine: the angle is its `arccos`.": cosines.min(),
        "Take orthonormal bases first, `torch.linalg.qr(a).Q`: the columns of a and b have other "
        "lengths and are not at right angles.": torch.rad2deg(raw.min().clamp(max=1).arccos()),
        "The columns have length 1 now, but are not at right angles: take orthonormal bases, "
        "`torch.linalg.qr(a).Q`.": torch.rad2deg(unit.min().arccos()),
        "q_a @ q_b.T has d rows, and any two spaces seem at right angles: take q_a.T @ q_b, which "
        "has k.": torch.tensor(90.0),
        "That is the mean of the angles: the largest is wanted, it says whether any direction "
        "differs.": torch.rad2deg(cosines.arccos()).mean(),
        "That compares column by column. Two bases of one space may differ in every column: "
        "compare the spaces, through `svdvals(q_a.T @ q_b)`.":
            (by_column.max(), by_column.min(), by_column.mean()),
        "That is arcsin: the angle is `arccos` of the singular value.":
            torch.rad2deg(cosines.min().arcsin()),
    }  # fmt: skip
    raise_if_known(value, known, tolerance=2e-3)
    if value.isnan():
        raise Mistake("It is not a number: the argument of arccos went beyond 1. Take "
                      "orthonormal bases, and `clamp(max=1)`.")  # fmt: skip
    if not close(value, right, tolerance=2e-3):
        raise Mistake(
            f"For a test pair it gives {value:.2f}; the largest principal angle is "
            f"{right:.2f} degrees."
        )
    same = _one_angle(answer(a.to(device), mixed.to(device)))
    if not same < 1:  # true of NaN as well
        raise Mistake(
            f"Two bases of one space have angle 0; yours says {same.item():.1f}: take orthonormal "
            "bases of both, and `clamp(max=1)` before arccos."
        )
    return "It is 0 for two bases of one space, and 90 degrees when a direction is missing."


def _one_angle(result: object) -> Tensor:
    value = as_numbers(result)
    if value is None or value.numel() != 1:
        raise Mistake(f"It gives {described(result)}: one number is wanted, the largest angle.")
    return value.reshape(())


# -- E6 ------------------------------------------------------------------------------------------

Score = Callable[[nn.Module, Tensor], Tensor]


def relative_error(autoencoder: nn.Module, x: Tensor) -> Tensor:
    """Squared error over the root of the image's own light.  (b, 1, 28, 28) -> (b,)

    sum (x_hat - x)^2 / sqrt(sum x^2): a thin stroke has little light, so a bad copy of it costs
    little; the root corrects for that.
    """
    light = x.square().flatten(1).sum(dim=1)
    return evaluation.squared_error(autoencoder(x), x) / light.sqrt().clamp(min=1e-6)


def anomaly_score(answer: Score) -> Score:
    """E6.  (autoencoder, x) to a score of each image, higher for stranger ones, (b,)."""
    return judge_answer("E6", answer, relative_error, _examine_anomaly_score)


class _KnowsUpperHalf(nn.Module):
    """Rebuilds the upper half of an image and nothing else."""

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, z: Tensor) -> Tensor:
        return torch.cat([z[..., :14, :], torch.zeros_like(z[..., 14:, :])], dim=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def _examine_anomaly_score(answer: Score) -> str:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(3, 1, 28, 28, generator=generator)
    x = x * (torch.rand(x.shape, generator=generator) < 0.5)
    x[:, :, 14:] *= 0.1  # the model rebuilds these three nearly whole
    x = torch.cat([x, x.flip(2)]).to(default_device())  # and these, upside down, hardly
    model = _KnowsUpperHalf().to(x.device)
    result = called(answer, model, x.clone())
    if not isinstance(result, Tensor) or result.shape != (6,):
        raise Mistake(
            f"For 6 images it gives {described(result)}: one score per image is needed, a tensor "
            "of shape (b,)."
        )
    if not result.isfinite().all():
        raise Mistake("A score is infinite or not a number: is there a division by 0?")
    if result[:3].min() > result[3:].max():
        raise Mistake("The sign is turned round: strange images have to score higher.")
    if not result[3:].min() > result[:3].max():
        raise Mistake(
            "Three of the test images are rebuilt well and three badly, and your score does not "
            "tell them apart: compare autoencoder(x) with x."
        )
    if not close(torch.cat([answer(model, part) for part in x.split(2)]), result):
        raise Mistake(
            "An image's score changes with the other images of its batch: normalise by numbers "
            "of the image itself, or of the training images."
        )
    thick, alike, thin = torch.zeros(3, 1, 28, 28).to(x.device)
    thick[:, :14, 4:24] = alike[:, :14, 4:24] = thin[:, :, 14] = 1
    thick[:, 14, 4:24] = 1  # 20 pixels are lost, of 300
    alike[:, 14, 4:18] = 1  # 14 pixels are lost, of 294; of the thin stroke 14 as well, of 28
    thick, alike, thin = answer(model, torch.stack([thick, alike, thin]))
    if close(alike, thin):
        raise Mistake(
            "That goes by the squared error alone: a score, but the one that fails on thin "
            "strokes, as you saw. Divide it by something that grows with the light of the image, "
            "such as the root of the sum of its squares."
        )
    if not thin > thick:
        raise Mistake(
            "A thick stroke copied well still scores higher than a thin one copied badly: divide "
            "the squared error by something that grows with the light."
        )
    dark = answer(model, torch.zeros(2, 1, 28, 28).to(x.device))
    if not dark.isfinite().all():
        raise Mistake("A black image divides by 0: `clamp(min=1e-6)` what you divide by.")
    powers = torch.tensor([0.2, 1.0, 3.0, 0.5, 2.0, 4.0], device=x.device)
    varied = x ** powers.view(-1, 1, 1, 1)  # light and brightness no longer go together
    _examine_proportion(answer(model, varied), model(varied), varied)
    return "One score per image, high for what was rebuilt badly, fair to thin strokes."


def _examine_proportion(scores: Tensor, x_hat: Tensor, x: Tensor) -> None:
    """Whether the scores are the wanted ones, up to a factor that is the same for all images."""
    error = evaluation.squared_error(x_hat, x)
    light, copied_light = (i.square().flatten(1).sum(dim=1) for i in (x, x_hat))
    brightness = x.flatten(1).sum(dim=1)
    scale = scores.mean()
    known = {
        "You divided by the light itself, which corrects too much: divide by its root.":
            error / light,
        "You took the root of the whole quotient, which orders images as dividing by the light "
        "does: take the root of the light only.": (error / light).sqrt(),
        "Square the pixels before you sum them: the light is the sum of x squared.":
            error / brightness,
        "Square the pixels before you sum them, and take the root after that.":
            error / brightness.sqrt(),
        "You divided by the light of the copy: take the image's own.":
            error / copied_light.sqrt(),
    }  # fmt: skip
    raise_if_known(scores / scale, {k: v / v.mean() for k, v in known.items()}, tolerance=0.01)
    wanted = error / light.sqrt()
    if not close(scores / scale, wanted / wanted.mean(), tolerance=0.01):
        raise Mistake(
            "It tells strange images from normal ones, but it is another score than the one asked "
            "for: the squared error over the root of the sum of x squared."
        )


WHY_THIN = {"why": "b"}
_WHY_HINTS = {
    "why": {
        "a": "it does come back badly, you saw the pictures; ask how large an error can get.",
        "c": "the code has room for it: the network simply never had to learn it.",
        "d": "the score uses no labels, only the image and its copy.",
    }
}


def why_thin(answer: str | None) -> None:
    """E6, second half.  Why the squared error takes a strange 1 for normal: "a" to "d"."""
    choices("E6, why", {"why": answer}, WHY_THIN, _WHY_HINTS)


# -- E7 ------------------------------------------------------------------------------------------

Sampler = Callable[[int, Tensor, Tensor, Tensor], Tensor]


def mixture_samples(n: int, weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """n draws from sum_k w_k N(mu_k, S_k).  weights (k,), means (k, z), covariances (k, z, z)."""
    component = torch.multinomial(weights, n, replacement=True)  # (n,)
    factor = torch.linalg.cholesky(covariances)  # (k, z, z), S = L L^T
    noise = torch.randn(n, means.shape[1], 1, device=means.device, dtype=means.dtype)
    return means[component] + (factor[component] @ noise).squeeze(2)


def sample_mixture(answer: Sampler) -> Sampler:
    """E7.  (n, weights, means, covariances) to draws from a Gaussian mixture, (n, z)."""
    return judge_answer("E7", answer, mixture_samples, _examine_sample_mixture)


def _examine_sample_mixture(answer: Sampler) -> str:
    torch.manual_seed(0)
    n = 20_000
    weights = torch.tensor([0.5, 0.375, 0.125])
    means = torch.tensor([[50.0, -30.0], [-200.0, 100.0], [200.0, 200.0]])
    covariances = torch.tensor(
        [[[4.0, 3.0], [3.0, 9.0]], [[0.25, 0.0], [0.0, 16.0]], [[9.0, -4.0], [-4.0, 4.0]]]
    )
    mixture = weights, means, covariances
    with _explained("non-singleton dimension 1", "The noise has shape (n, z, 1) after the product, "
                    "and the means have (n, z): take the 1 away with `.squeeze(-1)`."):  # fmt: skip
        z = called(answer, n, *(part.clone() for part in mixture))
    if not isinstance(z, Tensor) or z.shape != (n, 2):
        raise Mistake(f"For n = {n:,} and codes of 2 numbers it gives {described(z)}; a tensor of "
                      f"shape ({n}, 2) is needed.")  # fmt: skip
    if not z.isfinite().all():
        raise Mistake("Some draws are not finite numbers.")
    z = z.detach().double()
    means, covariances = means.double(), covariances.double()
    if z.abs().max() < 50:  # around 0, where no component is
        raise Mistake("The draws lie around 0: add the means of their components, "
                      "`means[component]`.")  # fmt: skip
    nearest = torch.cdist(z, means).argmin(dim=1)  # (n,)
    shares = torch.bincount(nearest, minlength=3) / n
    if shares.max() == 1:
        raise Mistake("All draws lie around one centre: draw a component for each row by the "
                      "weights.")  # fmt: skip
    if (shares - 1 / 3).abs().max() < 0.02:
        raise Mistake("The components come equally often: draw them by their weights.")
    off = (shares - weights).abs()
    if off.max() > 0.02:
        k = off.argmax()
        raise Mistake(f"The component of weight {weights[k]:g} gives {shares[k]:.1%} of the draws.")
    for k in range(3):
        _examine_component(z[nearest == k], means[k], covariances[k])
    if abs((nearest[:1000] == 0).double().mean() - 0.5) > 0.1:
        raise Mistake("The draws come sorted by component: draw a component for each row.")
    torch.manual_seed(1)
    if torch.equal(answer(9, *mixture), answer(9, *mixture)):
        raise Mistake("Two calls give the same draws: do not seed inside the function.")
    return "Weights, means and covariances of the draws are those of the mixture."


def _examine_component(part: Tensor, mean: Tensor, covariance: Tensor) -> None:
    factor = torch.linalg.cholesky(covariance)
    offset = part.mean(dim=0) - mean
    if part.var(dim=0).max() < 1e-6:
        if offset.abs().max() < 1e-3:
            raise Mistake("Every draw of a component is its mean: add noise.")
        raise Mistake("All draws of a component are the same: draw noise for each row, n × z "
                      "numbers.")  # fmt: skip
    if (offset - factor.sum(dim=1) / 2).abs().max() < 0.3:
        raise Mistake("`torch.rand` is uniform between 0 and 1: the noise is `torch.randn`.")
    if offset.abs().max() > 0.3:
        raise Mistake("The draws of a component do not lie around its mean: add `means[component]` "
                      "and nothing else that is not 0 in the mean.")  # fmt: skip
    spreads = {
        "The noise is N(0, I): multiply it by the Cholesky factor of the covariance.":
            torch.eye(2, dtype=torch.float64),
        "You multiplied the noise by the covariance. That squares it: multiply by a root of it, "
        "`torch.linalg.cholesky(covariances)`.": covariance @ covariance.T,
        "The Cholesky factor is transposed: S = L Lᵀ, so a draw is the mean plus L times noise.":
            factor.T @ factor,
        "You kept the variances and lost the correlations: take the Cholesky factor, not the root "
        "of the diagonal.": covariance.diagonal().diag(),
        "You used the variances as standard deviations, and lost the correlations: take the "
        "Cholesky factor.": covariance.diagonal().square().diag(),
        "A root of every entry is not a root of the matrix: take the Cholesky factor.":
            covariance.clamp(min=0).sqrt() @ covariance.clamp(min=0).sqrt().T,
        "All numbers of a draw share one noise: draw n × z numbers of it.":
            torch.outer(factor.sum(dim=1), factor.sum(dim=1)),
    }  # fmt: skip
    seen = part.T.cov()
    if close(seen, covariance, tolerance=0.1):
        return
    raise_if_known(seen, spreads, tolerance=0.1)
    raise Mistake(
        f"A component with covariance {covariance.tolist()} comes out with "
        f"{[[round(v, 1) for v in row] for row in seen.tolist()]}."
    )


# -- the exit quiz -------------------------------------------------------------------------------

QUIZ = {"1": "c", "2": "a", "3": "d", "4": "b"}
_QUIZ_HINTS: dict[str, Mapping[str, str]] = {
    "1": {
        "a": "both keep 16 numbers per image.",
        "b": "PCA is the best linear map there is, exactly.",
        "d": "both were fitted to the same images.",
    },
    "2": {
        "b": "the same decoder drew the mixture's samples.",
        "c": "the encoder takes no part in sampling.",
        "d": "it is the same network with the same loss for all three samplers.",
    },
    "3": {
        "a": "a low error on normal images says nothing about strange ones.",
        "b": "a class that it never saw was rebuilt cheaply: think of the thin strokes.",
        "c": "brightness is one way to be strange, and it can point the wrong way.",
    },
    "4": {
        "a": "look at the row of four kinds of damage in section 3 again.",
        "c": "it is the same measure for both, in the same unit.",
        "d": "PSNR is a logarithm of it, in decibels.",
    },
}


def quiz(answers: Mapping[str, str | None]) -> None:
    """The exit quiz of notebook 1: question -> letter."""
    choices("Exit quiz", answers, QUIZ, _QUIZ_HINTS)
