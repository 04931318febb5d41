"""The checks of notebook 2: right answers of all kinds, the wrong ones that people give, blanks."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import assert_accepted, assert_named, right, wrong
from torch.distributions import Normal, kl_divergence

from genmnist import vae
from genmnist.checks import vae as check
from genmnist.data import binarize


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(check, "default_device", lambda: torch.device("cpu"))


CHECKS = {
    "E1": (check.reparameterize, vae.reparameterize),
    "E3": (check.kl_to_standard_normal, vae.kl_to_standard_normal),
    "E4": (check.train_step, check.course_step),
    "E5": (check.implied_beta, check.implied_betas(784, 2)),
    "E7": (check.add_attribute, check.moved_by_attribute),
    "E8": (check.importance_weighted_bound, check.course_importance_weighted_bound),
}


def forgets_to_return(*arguments):
    sum(a.sum() for a in arguments if isinstance(a, torch.Tensor))


# --- E1.


def sigma(logvar):
    return (0.5 * logvar).exp()


def one_by_one(mu, logvar):
    return torch.stack([
        torch.stack([m + s.exp().sqrt() * torch.randn(()) for m, s in zip(*row, strict=True)])
        for row in zip(mu, logvar, strict=True)
    ])  # fmt: skip


def without_gradient(mu, logvar):
    with torch.no_grad():
        return mu + sigma(logvar) * torch.randn_like(mu)


def seeded(mu, logvar):
    torch.manual_seed(0)
    return vae.reparameterize(mu, logvar)


REPARAMETERIZE = right("E1", [
    lambda mu, logvar: mu + logvar.exp().sqrt() * torch.randn(mu.shape),
    lambda mu, logvar: torch.addcmul(mu, sigma(logvar), torch.randn_like(mu)),
    lambda mu, logvar: Normal(mu, sigma(logvar)).rsample(),
    lambda mu, logvar: mu - sigma(logvar) * torch.randn_like(mu),
    lambda mu, logvar: mu + math.e ** (logvar / 2) * torch.randn(*mu.shape),
    lambda mu, logvar: mu + sigma(logvar) * torch.normal(torch.zeros_like(mu), 1.0),
])  # fmt: skip
NOT_REPARAMETERIZE = wrong("E1", {
    "sigma² as sigma": lambda mu, logvar: mu + logvar.exp() * torch.randn_like(mu),
    "logvar itself as sigma": lambda mu, logvar: mu + logvar * torch.randn_like(mu),
    "divided by sigma": lambda mu, logvar: mu + torch.randn_like(mu) / sigma(logvar),
    "not scaled": lambda mu, logvar: mu + torch.randn_like(mu),
    "fourth root": lambda mu, logvar: mu + (0.25 * logvar).exp() * torch.randn_like(mu),
    "mu itself": [lambda mu, logvar: mu, lambda mu, logvar: mu + 0 * logvar],
    "uniform between 0 and 1": lambda mu, logvar: mu + sigma(logvar) * torch.rand_like(mu),
    "lie around 0: add mu": lambda mu, logvar: sigma(logvar) * torch.randn_like(mu),
    "the noise has mean 0": lambda mu, logvar: mu + sigma(logvar) * (torch.randn_like(mu) + 1),
    "the same noise: draw it for each":
        lambda mu, logvar: mu + sigma(logvar) * torch.randn(mu.shape[1]),
    "share one noise": lambda mu, logvar: mu + sigma(logvar) * torch.randn(len(mu), 1),
    "Several rows share": lambda mu, logvar: mu
        + sigma(logvar) * torch.randn(len(mu) // 2, 3).repeat_interleave(2, dim=0),
    "more than 2 sigma out": lambda mu, logvar: mu
        + sigma(logvar) * 12**0.5 * (torch.rand_like(mu) - 0.5),
    "standard deviations": lambda mu, logvar: mu + 3 * sigma(logvar) * torch.randn_like(mu),
    "not finite": lambda mu, logvar: mu + logvar.sqrt() * torch.randn_like(mu),
    "No gradient gets through: `.sample()`": [
        without_gradient,
        lambda mu, logvar: torch.normal(mu, sigma(logvar)).detach(),
        lambda mu, logvar: torch.normal(mu, (0.5 * logvar).exp()),
        lambda mu, logvar: torch.normal(mu, sigma(logvar).detach()),
        lambda mu, logvar: Normal(mu, sigma(logvar)).sample(),
    ],
    "No gradient gets through to mu: `.sample()`": lambda mu, logvar: mu.detach()
        + sigma(logvar) * torch.randn_like(mu),
    "No gradient gets through to logvar: `.sample()`, `torch.normal`": [
        lambda mu, logvar: mu + sigma(logvar).detach() * torch.randn_like(mu),
        lambda mu, logvar: mu + torch.normal(torch.zeros_like(mu), sigma(logvar)),
        lambda mu, logvar: mu + Normal(0.0, sigma(logvar)).sample(),
    ],
    "does not get through to mu unchanged": lambda mu, logvar: 2 * mu - mu.detach()
        + sigma(logvar) * torch.randn_like(mu),
    "gradient by logvar is not right": lambda mu, logvar: mu
        + (0.25 * (logvar + logvar.detach())).exp() * torch.randn_like(mu),
    "do not seed": seeded,
    "a tensor of shape (20000, 3)": [
        lambda mu, logvar: vae.reparameterize(mu, logvar).mean(dim=0),
        lambda mu, logvar: vae.reparameterize(mu, logvar).tolist(),
        lambda mu, logvar: (mu, logvar),
    ],
    "returns nothing": forgets_to_return,
    "stopped with TypeError": lambda mu: mu,
})  # fmt: skip


# --- E3.


def term(mu, logvar):
    return mu.square() + logvar.exp() - 1 - logvar


KL = right("E3", [
    lambda mu, logvar: -0.5 * torch.sum(1 + logvar - mu**2 - logvar.exp(), dim=1),
    lambda mu, logvar: kl_divergence(Normal(mu, sigma(logvar)), Normal(0.0, 1.0)).sum(1),
    lambda mu, logvar: (0.5 * (mu @ mu.T).diagonal()
                        + 0.5 * (logvar.exp() - logvar).sum(1) - mu.shape[1] / 2),
    lambda mu, logvar: torch.stack([0.5 * term(m, s).sum() for m, s in zip(mu, logvar,
                                                                           strict=True)]),
    lambda mu, logvar: 0.5 * term(mu.double(), logvar.double()).sum(-1),
])  # fmt: skip
NOT_KL = wrong("E3", {
    "The sign is turned round: a KL": lambda mu, logvar: -0.5 * term(mu, logvar).sum(1),
    "The factor 1/2": [lambda mu, logvar: term(mu, logvar).sum(1),
                       lambda mu, logvar: -term(mu, logvar).sum(1)],
    "averages over the numbers of a code": lambda mu, logvar: 0.5 * term(mu, logvar).mean(1),
    "one number for the whole batch": [
        lambda mu, logvar: 0.5 * term(mu, logvar).sum(),
        lambda mu, logvar: 0.5 * term(mu, logvar).mean(),
        lambda mu, logvar: 0.5 * term(mu, logvar).sum(1).mean(),
        lambda mu, logvar: (0.5 * term(mu, logvar).sum(1).mean()).item(),
    ],
    "sums over the images": lambda mu, logvar: 0.5 * term(mu, logvar).sum(0),
    "has its value still": lambda mu, logvar: 0.5 * term(mu, logvar),
    "for the logarithm of sigma": [
        lambda mu, logvar: 0.5 * term(mu, 2 * logvar).sum(1),
        lambda mu, logvar: 0.5 * (mu**2 + (2 * logvar).exp() - 1 - logvar).sum(1),
    ],
    "log sigma where log sigma² belongs": lambda mu, logvar: 0.5 * (
        mu**2 + sigma(logvar)**2 - 1 - sigma(logvar).log()).sum(1),
    "sigma where sigma² belongs": lambda mu, logvar: 0.5 * (
        mu**2 + sigma(logvar) - 1 - logvar).sum(1),
    "the other way round": lambda mu, logvar: kl_divergence(
        Normal(0.0, 1.0), Normal(mu, sigma(logvar))).sum(1),
    "mu has to be squared": lambda mu, logvar: 0.5 * (mu + logvar.exp() - 1 - logvar).sum(1),
    "mu² is missing": lambda mu, logvar: 0.5 * (logvar.exp() - 1 - logvar).sum(1),
    "The 1 is missing": lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - logvar).sum(1),
    "The term -logvar": lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1).sum(1),
    "The term exp(logvar)": lambda mu, logvar: 0.5 * (mu**2 - 1 - logvar).sum(1),
    "The sign of logvar": lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 + logvar).sum(1),
    "The sign of mu²": lambda mu, logvar: 0.5 * (logvar.exp() - 1 - logvar - mu**2).sum(1),
    "in bits": lambda mu, logvar: 0.5 * term(mu, logvar).sum(1) / math.log(2),
    "logvar as sigma²: it is the logarithm of sigma², and sigma² is exp(logvar). Where it is neg": [
        lambda mu, logvar: 0.5 * (mu**2 + logvar - 1 - logvar.log()).sum(1),
        lambda mu, logvar: (mu**2 + logvar - 1 - logvar.log()).sum(1),
    ],
    "logvar as sigma: it is the logarithm of sigma², and sigma² is exp(logvar). Where it is neg":
        lambda mu, logvar: 0.5 * (mu**2 + logvar**2 - 1 - 2 * logvar.log()).sum(1),
    "logvar as sigma: it is the logarithm of sigma², and sigma² is exp(logvar). The notebook": [
        lambda mu, logvar: 0.5 * (mu**2 + logvar**2 - 1 - logvar).sum(1),
        lambda mu, logvar: 0.5 * (mu**2 + logvar**2 - 1 - 2 * logvar.abs().log()).sum(1),
    ],
    "It gives nan, the logarithm of a negative number": [
        lambda mu, logvar: 0.5 * (mu**2 + logvar.exp() - 1 - logvar.log()).sum(1),
        lambda mu, logvar: 0.5 * (mu**2 + logvar - 1 - logvar.log()),
    ],
    "with mu = logvar = 0 alone": [
        lambda mu, logvar: mu.abs().sum(1) + logvar.abs().sum(1),
        lambda mu, logvar: 0 * mu.sum(1),
    ],
    "one value for each of the 6": lambda mu, logvar: [0.0, 1.0],
    "(6, 1): make it (6,)": lambda mu, logvar: 0.5 * term(mu, logvar).sum(1, keepdim=True),
    "gradients have to get through": lambda mu, logvar: 0.5 * term(mu, logvar).sum(1).numpy(),
    "No gradient gets through": lambda mu, logvar: 0.5 * term(mu, logvar).sum(1).detach(),
    "returns nothing": forgets_to_return,
})  # fmt: skip


# --- E4.


def step(*, binary=True, target="same", draw=True, nll_sum=True, kl="sum", kl_weight=1.0,
         sign=1.0, reduce="mean", zero=True, backward=True, move=True, late_zero=False,
         sigmoid=False, nll_weight=1.0, last_zero=False, toss=None, swap=False, nll_mean=None,
         kl_mean=None):  # fmt: skip
    """A training step with the faults asked for."""

    def answer(model, optimizer, x):
        grey = x
        x = toss(x) if toss else binarize(x) if binary else x
        mu, logvar = model.encode(x)
        z = vae.reparameterize(mu, logvar) if draw else mu
        logits = model.decode(z)
        logits = logits.sigmoid() if sigmoid else logits
        y = {"same": x, "grey": grey, "again": binarize(grey)}[target]
        pair = (y, logits) if swap else (logits, y)
        each = F.binary_cross_entropy_with_logits(*pair, reduction="none").flatten(1)
        nll = nll_weight * (each.sum(1) if nll_sum else each.mean(1))
        price = 0.5 * term(mu, logvar)
        price = price.sum(1) if kl == "sum" else price.mean(1)
        nll = getattr(nll, nll_mean)() if nll_mean else nll
        price = getattr(price, kl_mean)() if kl_mean else price
        loss = nll + kl_weight * price
        loss = sign * (getattr(loss, reduce)() if reduce else loss)
        if zero and not late_zero:
            optimizer.zero_grad()
        if backward:
            loss.backward()
        if late_zero:
            optimizer.zero_grad()
        if move:
            optimizer.step()
        if last_zero:
            optimizer.zero_grad()
        return loss

    return answer


def terse(model, optimizer, x):
    optimizer.zero_grad()
    x = torch.bernoulli(x)
    logits, mu, logvar = model(x)
    bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    ((bce - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum()) / len(x)).backward()
    optimizer.step()


def clears_the_model(model, optimizer, x):
    model.zero_grad()
    return step(zero=False)(model, optimizer, x)


def steps_too_early(model, optimizer, x):
    optimizer.step()
    step(move=False)(model, optimizer, x)


TRAIN_STEP = right("E4", [
    step(), terse, lambda *given: {"loss": step()(*given).item()},
    step(toss=torch.bernoulli),
    step(toss=lambda x: (torch.rand_like(x) < x).float()),
    step(toss=lambda x: torch.distributions.Bernoulli(x).sample()),
    step(zero=False, last_zero=True), step(last_zero=True), clears_the_model,
    step(reduce=None, nll_mean="mean", kl_mean="mean"),
])  # fmt: skip
NOT_TRAIN_STEP = wrong("E4", {
    "encoder sees grey": step(binary=False),
    "You decode mu": step(draw=False),
    "kl is missing": step(kl_weight=0.0),
    "kl is subtracted": step(kl_weight=-1.0),
    "nll is missing": step(nll_weight=0.0),
    "the step goes down": step(sign=-1.0),
    "the kl weighs 784 times": step(nll_sum=False),
    "sum both": step(nll_sum=False, kl="mean"),
    "averaged over the numbers of a code: sum over them": step(kl="mean"),
    "The loss is summed over the images": step(reduce="sum"),
    "nll is summed over the images and the kl averaged":
        step(reduce=None, nll_mean="sum", kl_mean="mean"),
    "kl is summed over the images and the nll averaged":
        step(reduce=None, nll_mean="mean", kl_mean="sum"),
    "Your loss is not one number": [step(reduce=None), step(reduce=None, kl_mean="mean")],
    "`bernoulli_nll` are swapped": step(swap=True),
    "at a threshold": [
        step(toss=lambda x: (x > 0.5).float()), step(toss=torch.round),
        step(toss=lambda x: (x >= 0.2).float()), step(toss=torch.ceil), step(toss=torch.zeros_like),
    ],
    "the same tosses": step(toss=lambda x: binarize(x, seed=0)),
    "% of your draws, and not in 30 %: its grey value is the probability":
        step(toss=lambda x: (torch.rand_like(x) > x).float()),
    "give it the whole batch": step(toss=lambda x: binarize(x[:1])),
    "The target is grey": step(target="grey"),
    "no sigmoid in between": step(sigmoid=True),
    "both input and target": step(target="again"),
    "step before are still there": step(zero=False),
    "sees no gradient": [step(backward=False), step(late_zero=True),
                         steps_too_early],
    "No weight moves": step(move=False),
    "several steps": lambda *given: [step()(*given) for _ in range(2)],
    "never asked: start": lambda model, optimizer, x: optimizer.step(),
    "decoder is never asked": lambda model, optimizer, x: (model.encode(x), optimizer.step()),
    "not draws of the clouds": lambda model, optimizer, x: (
        model.decode(model.encode(x)[0][:1]), optimizer.zero_grad(), optimizer.step()
    ) if binarize(x).any() else None,
    "stopped with AttributeError": lambda model, optimizer, x: model.bound(x),
})  # fmt: skip
NOT_TRAIN_STEP = [p for p in NOT_TRAIN_STEP if "not draws" not in p.id] + wrong("E4", {
    "not draws of the clouds": lambda model, optimizer, x: (
        model.encode(binarize(x)), model.decode(torch.zeros(64, 2)), optimizer.zero_grad(),
        optimizer.step()),
})  # fmt: skip


# --- E5.

NAMES = list(check.implied_betas(784, 2))
SUM_SUM, MEAN_SUM, MEAN_MEAN, SUM_MEAN = NAMES


def betas(*values, **changed):
    return dict(zip(NAMES, values, strict=True))


IMPLIED_BETA = right("E5", [
    betas(1, 784, 392, 0.5), betas(1.0, 784.0, 784 / 2, 1 / 2),
    betas(torch.tensor(1.0), np.float64(784), 392, 0.5),
])  # fmt: skip
NOT_IMPLIED_BETA = wrong("E5", {
    f"{MEAN_SUM}: turned round: the nll is divided, so the kl weighs more and beta is above 1.":
        betas(1, 1 / 784, 392, 0.5),
    f"{MEAN_MEAN}: turned round: the nll is divided by more than the kl":
        betas(1, 784, 2 / 784, 0.5),
    f"{SUM_MEAN}: turned round: the kl is divided, so the nll weighs more and beta is below 1.":
        betas(1, 784, 392, 2),
    f"Not yet. {MEAN_SUM}: the mean over 784 pixels divides the nll. {MEAN_MEAN}: 'x' is not a "
    f"number. {SUM_MEAN}: turned round: the kl is divided, so the nll weighs more and beta is "
    "below 1. The notebook": betas(1, 1, "x", 2),
    f"{MEAN_MEAN}: the two divisions work against": [betas(1, 784, 1568, 0.5),
                                                     betas(1, 784, 1 / 1568, 0.5)],
    f"{MEAN_MEAN}: the mean over the 2 numbers of a code divides the kl, too.":
        betas(1, 784, 784, 0.5),
    f"{SUM_MEAN}: the mean over the 2 numbers of a code divides the kl.": betas(1, 784, 392, 1),
    f"{MEAN_MEAN}: the mean over 784 pixels": betas(1, 784, 0.5, 0.5),
    f"{MEAN_SUM}: the mean over 784 pixels": betas(1, 1, 392, 0.5),
    f"{SUM_SUM}: not 7": betas(7, 784, 392, 0.5),
    "is not a number": [betas("one", 784, 392, 0.5), betas((1, 2), 784, 392, 0.5),
                        betas(math.nan, 784, 392, 0.5)],
    "3 of 4 right. Still open: sum over pixels, mean": betas(1, 784, 392, None),
    "There is no reduction 'sum'": {"sum": 1},
})  # fmt: skip


# --- E7.


def in_place(z, a, b):
    z += a.mean(0) - b.mean(0)
    return z


def in_place_on_a_group(z, a, b):
    a -= b.mean(0)
    return z + a.mean(0)


def in_place_on_a_copy(z, a, b):
    z = z.clone()
    z += a.mean(0) - b.mean(0)
    return z


ADD_ATTRIBUTE = right("E7", [
    in_place_on_a_copy,
    lambda z, a, b: z + a.mean(0) - b.mean(0),
    lambda z, a, b: z - (b.mean(dim=0, keepdim=True) - a.mean(dim=0, keepdim=True)),
    lambda z, a, b: torch.stack([row + a.sum(0) / len(a) - b.sum(0) / len(b) for row in z]),
])  # fmt: skip
NOT_ADD_ATTRIBUTE = wrong("E7", {
    "takes the attribute away": lambda z, a, b: z - a.mean(0) + b.mean(0),
    "Only the mean of the codes with the attribute": lambda z, a, b: z + a.mean(0),
    "without the attribute is used": [lambda z, a, b: z - b.mean(0),
                                      lambda z, a, b: z + b.mean(0)],
    "z itself has to stay": [lambda z, a, b: a.mean(0), lambda z, a, b: a.mean(0).expand_as(z)],
    "the direction alone": [lambda z, a, b: a.mean(0) - b.mean(0),
                            lambda z, a, b: (a.mean(0) - b.mean(0)).expand_as(z)],
    "The means are added": lambda z, a, b: z + a.mean(0) + b.mean(0),
    "over the numbers of a code": lambda z, a, b: z + a.mean() - b.mean(),
    "codes are needed, as many as in z": lambda z, a, b: (z + a.mean(0) - b.mean(0)).mean(0),
    "not z plus the difference": lambda z, a, b: z + 2 * (a.mean(0) - b.mean(0)),
    "stay with tensors": lambda z, a, b: (z + a.mean(0) - b.mean(0)).numpy(),
    "returns nothing": forgets_to_return,
    "changes the tensors that it is given": [in_place, in_place_on_a_group],
    "The two groups may differ in size: take each mean first":
        lambda z, a, b: z + (a - b).mean(0),
    "stopped with RuntimeError": lambda z, a, b: z + a - b,
})  # fmt: skip


# --- E8.


def with_the_largest_apart(w):
    largest = w.max(dim=0).values
    return largest + (w - largest).exp().mean(dim=0).log()


def changes_the_weights(w):
    w -= math.log(len(w))
    return w.logsumexp(0)


WEIGHTED_BOUND = right("E8", [
    lambda w: w.logsumexp(dim=0) - math.log(len(w)),
    lambda w: torch.logsumexp(w, 0) - torch.log(torch.tensor(w.shape[0])),
    lambda w: (w - math.log(len(w))).logsumexp(dim=0),
    lambda w: torch.stack([torch.logsumexp(row, 0) for row in w.T]) - np.log(w.size(0)),
    lambda w: torch.logsumexp(w.double(), dim=0) - math.log(len(w)),
    with_the_largest_apart,
])  # fmt: skip
NOT_WEIGHTED_BOUND = wrong("E8", {
    "mean of the logarithms, which is the ELBO": lambda w: w.mean(0),
    "log k is missing": lambda w: w.logsumexp(0),
    "log k is added": lambda w: w.logsumexp(0) + math.log(len(w)),
    "goes over the images": [
        lambda w: w.mean(1), lambda w: w.logsumexp(1), lambda w: w.exp().mean(1).log(),
        lambda w: w.logsumexp(1) - math.log(len(w)),
        lambda w: w.logsumexp(1) - math.log(w.shape[1]),
    ],
    "number of images": lambda w: w.logsumexp(0) - math.log(w.shape[1]),
    "It gives -inf: exp(-110)": [
        lambda w: w.exp().mean(0).log(),
        lambda w: w.double().exp().mean(0).log(),
        lambda w: w.max() + (w - w.max()).exp().mean(0).log(),
    ],
    "one number for all images": [
        lambda w: (w.logsumexp(0) - math.log(len(w))).mean(),
        lambda w: (w.logsumexp(0) - math.log(len(w))).mean().item(),
        lambda w: w.mean(), lambda w: w.logsumexp((0, 1)),
    ],
    "divide by k outside": [lambda w: w.logsumexp(0) / len(w),
                            lambda w: w.logsumexp(0) / math.log(len(w)),
                            lambda w: (w / len(w)).logsumexp(0)],
    "You subtract k": lambda w: w.logsumexp(0) - len(w),
    "The sign is turned round": lambda w: math.log(len(w)) - w.logsumexp(0),
    "the largest weight alone": [lambda w: w.max(dim=0).values,
                                 lambda w: w.amax(0) - math.log(len(w))],
    "It gives nan": lambda w: w.log().logsumexp(0) - math.log(len(w)),
    "(1, 6): make it (6,)": lambda w: w.logsumexp(0, keepdim=True) - math.log(len(w)),
    "each of the 6 images": [lambda w: w - math.log(len(w)), lambda w: "weights"],
    "nats for the first image": [lambda w: (w.exp().mean(0) + 1e-10).log(),
                                 lambda w: w.exp().logsumexp(0) - math.log(len(w))],
    "stay with tensors": [lambda w: (w.logsumexp(0) - math.log(len(w))).tolist(),
                          lambda w: (w.logsumexp(0) - math.log(len(w))).numpy()],
    "No gradient gets through": lambda w: (w.logsumexp(0) - math.log(len(w))).detach(),
    "changes the tensors that it is given": changes_the_weights,
    "returns nothing": forgets_to_return,
    "stopped with TypeError": lambda w: w.logsumexp() - math.log(len(w)),
})  # fmt: skip


# --- All of them.


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [*REPARAMETERIZE, *KL, *TRAIN_STEP, *IMPLIED_BETA, *ADD_ATTRIBUTE, *WEIGHTED_BOUND],
)
def test_a_right_answer_is_accepted_and_used(exercise, answer, capsys):
    assert_accepted(CHECKS, exercise, answer, capsys)


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        *NOT_REPARAMETERIZE, *NOT_KL, *NOT_TRAIN_STEP, *NOT_IMPLIED_BETA, *NOT_ADD_ATTRIBUTE,
        *NOT_WEIGHTED_BOUND,
    ],
)  # fmt: skip
def test_a_wrong_answer_gets_its_own_hint_and_the_course_goes_on(exercise, answer, hint, capsys):
    assert_named(CHECKS, exercise, answer, hint, capsys)


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_blank_is_not_a_mistake(exercise, capsys):
    run, own = CHECKS[exercise]
    blanks = [dict.fromkeys(NAMES)] if exercise == "E5" else [lambda *given: ...]
    for blank in (*blanks, None, ...):
        assert run(blank) == own
        assert capsys.readouterr().out == (
            f"{exercise}. Not attempted yet. The notebook goes on with the course's version.\n"
        )


def test_a_step_that_is_not_written_yet_is_a_blank(capsys):
    def blank(model, optimizer, x):
        x = binarize(x)  # the comments and this line stand there from the start

    assert check.train_step(blank) is check.course_step
    assert "Not attempted yet" in capsys.readouterr().out


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_check_leaves_the_random_state_and_the_gradients_as_they_were(exercise):
    def meddles(*given):
        torch.manual_seed(5)
        np.random.seed(5)
        random.random()
        torch.set_grad_enabled(False)
        raise KeyError("end")

    for answer in (CHECKS[exercise][1], meddles, None):
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        expected = torch.rand(1).item(), np.random.rand(), random.random()
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        CHECKS[exercise][0](answer)
        assert (torch.rand(1).item(), np.random.rand(), random.random()) == expected
        assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("ask", "key", "hints"),
    [
        (check.bound, check.BOUND, check._BOUND_HINTS),
        (check.diagnosis, check.DIAGNOSES, check._DIAGNOSIS_HINTS),
        (check.quiz, check.QUIZ, check._QUIZ_HINTS),
    ],
)
def test_every_wrong_letter_has_a_hint_of_its_own(ask, key, hints, capsys):
    ask(dict.fromkeys(key))
    assert "Not attempted yet" in capsys.readouterr().out
    ask(key)
    assert f"Right. All {len(key)}." in capsys.readouterr().out
    for question, letters in hints.items():
        assert len(letters) == 3 and len({*letters.values()}) == 3
        assert {*letters, key[question]} == {*"abcd"}
        for letter, hint in letters.items():
            ask(key | {question: letter})
            assert hint in capsys.readouterr().out


def test_no_hint_hands_over_an_answer():
    assert "so q stands first" not in check._BOUND_HINTS["the gap"]["c"]
    assert all("reason to leave 1" not in h for run in check._DIAGNOSIS_HINTS.values()
               for h in run.values())  # fmt: skip
    assert "which decode mu" in check._DIAGNOSIS_HINTS["run 3"]["d"]
    assert "section 6" in check._QUIZ_HINTS["3"]["b"]


def test_the_anonymous_runs_have_the_faults_that_the_key_says():
    torch.manual_seed(0)
    model, x = vae.VAE(2, width=2), torch.rand(8, 1, 28, 28).round()
    with torch.no_grad():
        found = dict(zip("bdac", check.ANONYMOUS_LOSSES, strict=True))
        assert list(check.DIAGNOSES.values()) == list("bdac")
        for letter, beta in (("b", 784.0), ("d", 1.0), ("a", 1.0), ("c", 1e-3)):
            loss, nll, kl = found[letter](model, x)
            torch.testing.assert_close(loss, nll + beta * kl)
            same = torch.equal(found[letter](model, x)[1], found[letter](model, x)[1])
            assert same == (letter == "d"), "all but one draw"


@pytest.mark.parametrize(("pixels", "latent_dim"), [(784, 2), (12_288, 128)])
def test_the_implied_beta_is_a_ratio_of_gradients(pixels, latent_dim):
    """Independently: how much one more nat of KL weighs beside one more nat of nll."""
    nll = torch.zeros(pixels, dtype=torch.float64, requires_grad=True)
    kl = torch.zeros(latent_dim, dtype=torch.float64, requires_grad=True)
    reduce = {"sum": torch.sum, "mean": torch.mean}
    for name, beta in check.implied_betas(pixels, latent_dim).items():
        of_pixels, of_codes = (part.split()[0] for part in name.split(", "))
        loss = reduce[of_pixels](nll) + reduce[of_codes](kl)
        by_nll, by_kl = torch.autograd.grad(loss, (nll, kl))
        assert beta == pytest.approx((by_kl[0] / by_nll[0]).item())


def test_the_course_step_goes_down_the_bound():
    torch.manual_seed(0)
    model = vae.VAE(2, width=2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x = torch.zeros(16, 1, 28, 28)
    x[..., :14] = 1
    losses = [check.course_step(model, optimizer, x).item() for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


def test_moving_by_an_attribute_moves_the_mean_from_one_group_to_the_other():
    with_it, without_it = torch.randn(50, 3) + 1, torch.randn(60, 3)
    moved = check.moved_by_attribute(without_it, with_it, without_it)
    torch.testing.assert_close(moved.mean(dim=0), with_it.mean(dim=0))


def test_the_weighted_bound_grows_from_the_elbo_to_the_largest_weight():
    log_weights = 3 * torch.randn(1_000, 5) - 400
    one, many = (check.course_importance_weighted_bound(log_weights[:k]) for k in (1, 1_000))
    torch.testing.assert_close(one, log_weights[0])
    assert (log_weights.mean(dim=0) < many).all() and (many < log_weights.amax(dim=0)).all()
    expected = (log_weights + 400).double().exp().mean(dim=0).log() - 400
    torch.testing.assert_close(many.double(), expected, rtol=1e-6, atol=0)
