"""The checks of notebook 2: each knows the wrong answers that people give."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmnist import vae
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
from genmnist.data import binarize
from genmnist.training import default_device

MuLogvar = Callable[[Tensor, Tensor], Tensor]


# -- E1 ------------------------------------------------------------------------------------------


def reparameterize(answer: MuLogvar) -> MuLogvar:
    """E1.  (mu, logvar), both (b, z), to one draw of each cloud, mu + sigma epsilon, (b, z)."""
    return judge_answer("E1", answer, vae.reparameterize, _examine_reparameterize)


def _examine_reparameterize(answer: MuLogvar) -> str:
    device = default_device()
    n = 20_000
    mu = torch.tensor([1.5, -2.0, 0.0], device=device).repeat(n, 1).requires_grad_()
    logvar = torch.tensor([-2.0, 0.0, 1.5], device=device).repeat(n, 1).requires_grad_()
    torch.manual_seed(0)
    z = called(answer, mu, logvar)
    if not isinstance(z, Tensor) or z.shape != mu.shape:
        raise Mistake(f"It gives {described(z)}: one draw for each of the codes is needed, a "
                      f"tensor of shape {tuple(mu.shape)}.")  # fmt: skip
    if not z.isfinite().all():
        raise Mistake("Some draws are not finite: is a logarithm or a root taken of logvar?")
    # device, double precision: everything below is arithmetic on the draws
    draws, center = z.detach().cpu().double(), mu[0].detach().cpu().double()
    spread = (0.5 * logvar[0]).exp().detach().cpu().double()
    noise = draws - center
    _examine_spread(noise, spread, draws, logvar[0].detach().cpu().double())
    torch.manual_seed(1)
    if torch.equal(answer(mu, logvar).detach().cpu().double(), draws):
        raise Mistake("Two calls give the same draws: do not seed inside the function.")
    by_mu = by_logvar = None
    if z.requires_grad:
        by_mu, by_logvar = torch.autograd.grad(z.sum(), (mu, logvar), allow_unused=True)
    lost = [  # torch.normal gives gradients, all of them 0
        name
        for name, grad in (("mu", by_mu), ("logvar", by_logvar))
        if grad is None or (grad == 0).all()
    ]
    if lost:
        to = "" if len(lost) == 2 else f" to {lost[0]}"
        raise Mistake(
            f"No gradient gets through{to}: `.sample()`, `torch.normal`, `.detach()`, `.item()` "
            "and `torch.no_grad()` cut it. Draw noise first, then scale and move it."
        )
    if not close(by_mu, torch.ones_like(mu)):
        raise Mistake("The gradient does not get through to mu unchanged: z is mu plus something "
                      "that does not depend on mu.")  # fmt: skip
    if not close(by_logvar, 0.5 * (z - mu), tolerance=1e-2):
        raise Mistake("The gradient by logvar is not right: compute sigma from all of logvar, "
                      "exp(logvar / 2).")  # fmt: skip
    return "Mean, spread and gradients of the draws are right."


def _examine_spread(noise: Tensor, spread: Tensor, draws: Tensor, logvar: Tensor) -> None:
    """Compare the moments of noise, (n, 3), with the standard deviations wanted, (3,)."""
    seen, offset = noise.std(dim=0), noise.mean(dim=0)
    if (seen < 1e-6).all():
        if (offset.abs() < 1e-4).all():
            raise Mistake("That is mu itself: add noise, scaled by sigma.")
        raise Mistake("All rows have the same noise: draw it for each, `torch.randn_like(mu)`.")
    if ((offset - spread / 2).abs() < 0.05 * spread).all():
        raise Mistake("`torch.rand` is uniform between 0 and 1: the noise is normal, `randn`.")
    if ((draws.mean(dim=0)).abs() < 0.05 * spread).all():
        raise Mistake("The draws lie around 0: add mu.")
    if (offset.abs() > 0.05 * seen.clamp(min=spread)).any():
        middle = draws.mean(dim=0)
        raise Mistake(
            f"The draws of a code with mean {middle[0] - offset[0]:.1f} lie around "
            f"{middle[0]:.2f}: the noise has mean 0."
        )
    raise_if_known(
        seen,
        {
            "You used sigma² as sigma: logvar is the logarithm of the variance, so sigma is "
            "exp(logvar / 2).": spread.square(),
            "You used logvar itself as sigma: it is the logarithm of the variance, so sigma is "
            "exp(logvar / 2).": logvar.abs(),
            "You divided by sigma: multiply the noise by it.": 1 / spread,
            "The noise is not scaled: multiply it by sigma, exp(logvar / 2).":
                torch.ones_like(spread),
            "That is the fourth root of the variance: sigma is exp(logvar / 2).": spread.sqrt(),
        },
        tolerance=0.05,
    )  # fmt: skip
    if not close(seen, spread, tolerance=0.05):
        raise Mistake(f"For logvar {logvar.tolist()} the draws have standard deviations "
                      f"{[round(s, 2) for s in seen.tolist()]}, and not "
                      f"{[round(s, 2) for s in spread.tolist()]}.")  # fmt: skip
    shared = (noise / spread).T.corrcoef() - torch.eye(3, dtype=torch.float64)
    if shared.abs().max() > 0.5:
        raise Mistake("All numbers of a code share one noise: draw one for each, "
                      "`torch.randn_like(mu)`.")  # fmt: skip
    if (noise[0] == noise[1]).all():
        raise Mistake("Several rows share their noise: draw it for each row.")
    outside = ((noise / spread).abs() > 2).double().mean().item()
    if not 0.035 < outside < 0.056:  # 4.6 % of a normal distribution
        raise Mistake(
            f"{outside:.1%} of the draws lie more than 2 sigma out, of normal ones 4.6 %: the "
            "noise is `torch.randn`."
        )


# -- E2 ------------------------------------------------------------------------------------------

BOUND = {"step 2": "c", "the gap": "b"}
_BOUND_HINTS: dict[str, Mapping[str, str]] = {
    "step 2": {
        "a": "the bound holds for any q, normal or not.",
        "b": "the integral is not dropped: it became an expectation.",
        "d": "for coins that is true, but the step does not use it: where x has a density, as in "
        "the toy, log p(x | z) may be positive.",
    },
    "the gap": {
        "a": "that is the second term of the bound, and the bound is not exact where it is 0.",
        "c": "look at `gap` in the cell above: the distribution whose mean it takes stands first.",
        "d": "look at the printed gaps: a poor q loses more than a good one.",
    },
}


def bound(answers: Mapping[str, str | None]) -> None:
    """E2.  Why the bound holds, and what it leaves out: step -> letter."""
    choices("E2", answers, BOUND, _BOUND_HINTS)


# -- E3 ------------------------------------------------------------------------------------------


def kl_to_standard_normal(answer: MuLogvar) -> MuLogvar:
    """E3.  (mu, logvar), both (b, z), to KL(N(mu, exp(logvar)) || N(0, I)) in nats, (b,)."""
    return judge_answer("E3", answer, vae.kl_to_standard_normal, _examine_kl)


def _examine_kl(answer: MuLogvar) -> str:
    generator = torch.Generator().manual_seed(0)
    mu, logvar = torch.randn(2, 6, 3, generator=generator).to(default_device())
    result = called(answer, mu.clone(), logvar.clone())
    each = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)  # (b, z)
    right = each.sum(dim=1)
    reverse = 0.5 * ((mu.square() + 1) * (-logvar).exp() - 1 + logvar).sum(dim=1)
    doubled = 0.5 * (mu.square() + (2 * logvar).exp() - 1 - 2 * logvar).sum(dim=1)
    known = {
        "The sign is turned round: a KL is never below 0.": -right,
        "The factor 1/2 is missing.": (2 * right, -2 * right),
        "That averages over the numbers of a code: sum over them.": each.mean(dim=1),
        "That is one number for the whole batch: keep one value per image.":
            (right.mean(), right.sum(), each.mean()),
        "That sums over the images and leaves the numbers of a code: sum over `dim=1`.":
            each.sum(dim=0),
        "Each number of a code has its value still: sum over `dim=1`.": each,
        "You took logvar for the logarithm of sigma. It is the logarithm of the variance, so "
        "exp(logvar) is sigma², and logvar needs no factor 2.":
            (doubled, 0.5 * (mu.square() + (2 * logvar).exp() - 1 - logvar).sum(dim=1)),
        "That has sigma where sigma² belongs: exp(logvar) without the 1/2.":
            0.5 * (mu.square() + (0.5 * logvar).exp() - 1 - logvar).sum(dim=1),
        "That has log sigma where log sigma² belongs: -logvar, without another 1/2.":
            0.5 * (mu.square() + logvar.exp() - 1 - 0.5 * logvar).sum(dim=1),
        "That is the KL the other way round, of N(0, I) to the cloud. Draws come from the cloud, "
        "so it stands first.": reverse,
        "mu has to be squared.": 0.5 * (mu + logvar.exp() - 1 - logvar).sum(dim=1),
        "mu² is missing: a cloud far from 0 has to pay.":
            0.5 * (logvar.exp() - 1 - logvar).sum(dim=1),
        "The 1 is missing: at mu = 0 and logvar = 0 the KL is 0.":
            0.5 * (mu.square() + logvar.exp() - logvar).sum(dim=1),
        "The term -logvar is missing: without it a cloud as narrow as a point pays nothing for "
        "that.": 0.5 * (mu.square() + logvar.exp() - 1).sum(dim=1),
        "The term exp(logvar) is missing: a wide cloud has to pay.":
            0.5 * (mu.square() - 1 - logvar).sum(dim=1),
        "The sign of logvar is turned round.":
            (0.5 * (mu.square() + logvar.exp() - 1 + logvar).sum(dim=1), reverse),
        "The sign of mu² is turned round.":
            0.5 * (logvar.exp() - 1 - logvar - mu.square()).sum(dim=1),
        "That is in bits: the natural logarithm gives nats.": right / math.log(2),
    }  # fmt: skip
    if not close(result, right):
        raise_if_known(result, known)
        _examine_logarithm(answer, result, mu, logvar.abs())
        if isinstance(result, Tensor) and result.shape == (6, 1):
            raise Mistake("The shape is (6, 1): make it (6,), by a sum without `keepdim`.")
        shaped = isinstance(result, Tensor) and result.shape == (6,)
        needed = f" It gives {described(result)}, and one value for each of the 6 images is needed."
        raise Mistake(
            "At some mu and logvar it is not the KL: with mu = logvar = 0 alone many wrong "
            f"formulas are right.{'' if shaped else needed}"
        )
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}. Stay with tensor operations: gradients have "
                      "to get through.")  # fmt: skip
    leaf = mu.clone().requires_grad_(), logvar.clone().requires_grad_()
    if not answer(*leaf).requires_grad:
        raise Mistake("No gradient gets through: stay with tensor operations, without `.item()`, "
                      "`.detach()` and `torch.no_grad()`.")  # fmt: skip
    return "Right at many mu and logvar, in nats, one value per image."


def _examine_logarithm(answer: MuLogvar, result: object, mu: Tensor, positive: Tensor) -> None:
    """Name what takes logvar for sigma or sigma², by the answer at a positive logvar, (b, z)."""
    found = as_numbers(result)
    nan = found is not None and bool(found.isnan().any())
    why = " Where it is negative, its logarithm is nan." if nan else ""
    variance = mu.square() + positive - 1 - positive.log()
    sigma = mu.square() + positive.square() - 1 - 2 * positive.log()
    mixed = mu.square() + positive.square() - 1 - positive
    raise_if_known(
        answer(mu.clone(), positive.clone()),
        {
            "You used logvar as sigma²: it is the logarithm of sigma², and sigma² is exp(logvar)."
            + why: tuple(half * variance.sum(dim=1) for half in (0.5, 1)),
            "You used logvar as sigma: it is the logarithm of sigma², and sigma² is exp(logvar)."
            + why: tuple(half * each.sum(dim=1) for half in (0.5, 1) for each in (sigma, mixed)),
        },
    )
    if nan:
        raise Mistake("It gives nan, the logarithm of a negative number: logvar may have any sign, "
                      "and is a logarithm already.")  # fmt: skip


# -- E4 ------------------------------------------------------------------------------------------

TrainStep = Callable[[nn.Module, torch.optim.Optimizer, Tensor], object]


def course_step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor) -> Tensor:
    """One update on -ELBO, on binary draws of the grey images x.  Returns the loss, in nats."""
    x = binarize(x)
    mu, logvar = model.encode(x)
    z = vae.reparameterize(mu, logvar)
    loss = (vae.bernoulli_nll(model.decode(z), x) + vae.kl_to_standard_normal(mu, logvar)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


STALE = 1e8  # a gradient that no batch has: what a forgotten zero_grad would add to


class Recorder(nn.Module):
    """A VAE of a few weights that notes what it is asked to encode and to decode.

    Its cloud is the same for every image and wide, so that a draw cannot be taken for the mean.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mu = nn.Parameter(torch.tensor([0.7, -0.4]))
        self.logvar = nn.Parameter(torch.tensor([1.2, 0.3]))
        self.weight = nn.Parameter(torch.tensor([0.3, -0.5]))
        self.encoded: list[Tensor] = []
        self.decoded: list[Tensor] = []

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.encoded.append(x.detach().clone())
        return self.mu.expand(len(x), 2), self.logvar.expand(len(x), 2)

    def decode(self, z: Tensor) -> Tensor:
        self.decoded.append(z.detach().clone())
        return (z @ self.weight).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mu, logvar = self.encode(x)
        return self.decode(vae.reparameterize(mu, logvar)), mu, logvar


class Notes(torch.optim.SGD):
    """An optimizer that notes the gradients it is given, and moves nothing."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model.parameters(), lr=0.0)
        self.calls: list[str] = []
        self.seen: list[Tensor] = []

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.calls.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: object = None) -> None:
        self.calls.append("step")
        self.seen.append(self.gradients())

    def gradients(self) -> Tensor:
        parameters = self.param_groups[0]["params"]
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        return torch.cat([g.flatten() for g in grads]).clone()


def train_step(answer: TrainStep) -> TrainStep:
    """E4.  (vae, optimizer, x) to one update on -ELBO; x are grey images (b, 1, 28, 28)."""
    return judge_answer("E4", answer, course_step, _examine_train_step)


def _examine_train_step(answer: TrainStep) -> str:
    generator = torch.Generator().manual_seed(4_321)  # a seed that no answer takes
    x = torch.rand(64, 1, 28, 28, generator=generator).to(default_device())
    model = Recorder().to(x.device)
    optimizer = Notes(model)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, STALE)
    torch.manual_seed(3)
    if _one_step(answer, model, optimizer, x) is ... or not (model.encoded or optimizer.calls):
        raise NotAttempted
    _examine_calls(model, optimizer)
    before = model.encoded[-1]
    torch.manual_seed(4)
    _one_step(answer, model, optimizer, x)  # again, after whatever the first call left behind
    given, z = model.encoded[-1], model.decoded[-1]
    if given.numel() != x.numel():
        raise Mistake(f"The encoder sees {described(given)}: give it the whole batch, of shape "
                      f"{tuple(x.shape)}.")  # fmt: skip
    given = given.view_as(x)
    _examine_coins(given, before, x)
    if z.shape == (64, 2) and close(z, model.mu.expand(64, 2)):
        raise Mistake("You decode mu: the bound needs a draw, z = reparameterize(mu, logvar).")
    if z.shape != (64, 2) or z.std(dim=0).min() < 0.1:
        raise Mistake("What you decode are not draws of the clouds, one for each image: "
                      "z = reparameterize(mu, logvar).")  # fmt: skip
    grad, left = optimizer.seen[-1], optimizer.gradients()
    if (grad == 0).all() or not ((left == 0).all() or torch.equal(left, grad)):
        raise Mistake("The step sees no gradient of this batch: `loss.backward()` before "
                      "`optimizer.step()`, with no `zero_grad` in between.")  # fmt: skip
    if grad.abs().max() > STALE / 2:
        raise Mistake("The gradients of the step before are still there: `optimizer.zero_grad()` "
                      "before `loss.backward()`.")  # fmt: skip
    _examine_gradient(grad, model, given, x, z)
    return "It sees binary images, draws, and makes one update on the mean of nll + kl."


def _one_step(answer: TrainStep, model: Recorder, optimizer: Notes, x: Tensor) -> object:
    try:
        return answer(model, optimizer, x.clone())
    except RuntimeError as error:
        if "scalar outputs" not in str(error):
            raise
        raise Mistake("Your loss is not one number, and `loss.backward()` needs one: take the mean "
                      "over images, `(nll + kl).mean()`.") from error  # fmt: skip


def _examine_coins(given: Tensor, before: Tensor, x: Tensor) -> None:
    """Whether given, what the encoder saw, is one toss of the coins x, and before another."""
    if not ((given == 0) | (given == 1)).all():
        raise Mistake("The encoder sees grey pixels: the likelihood is one of coin tosses, so "
                      "`x = binarize(x)` first.")  # fmt: skip
    anew = "each use must toss the coins anew, `x = binarize(x)`"
    if torch.where(given == 1, x, 1).min() >= torch.where(given == 0, x, 0).max():
        raise Mistake(f"You cut the grey values at a threshold: {anew}. A pixel of 0.3 is white in "
                      "30 % of the draws.")  # fmt: skip
    if torch.equal(given.flatten(), before.flatten()):
        raise Mistake(f"Two calls see the same tosses: {anew}, without a seed.")
    for grey in (0.3, 0.8):
        white = given[(x - grey).abs() < 0.05].float().mean().item()
        if abs(white - grey) > 0.05:
            raise Mistake(f"A pixel of {grey} is white in {100 * white:.0f} % of your draws, and "
                          f"not in {100 * grey:.0f} %: its grey value is the probability of white, "
                          "`x = binarize(x)`.")  # fmt: skip


def _examine_calls(model: Recorder, optimizer: Notes) -> None:
    if not model.encoded:
        raise Mistake("The encoder is never asked: start with mu, logvar = vae.encode(x).")
    if not model.decoded:
        raise Mistake("The decoder is never asked: it gives the logits of p(x | z).")
    if "step" not in optimizer.calls:
        raise Mistake("No weight moves: `optimizer.step()` after `loss.backward()`.")
    if optimizer.calls.count("step") > 1:
        raise Mistake("The optimizer makes several steps: one for each batch.")


def _examine_gradient(
    grad: Tensor, model: Recorder, binary: Tensor, grey: Tensor, z: Tensor
) -> None:
    """Compare with the gradients of known losses, at the same draw."""
    noise = (z - model.mu.detach()) * (-0.5 * model.logvar.detach()).exp()

    def gradient(
        target: Tensor = binary,
        *,
        nll: float = 1.0,
        kl: float = 1.0,
        sigmoid_first: bool = False,
        swapped: bool = False,
    ) -> Tensor:
        draw = model.mu + (0.5 * model.logvar).exp() * noise
        logits = (draw @ model.weight).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
        logits = logits.sigmoid() if sigmoid_first else logits
        pair = (target, logits) if swapped else (logits, target)
        each = F.binary_cross_entropy_with_logits(*pair, reduction="none")
        price = vae.kl_to_standard_normal(model.mu[None], model.logvar[None]).mean()
        loss = nll * each.flatten(1).sum(dim=1).mean() + kl * price
        parts = torch.autograd.grad(loss, tuple(model.parameters()), allow_unused=True)
        full = zip(parts, model.parameters(), strict=True)
        return torch.cat([(0 * p.detach() if g is None else g).flatten() for g, p in full])

    wanted = gradient()
    tolerance = 1e-3
    if close(grad, wanted, tolerance):
        return
    raise_if_known(
        grad,
        {
            "The kl is missing from the loss: without it this is an autoencoder with noise.":
                gradient(kl=0),
            "The kl is subtracted: the loss is -ELBO = nll + kl.": gradient(kl=-1),
            "The nll is missing from the loss.": gradient(nll=0),
            "Your loss is the ELBO, and the step goes down: minimise -ELBO = nll + kl.":
                (-wanted, gradient(nll=-1)),
            "The nll is averaged over pixels, and the kl summed over the numbers of a code: the kl "
            "weighs 784 times what it should. Sum over pixels.": gradient(nll=1 / 784),
            "Both terms are averaged, over pixels and over the numbers of a code: sum both, and "
            "average over images only.": gradient(nll=1 / 784, kl=1 / 2),
            "The kl is averaged over the numbers of a code: sum over them.": gradient(kl=1 / 2),
            "The loss is summed over the images: take the mean over images, `(nll + kl).mean()`.":
                gradient(nll=64, kl=64),
            "The nll is summed over the images and the kl averaged: take the mean over images of "
            "both, `(nll + kl).mean()`.": gradient(nll=64),
            "The kl is summed over the images and the nll averaged: take the mean over images of "
            "both, `(nll + kl).mean()`.": gradient(kl=64),
            "The arguments of `bernoulli_nll` are swapped: the logits come first, then x.":
                gradient(swapped=True),
            "The target is grey and the input binary: draw once, `x = binarize(x)`, and use it for "
            "both.": gradient(grey),
            "The decoder gives logits, and `bernoulli_nll` takes logits: no sigmoid in between.":
                gradient(sigmoid_first=True),
        },
        tolerance,
    )  # fmt: skip
    raise Mistake("The gradient is not that of the mean of nll + kl at the draw that you decoded. "
                  "Is the same binary x both input and target?")  # fmt: skip


# -- E5 ------------------------------------------------------------------------------------------


def implied_betas(pixels: int, latent_dim: int) -> dict[str, float]:
    """The weight of the KL, over that of the squared error or nll, which each reduction implies.

    With a sum over d pixels and a sum over k numbers of a code it is 1.  A mean divides by d or k:
    mean / sum is d, mean / mean is d / k, sum / mean is 1 / k.
    """
    return {
        "sum over pixels, sum over codes": 1.0,
        "mean over pixels, sum over codes": float(pixels),
        "mean over pixels, mean over codes": pixels / latent_dim,
        "sum over pixels, mean over codes": 1 / latent_dim,
    }


def implied_beta(
    answers: Mapping[str, float | None], *, pixels: int = 784, latent_dim: int = 2
) -> dict[str, float]:
    """E5.  Reduction -> the beta that it implies, at so many pixels and numbers of a code."""
    right = implied_betas(pixels, latent_dim)

    def examine(given: Mapping[str, float | None]) -> str:
        if unknown := given.keys() - right.keys():
            raise Mistake(f"There is no reduction {sorted(unknown)[0]!r}.")
        tried = {name: as_numbers(value) for name, value in given.items() if value is not None}
        if not tried:
            raise NotAttempted
        wrong = []
        for name, number in tried.items():
            if number is None or number.numel() != 1 or not number.isfinite().all():
                wrong.append(f"{name}: {given[name]!r} is not a number.")
            elif hint := _beta_hint(name, float(number), right, pixels, latent_dim):
                wrong.append(f"{name}: {hint}")
        if wrong:
            raise Mistake(" ".join(wrong))
        if open_ones := [name for name in right if name not in tried]:
            names = "; ".join(open_ones)
            raise Mistake(f"{len(tried)} of {len(right)} right. Still open: {names}.")
        return "A mean over n numbers divides by n, and beta is what is left of the two divisions."

    return judge_answer("E5", answers, right, examine)


def _beta_hint(
    name: str, given: float, right: Mapping[str, float], pixels: int, latent_dim: int
) -> str:
    """A short sentence on a wrong beta, and nothing on a right one."""

    def near(value: float) -> bool:
        return abs(given - value) <= 0.01 * abs(value)

    wanted = right[name]
    both = name == "mean over pixels, mean over codes"
    if near(wanted):
        return ""
    if near(1 / wanted):
        divided, heavier, side = ("kl", "nll", "below") if wanted < 1 else ("nll", "kl", "above")
        more = f" by more than the {heavier}" if both else ""
        return (f"turned round: the {divided} is divided{more}, so the {heavier} weighs more and "
                f"beta is {side} 1.")  # fmt: skip
    if both and (near(pixels * latent_dim) or near(1 / (pixels * latent_dim))):
        return ("the two divisions work against each other: one makes the nll lighter, the other "
                "the kl.")  # fmt: skip
    summed_codes = right[name.replace("mean over codes", "sum over codes")]
    if name.endswith("mean over codes") and near(summed_codes):
        too = ", too" if both else ""
        return f"the mean over the {latent_dim} numbers of a code divides the kl{too}."
    summed_pixels = right[name.replace("mean over pixels", "sum over pixels")]
    if name.startswith("mean over pixels") and near(summed_pixels):
        too = ", too" if both else ""
        return f"the mean over {pixels} pixels divides the nll{too}."
    return f"not {given:g}; write the loss as c · (nll + beta · kl), with both terms summed."


# -- E6 ------------------------------------------------------------------------------------------


def _anonymous(beta: float = 1.0, drawn: bool = True) -> Callable[[nn.Module, Tensor], tuple]:
    def loss(model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = binarize(x)
        mu, logvar = model.encode(x)
        nll = vae.bernoulli_nll(model.decode(vae.reparameterize(mu, logvar) if drawn else mu), x)
        kl = vae.kl_to_standard_normal(mu, logvar)
        return nll + beta * kl, nll, kl

    return loss


# Four runs to diagnose, kept out of the notebook's sight: (vae, grey x) -> loss, nll, kl, (b,) each
ANONYMOUS_LOSSES = (
    _anonymous(beta=784.0), _anonymous(drawn=False), _anonymous(), _anonymous(beta=1e-3),
)  # fmt: skip
DIAGNOSES = {"run 1": "b", "run 2": "d", "run 3": "a", "run 4": "c"}
_DIAGNOSIS_HINTS: dict[str, Mapping[str, str]] = {}
for _run, _right in DIAGNOSES.items():
    _DIAGNOSIS_HINTS[_run] = {
        letter: hint
        for letter, hint in {
            "a": "two runs have a kl of many nats: healthy is the one whose clouds are no points, "
                 "with a sigma well above 0.01.",
            "b": "with far too large a beta the kl is next to 0 and every copy is the same image.",
            "c": "with far too small a beta the kl is large, copies are good, and draws from the "
                 "prior are not.",
            "d": "compare its nll, at one draw, with its copies, which decode mu.",
        }.items()
        if letter != _right
    }  # fmt: skip


def diagnosis(answers: Mapping[str, str | None]) -> None:
    """E6.  Which run has which fault: run -> letter."""
    choices("E6", answers, DIAGNOSES, _DIAGNOSIS_HINTS)


# -- E7 ------------------------------------------------------------------------------------------

Shift = Callable[[Tensor, Tensor, Tensor], Tensor]


def moved_by_attribute(z: Tensor, with_it: Tensor, without_it: Tensor) -> Tensor:
    """z + mean(with_it) - mean(without_it): codes (b, k) moved by the difference of two means."""
    return z + with_it.mean(dim=0) - without_it.mean(dim=0)


def add_attribute(answer: Shift) -> Shift:
    """E7.  (z, codes with the attribute, codes without), to z with the attribute added, (b, k)."""
    return judge_answer("E7", answer, moved_by_attribute, _examine_add_attribute)


def _examine_add_attribute(answer: Shift) -> str:
    generator = torch.Generator().manual_seed(0)
    device = default_device()
    z, with_it, without_it = (
        torch.randn(n, 4, generator=generator).to(device) + shift
        for n, shift in ((5, 0.0), (30, 2.0), (40, -1.0))
    )
    try:
        result = called_on_copies(answer, z, with_it, without_it)
    except RuntimeError as error:
        answer(z.clone(), with_it, without_it[: len(with_it)])  # raises again, if for other reasons
        raise Mistake("The two groups may differ in size: take each mean first, then their "
                      "difference.") from error  # fmt: skip
    a, b = with_it.mean(dim=0), without_it.mean(dim=0)
    if not close(result, z + a - b):
        raise_if_known(
            result,
            {
                "The sign is turned round: that takes the attribute away.": z - a + b,
                "Only the mean of the codes with the attribute is added: it holds everything else "
                "about them, too. Subtract the mean without it.": z + a,
                "Only the mean of the codes without the attribute is used.": (z - b, z + b),
                "That is the mean code with the attribute: z itself has to stay in it.":
                    (a.expand_as(z), a),
                "That is the direction alone: add it to z.": ((a - b).expand_as(z), a - b),
                "The means are added: the direction is their difference.": z + a + b,
                "That is a mean over the numbers of a code, too: take it over the images, `dim=0`.":
                    z + with_it.mean() - without_it.mean(),
            },
        )  # fmt: skip
        if not isinstance(result, Tensor) or result.shape != z.shape:
            raise Mistake(f"It gives {described(result)}: codes are needed, as many as in z, "
                          f"{tuple(z.shape)}.")  # fmt: skip
        raise Mistake("It is not z plus the difference of the two mean codes.")
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}: stay with tensors.")
    return "z plus the difference of two means."


# -- E8 ------------------------------------------------------------------------------------------

Bound = Callable[[Tensor], Tensor]


def course_importance_weighted_bound(log_weights: Tensor) -> Tensor:
    """log (1/k) sum_i exp(log_weights[i]) in nats: (k, b), k draws for each image, to (b,).

    Burda et al. (2016).
    """
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def importance_weighted_bound(answer: Bound) -> Bound:
    """E8.  log p(x|z) + log p(z) - log q(z|x), (k, b), to the bound of log p(x) in nats, (b,)."""
    return judge_answer("E8", answer, course_importance_weighted_bound, _examine_weighted_bound)


def _examine_weighted_bound(answer: Bound) -> str:
    k, b = 4, 6
    about = torch.tensor([-90.0, -120.0, -200.0, -350.0, -600.0, -1000.0])  # their exp underflows
    spread = torch.randn(k, b, generator=torch.Generator().manual_seed(0))
    log_weights = (about + spread).to(default_device())
    result = called_on_copies(answer, log_weights)
    right = course_importance_weighted_bound(log_weights)
    tolerance = 2e-6  # of 1,000 nats: log k and less has to show
    if not close(result, right, tolerance):
        raise_if_known(result, _weighted_bound_mistakes(log_weights), tolerance)
        _examine_weighted_values(result, right, k)
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}: stay with tensors.")
    if not answer(log_weights.clone().requires_grad_()).requires_grad:
        raise Mistake("No gradient gets through: stay with tensor operations, without `.item()`, "
                      "`.detach()` and `torch.no_grad()`.")  # fmt: skip
    return "The mean stands inside the logarithm, and weights of exp(-1000) do not become 0."


def _weighted_bound_mistakes(log_weights: Tensor) -> dict[str, Tensor | tuple[Tensor, ...]]:
    k, b = log_weights.shape
    log_k, log_b = math.log(k), math.log(b)
    total = log_weights.logsumexp(dim=0)
    of_images, largest = log_weights.logsumexp(dim=1), log_weights.amax(dim=0)
    return {
        "That is the mean of the logarithms, which is the ELBO again: the mean stands inside the "
        "logarithm.": log_weights.mean(dim=0),
        "The log k is missing: the mean of k weights is their sum divided by k.": total,
        "log k is added: dividing by k inside the logarithm is subtracting log k outside it.":
            total + log_k,
        "That goes over the images, and leaves the draws: go over `dim=0`.":
            (of_images - log_b, of_images - log_k, of_images, log_weights.mean(dim=1)),
        "You subtract the logarithm of the number of images: k is the number of draws, "
        "`len(log_weights)`.": total - log_b,
        "You divide by k outside the logarithm, or divide the logarithms: subtract log k instead.":
            (total / k, total / log_k, (log_weights / k).logsumexp(dim=0)),
        "You subtract k: subtract log k.": total - k,
        "The sign is turned round: it is a bound of log p(x), and no loss.": log_k - total,
        "That is the largest weight alone: add up all k of them, with `logsumexp`.":
            (largest, largest - log_k),
    }  # fmt: skip


def _examine_weighted_values(result: object, right: Tensor, k: int) -> None:
    """Name what else can be wrong with a result that is not the right one, (b,)."""
    found = as_numbers(result)
    if found is not None and found.isnan().any():
        raise Mistake("It gives nan, as the logarithm of a negative number does: log_weights are "
                      "logarithms already.")  # fmt: skip
    if found is not None and (found == -math.inf).any():
        raise Mistake("It gives -inf: exp(-110) and all below are 0 in single precision, and "
                      "the logarithm of 0 is -inf. Use `logsumexp`.")  # fmt: skip
    if found is not None and found.numel() == 1:
        raise Mistake("That is one number for all images: keep one value per image.")
    if found is not None and found.shape == (1, *right.shape):
        raise Mistake(f"The shape is {tuple(found.shape)}: make it {tuple(right.shape)}, without "
                      "`keepdim`.")  # fmt: skip
    if found is None or found.shape != right.shape:
        raise Mistake(f"It gives {described(result)}, and one value for each of the {len(right)} "
                      "images is needed.")  # fmt: skip
    raise Mistake(f"It gives {found[0]:.2f} nats for the first image, and not {right[0]:.2f}: the "
                  f"logarithm of the mean of its {k} weights is needed.")  # fmt: skip


# -- the exit quiz -------------------------------------------------------------------------------

QUIZ = {"1": "b", "2": "d", "3": "a", "4": "c"}
_QUIZ_HINTS: dict[str, Mapping[str, str]] = {
    "1": {
        "a": "the gradient of a plain draw does not exist: there is nothing to be faster than.",
        "c": "the randomness is the same, it only moved.",
        "d": "the KL has its closed form either way.",
    },
    "2": {
        "a": "104 is a number on grey pixels, and 86.8 one on binary ones.",
        "b": "grey-pixel cross-entropy has a floor of its own, far above 0.",
        "c": "a longer run changes both, and makes neither comparable.",
    },
    "3": {
        "b": "in section 6 one and the same decoder collapsed in two of four runs.",
        "c": "a KL of 0 says that the clouds are the prior, whatever the image.",
        "d": "the learning rate has no part in where the optimum is.",
    },
    "4": {
        "a": "on average over draws the bound stays below log p(x), for every k.",
        "b": "it is a bound for every k, and k = 1 is the ELBO.",
        "d": "the test images are binarised once, the same for every k.",
    },
}


def quiz(answers: Mapping[str, str | None]) -> None:
    """The exit quiz of notebook 2: question -> letter."""
    choices("Exit quiz", answers, QUIZ, _QUIZ_HINTS)
