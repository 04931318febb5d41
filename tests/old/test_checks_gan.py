"""The checks of notebook 3: right answers of all kinds, the wrong ones that people give, blanks."""

import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exercises import assert_accepted, assert_named, right, wrong
from torch import nn

from genmnist import evaluation, gan
from genmnist.checks import gan as check


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(check, "default_device", lambda: torch.device("cpu"))


CHECKS = {
    "E1": (check.game_step, check.simultaneous_step),
    "E2": (check.optimal_discriminator, check.share_of_data),
    "E3": (check.gan_step, check.course_gan_step),
    "E4": (check.slope_price, check.squared_slope),
    "E5": (check.to_generator_range, check.doubled_less_one),
    "E7": (check.recall, check.neighbour_recall),
    "E8": (check.condition, check.noise_with_label),
}


def forgets_to_return(*arguments):
    sum(arguments[:2])


# --- E1.


def in_two_lines(x, y, rate):
    slope_x, slope_y = y, x
    x, y = x - rate * slope_x, y + rate * slope_y
    return [x, y]


def by_autograd(x, y, rate):
    x, y = torch.tensor(x, requires_grad=True), torch.tensor(y, requires_grad=True)
    (x * y).backward()
    return (x - rate * x.grad).item(), (y + rate * y.grad).item()


def y_from_the_new_x(x, y, rate):
    x = x - rate * y
    y = y + rate * x
    return x, y


def x_from_the_new_y(x, y, rate):
    y = y + rate * x
    x = x - rate * y
    return x, y


GAME_STEP = right("E1", [
    lambda x, y, rate: (x - rate * y, y + rate * x),
    lambda x, y, rate: torch.tensor([x, y]) + rate * torch.tensor([-y, x]),
    lambda x, y, rate: np.array([[1, -rate], [rate, 1]]) @ np.array([x, y]),
    lambda x, y, rate: (torch.tensor(x - rate * y), torch.tensor(y + rate * x)),
    in_two_lines, by_autograd,
])  # fmt: skip
NOT_GAME_STEP = wrong("E1", {
    "y moves with the new x": y_from_the_new_x,
    "x moves with the new y": x_from_the_new_y,
    "Both go down": lambda x, y, rate: (x - rate * y, y - rate * x),
    "Both go up": lambda x, y, rate: (x + rate * y, y + rate * x),
    "The roles are swapped": lambda x, y, rate: (x + rate * y, y - rate * x),
    "along its own value": [lambda x, y, rate: (x - rate * x, y + rate * y),
                            lambda x, y, rate: (x - rate * x, y - rate * y),
                            lambda x, y, rate: (x + rate * x, y - rate * y),
                            lambda x, y, rate: (x + rate * x, y + rate * y)],
    "The rate is missing": [lambda x, y, rate: (x - y, y + x),
                            lambda x, y, rate: (x - rate * y, y + x),
                            lambda x, y, rate: (x - y, y + rate * x)],
    "Only x moves": lambda x, y, rate: (x - rate * y, y),
    "Only y moves": lambda x, y, rate: (x, y + rate * x),
    "Nothing moves": lambda x, y, rate: (x, y),
    "in the wrong order": lambda x, y, rate: (y + rate * x, x - rate * y),
    "the step alone": lambda x, y, rate: (-rate * y, rate * x),
    "the slopes alone": [lambda x, y, rate: (y, x), lambda x, y, rate: (-y, x)],
    "and rate = 0.3 it gives (1.78, -0.0667) and not (1.71, -0.25)":
        lambda x, y, rate: (x - rate * y * 4 / 3, y + rate * x * 1.0 + (1.1 / 6)),
    "y = 1.3 and rate = 0.5": lambda x, y, rate: (x - rate * y, y + min(rate, 0.3) * x),
    "It returns one number": [lambda x, y, rate: x - rate * y, lambda x, y, rate: (x,)],
    "still the blank": [lambda x, y, rate: (x - rate * y, ...),
                        lambda x, y, rate: (..., y + rate * x)],
    "two numbers are needed": [lambda x, y, rate: "x", lambda x, y, rate: (x, y, rate),
                               lambda x, y, rate: {"x": x},
                               lambda x, y, rate: [[x - rate * y, y + rate * x]]],
    "returns nothing": forgets_to_return,
    "stopped with TypeError": lambda x, y: (x, y),
})  # fmt: skip


# --- E2.


def in_place_share(p_data, p_model):
    p_data /= p_data + p_model
    return p_data


def spoils_the_model(p_data, p_model):
    p_model += p_data
    return p_data / p_model


OPTIMAL_DISCRIMINATOR = right("E2", [
    lambda p, q: p / (p + q),
    lambda p, q: p / (p + q + 1e-8),
    lambda p, q: p / (p + q).clamp(min=1e-6),
    lambda p, q: 1 - q / (q + p),
    lambda p, q: 1 / (1 + q / p),
    lambda p, q: (p.log() - q.log()).sigmoid(),
    lambda p, q: torch.stack([a / (a + b) for a, b in zip(p, q, strict=True)]),
    lambda p, q: torch.stack((p, q)).double().div((p + q).double())[0],
    lambda p, q: torch.where(p + q > 0, p / (p + q), 0.5),
])  # fmt: skip
NOT_OPTIMAL_DISCRIMINATOR = wrong("E2", {
    "the model's share": lambda p, q: q / (p + q),
    "no upper end": [lambda p, q: p / q, lambda p, q: q / p],
    "the log ratio, the logit of D*": [lambda p, q: (p / q).log(), lambda p, q: p.log() - q.log()],
    "the log ratio turned round": lambda p, q: q.log() - p.log(),
    "p_data alone": lambda p, q: p,
    "p_model alone": lambda p, q: q,
    "That is the difference": [lambda p, q: p - q, lambda p, q: q - p],
    "the sigmoid of the difference": lambda p, q: (p - q).sigmoid(),
    "1/2 everywhere": [lambda p, q: torch.full_like(p, 0.5), lambda p, q: 0.5],
    "That decides": [lambda p, q: p > q, lambda p, q: (p > q).float(), lambda p, q: p >= q,
                     lambda p, q: q > p, lambda p, q: (q >= p).float()],
    "a sum over all the points": [lambda p, q: p / p.sum(), lambda p, q: p / (p + q).sum(),
                                  lambda p, q: p.softmax(0), lambda p, q: (p - q).softmax(0)],
    "by the mean of the two": lambda p, q: p / (0.5 * (p + q)),
    "p_model 0.1, it gives 0.667": lambda p, q: p / (p + q + 0.1),
    "one value for each of the 7 points": [lambda p, q: (p / (p + q)).mean(),
                                           lambda p, q: (p / (p + q))[:, None],
                                           lambda p, q: "half"],
    "stay with tensors": [lambda p, q: (p / (p + q)).tolist(), lambda p, q: (p / (p + q)).numpy()],
    "gives nan and 1": lambda p, q: p * p / (p * p + p * q),
    "gives 0 and nan": lambda p, q: p * q / (p * q + q * q),
    "gives 0.01 and 0.99": lambda p, q: (p / (p + q)).clamp(0.01, 0.99),
    "changes the densities": [in_place_share, spoils_the_model],
    "returns nothing": forgets_to_return,
    "stopped with AttributeError": lambda p, q: p.share(q),
})  # fmt: skip


# --- E3.

softplus, bce = F.softplus, F.binary_cross_entropy_with_logits


def normal(x, generator):
    return torch.randn(len(x), generator.latent_dim, device=x.device)


def right_d(real, fake):
    return gan.discriminator_loss(real, fake).mean()


def right_g(fake):
    return gan.generator_loss(fake).mean()


EACH = {"before d": "d", "before g": "g"}


def step(*, d_loss=right_d, g_loss=right_g, zero=EACH, detach=True, retain=True, fresh=False,
         draw=normal, d_back=True, g_back=True, d_steps=1, g_steps=1, g_detach=False,
         seen=lambda x: x, swapped=False, set_to_none=True):  # fmt: skip
    """A training step with the faults asked for; zero: place -> whose gradients are cleared."""

    def answer(generator, discriminator, g_optimizer, d_optimizer, x):
        if swapped:
            g_optimizer, d_optimizer = d_optimizer, g_optimizer

        def clear(place):
            for name in zero.get(place, ""):
                optimizer = {"d": d_optimizer, "g": g_optimizer}[name]
                optimizer.zero_grad(set_to_none=set_to_none)

        clear("start")
        fake = generator(draw(x, generator))
        loss = d_loss(discriminator(seen(x)), discriminator(fake.detach() if detach else fake))
        clear("before d")
        if d_back:
            loss.backward(retain_graph=retain and not detach)
        clear("after d")
        for _ in range(d_steps):
            d_optimizer.step()
        clear("between")
        if fresh:
            fake = generator(draw(x, generator))
        loss = g_loss(discriminator(fake.detach() if g_detach else fake))
        clear("before g")
        if g_back:
            loss.backward()
        clear("after g")
        for _ in range(g_steps):
            g_optimizer.step()
        clear("end")

    return answer


def seed_loop(steps="", zero="", labels=lambda n: (n,), size=None, cut=lambda fake: fake.detach()):
    """The loop of the source document, of which some faults may be repaired."""
    criterion = nn.BCEWithLogitsLoss()

    def answer(generator, discriminator, g_optimizer, d_optimizer, real_imgs):
        batch_size = size or len(real_imgs)
        if "d" in zero:
            d_optimizer.zero_grad()
        if "g" in zero:
            g_optimizer.zero_grad()
        z = torch.randn(batch_size, generator.latent_dim)
        fake_imgs = generator(z)
        real_loss = criterion(discriminator(real_imgs), torch.ones(labels(batch_size)))
        fake_loss = criterion(discriminator(cut(fake_imgs)), torch.zeros(labels(batch_size)))
        D_loss = real_loss + fake_loss
        D_loss.backward()
        if "d" in steps:
            d_optimizer.step()
        output = discriminator(fake_imgs)
        G_loss = criterion(output, torch.ones(labels(batch_size)))
        G_loss.backward()
        if "g" in steps:
            g_optimizer.step()

    return answer


def in_one_call(generator, discriminator, g_optimizer, d_optimizer, x):
    b = x.size(0)
    fake = generator(torch.randn(b, generator.latent_dim))
    labels = torch.cat([torch.ones(b), torch.zeros(b)])
    d_optimizer.zero_grad()
    bce(discriminator(torch.cat([x, fake.detach()])), labels).backward()
    d_optimizer.step()
    g_optimizer.zero_grad()
    logits = discriminator(fake)
    bce(logits, torch.ones_like(logits)).backward()
    g_optimizer.step()


def with_probabilities(generator, discriminator, g_optimizer, d_optimizer, x):
    bce_loss = nn.BCELoss()
    discriminator.zero_grad()
    with torch.no_grad():
        fake = generator(normal(x, generator))
    for images, label in ((x, 1.0), (fake, 0.0)):
        p = torch.sigmoid(discriminator(images)).view(-1, 1)
        bce_loss(p, torch.full_like(p, label)).backward()
    d_optimizer.step()
    generator.zero_grad()
    p = torch.sigmoid(discriminator(generator(normal(x, generator))))
    (-p.log().mean()).backward()
    g_optimizer.step()
    return p.mean()


def generator_first(generator, discriminator, g_optimizer, d_optimizer, x, *, zero=True, cut=True):
    fake = generator(normal(x, generator))
    g_optimizer.zero_grad()
    right_g(discriminator(fake)).backward(retain_graph=not cut)
    g_optimizer.step()
    if zero:
        d_optimizer.zero_grad()
    fake = generator(normal(x, generator))
    right_d(discriminator(x), discriminator(fake.detach() if cut else fake)).backward()
    d_optimizer.step()
    if not zero:
        d_optimizer.zero_grad()


def both_at_once(generator, discriminator, g_optimizer, d_optimizer, x):
    fake = generator(normal(x, generator))
    logits = discriminator(fake)
    right_d(discriminator(x), logits).backward(
        inputs=[*discriminator.parameters()], retain_graph=True
    )
    right_g(logits).backward(inputs=[*generator.parameters()])
    d_optimizer.step()
    g_optimizer.step()
    d_optimizer.zero_grad()
    g_optimizer.zero_grad()


def with_a_frozen_critic(generator, discriminator, g_optimizer, d_optimizer, x):
    step(zero={"before d": "d"}, g_steps=0, g_back=False)(
        generator, discriminator, g_optimizer, d_optimizer, x
    )
    discriminator.requires_grad_(False)
    g_optimizer.zero_grad()
    right_g(discriminator(generator(normal(x, generator)))).backward()
    g_optimizer.step()
    discriminator.requires_grad_(True)
    return {"fine": True}


def numpy_noise(x, generator):
    return torch.from_numpy(np.random.randn(len(x), generator.latent_dim)).float()


WASTEFUL = [
    step(detach=False),
    step(detach=False, fresh=True, retain=False),
    step(detach=False, zero={"start": "d", "between": "g"}),
]
GAN_STEP = right("E3", [
    step(), step(fresh=True),
    step(zero={"start": "dg"}), step(zero={"end": "dg"}), step(zero={"start": "d", "end": "g"}),
    step(zero={"before d": "d", "between": "dg"}), step(zero={"start": "d", "before g": "dg"}),
    step(set_to_none=False), step(zero={"end": "dg"}, set_to_none=False),
    step(draw=numpy_noise),
    step(d_loss=lambda r, f: right_d(r, f) / 2),
    step(d_loss=lambda r, f: softplus(-r).mean() + softplus(f).mean()),
    step(g_loss=lambda f: -F.logsigmoid(f).mean()),
    step(g_loss=lambda f: gan.generator_loss(f).sum() / len(f)),
    seed_loop(steps="dg", zero="dg"),
    in_one_call, with_probabilities, generator_first, both_at_once, with_a_frozen_critic,
    lambda *given: {"d_loss": step()(*given)},
    *WASTEFUL,
])  # fmt: skip


def reuses_the_logits(generator, discriminator, g_optimizer, d_optimizer, x):
    logits = discriminator(generator(normal(x, generator)))
    d_optimizer.zero_grad()
    right_d(discriminator(x), logits).backward(retain_graph=True)
    d_optimizer.step()
    g_optimizer.zero_grad()
    right_g(logits).backward()
    g_optimizer.step()


def one_loss(generator, discriminator, g_optimizer, d_optimizer, x, *, weight=1.0):
    fake = generator(normal(x, generator))
    d_optimizer.zero_grad()
    g_optimizer.zero_grad()
    d_loss = right_d(discriminator(x), discriminator(fake.detach()))
    (weight * d_loss + right_g(discriminator(fake))).backward()
    d_optimizer.step()
    g_optimizer.step()


def noise_images(generator, discriminator, g_optimizer, d_optimizer, x):
    d_optimizer.zero_grad()
    right_d(discriminator(x), discriminator(torch.rand_like(x))).backward()
    d_optimizer.step()
    g_optimizer.zero_grad()
    right_g(discriminator(generator(normal(x, generator)))).backward()
    g_optimizer.step()


def without_graph(*given):
    with torch.no_grad():
        step()(*given)


def fakes_without_graph(generator, discriminator, g_optimizer, d_optimizer, x):
    with torch.no_grad():
        fake = generator(normal(x, generator))
    d_optimizer.zero_grad()
    right_d(discriminator(x), discriminator(fake)).backward()
    d_optimizer.step()
    g_optimizer.zero_grad()
    right_g(discriminator(fake)).backward()
    g_optimizer.step()


def undetached_after_the_generator(*given):
    generator, discriminator, g_optimizer, d_optimizer, x = given
    right_g(discriminator(generator(normal(x, generator)))).backward()
    g_optimizer.step()
    g_optimizer.zero_grad()
    d_optimizer.zero_grad()
    right_d(discriminator(x), discriminator(generator(normal(x, generator)))).backward()
    d_optimizer.step()


def second_in_the_other(name):
    """Both updates through one of the two optimizers."""

    def answer(generator, discriminator, g_optimizer, d_optimizer, x):
        one = {"d": d_optimizer, "g": g_optimizer}[name]
        step()(generator, discriminator, one, one, x)

    return answer


def leaves_out_small_batches(*given):
    if len(given[-1]) == 64:
        step()(*given)


def saves_the_critic_from_small_batches(*given):
    step(d_steps=int(len(given[-1]) == 64))(*given)


class TwoOfThree:
    """The generator is left out in every third call, which is the check's second full batch."""

    calls = 0

    def __call__(self, *given):
        self.calls += 1
        step(g_steps=int(self.calls % 3 > 0))(*given)


def seeded(x, generator):
    torch.manual_seed(0)
    return normal(x, generator)


def of_size(n, draw=torch.randn):
    return lambda x, generator: draw(n, generator.latent_dim)


def apart(real, fake):  # of any two numbers of images
    return softplus(-real).mean() + softplus(fake).mean()


def label(value):
    return lambda logits: torch.full_like(logits, value)


NOT_GAN_STEP = wrong("E3", {
    "Nothing learns": [seed_loop(), seed_loop(size=64), seed_loop(size=128),
                       step(d_steps=0, g_steps=0), seed_loop(zero="dg")],
    "The discriminator never learns": [step(d_steps=0), seed_loop(steps="g"),
                                       saves_the_critic_from_small_batches],
    "The generator never learns": [step(g_steps=0), seed_loop(steps="d", size=128), TwoOfThree()],
    "made by d_optimizer": second_in_the_other("d"),
    "made by g_optimizer": second_in_the_other("g"),
    "d_optimizer makes 2 and g_optimizer 1 steps": step(d_steps=2),
    "d_optimizer makes 1 and g_optimizer 3 steps": step(g_steps=3),
    "The generator is never asked": lambda g, d, g_optimizer, d_optimizer, x: (
        d(x), d_optimizer.step(), g_optimizer.step()),
    "The discriminator is never asked": lambda g, d, g_optimizer, d_optimizer, x: (
        g(normal(x, g)), d_optimizer.step(), g_optimizer.step()),
    "`d_optimizer.step()` sees no gradient": [step(d_back=False), step(zero={"after d": "dg"})],
    "No gradient reaches the generator": [step(g_detach=True), step(g_back=False),
                                          fakes_without_graph],
    "`g_optimizer.step()` sees no gradient": [step(zero=EACH | {"after g": "g"}),
                                              step(swapped=True)],
    "Nobody clears": [step(zero={}), step(zero={}, fresh=True), seed_loop(steps="dg"),
                      seed_loop(steps="dg", size=128)],
    "The discriminator's gradients of the batch before": [
        step(zero={"before g": "g"}), seed_loop(steps="dg", zero="g", size=128)],
    "The generator's gradients of the batch before": [
        step(zero={"before d": "d"}), seed_loop(steps="dg", zero="d")],
    "fills the discriminator's gradients": [
        step(zero={"between": "dg"}), step(zero={"after d": "", "between": "d", "end": "g"}),
        step(zero={"between": "dg"}, fresh=True),
        one_loss, lambda *given: one_loss(*given, weight=0.5),
        lambda *given: generator_first(*given, zero=False)],
    "reaches the generator, and its gradient is added": [
        step(detach=False, zero={"start": "dg"}), step(detach=False, zero={"end": "dg"}),
        step(detach=False, zero={"start": "dg"}, fresh=True),
        step(detach=False, zero={"start": "dg"}, d_loss=lambda r, f: right_d(r, f) / 2),
        undetached_after_the_generator],
    "uses up that graph": [step(detach=False, retain=False),
                           seed_loop(steps="dg", zero="dg", cut=lambda fake: fake)],
    "logits from before": reuses_the_logits,
    "no way back from a loss": without_graph,
    "The labels have another shape": [
        seed_loop(labels=lambda n: (n, 1)),
        step(d_loss=lambda r, f: bce(r, torch.ones(64, 1)) + bce(f, torch.zeros(64, 1)))],
    "optimizers swapped": step(d_loss=lambda r, f: right_g(f) + 0 * r.mean()),
    "The labels are swapped": [
        step(d_loss=lambda r, f: bce(r, label(0.0)(r)) + bce(f, label(1.0)(f))),
        step(d_loss=lambda r, f: right_d(f, r))],
    "Fakes are labelled 1": step(d_loss=lambda r, f: bce(r, label(1.0)(r)) + bce(f, label(1.0)(f))),
    "Real images are labelled 0":
        step(d_loss=lambda r, f: bce(r, label(0.0)(r)) + bce(f, label(0.0)(f))),
    "the real images only": step(d_loss=lambda r, f: bce(r, label(1.0)(r))),
    "the fakes only": step(d_loss=lambda r, f: bce(f, label(0.0)(f))),
    "sign of the discriminator's loss": step(d_loss=lambda r, f: -right_d(r, f)),
    "its loss takes logits: no sigmoid": step(
        d_loss=lambda r, f: right_d(r.sigmoid(), f.sigmoid())),
    "loss takes its logits for probabilities": step(
        d_loss=lambda r, f: F.binary_cross_entropy(r, label(1.0)(r))
        + F.binary_cross_entropy(f, label(0.0)(f))),
    "plain difference": step(d_loss=lambda r, f: f.mean() - r.mean()),
    "generator's loss labels its fakes 0": step(g_loss=lambda f: bce(f, label(0.0)(f))),
    "the minimax loss": [step(g_loss=lambda f: (1 - f.sigmoid()).log().mean()),
                         step(g_loss=lambda f: -softplus(f).mean(), fresh=True)],
    "sign of the generator's loss": step(g_loss=lambda f: -right_g(f)),
    "the generator's loss takes logits: no": step(g_loss=lambda f: right_g(f.sigmoid())),
    "generator's loss takes logits for": step(
        g_loss=lambda f: F.binary_cross_entropy(f, label(1.0)(f))),
    "the plain logit": step(g_loss=lambda f: -f.mean()),
    "The discriminator's loss is summed": [
        step(d_loss=lambda r, f: gan.discriminator_loss(r, f).sum()),
        step(d_loss=lambda r, f: gan.discriminator_loss(r, f).sum() / 2)],
    "The generator's loss is summed": step(g_loss=lambda f: gan.generator_loss(f).sum()),
    "For 5 images the discriminator's gradient is 0.0781 times":
        step(d_loss=lambda r, f: gan.discriminator_loss(r, f).sum() / 64),
    "For 64 images the generator's gradient is 2 times": step(g_loss=lambda f: 2 * right_g(f)),
    "the generator's gradient is 0.5 times": step(g_loss=lambda f: right_g(f) / 2),
    "the discriminator's gradient is 0.25 times": step(d_loss=lambda r, f: right_d(r, f) / 4),
    "never shown the real images": [step(seen=lambda x: 2 * x - 1),
                                    step(seen=lambda x: x.mul_(2).sub_(1))],
    "at `d_optimizer.step()` is that of another loss": [
        noise_images, step(d_loss=lambda r, f: bce(r, label(0.9)(r)) + bce(f, label(0.0)(f)))],
    "at `g_optimizer.step()` is that of another loss": step(
        g_loss=lambda f: (f - 1).square().mean()),
    "For 5 images it draws noise for 64": step(draw=of_size(64), d_loss=apart),
    "For 5 images it draws noise for 128": [step(draw=of_size(128), d_loss=apart),
                                            step(draw=of_size(128), d_loss=apart, fresh=True)],
    "With 64 images it works, with 5 it stops": [step(draw=of_size(64)), leaves_out_small_batches,
                                                 seed_loop(steps="dg", zero="dg", size=64)],
    "With 128 images it works, with 5 it stops": [step(draw=of_size(128)),
                                                  seed_loop(steps="dg", zero="dg", size=128)],
    "For 64 images it draws noise for 1:": step(draw=of_size(1)),
    "For 128 images it draws noise for 256": step(
        draw=lambda x, g: torch.randn(2 * len(x), g.latent_dim), d_loss=apart),
    "is uniform between 0 and 1": [
        step(draw=lambda x, g: torch.rand(len(x), g.latent_dim)),
        step(draw=of_size(128, torch.rand))],
    "the same noise": step(draw=seeded),
    "come from one noise": step(draw=lambda x, g: torch.randn(1, g.latent_dim).expand(len(x), -1)),
    "`torch.randn` has 0 and 1": [
        step(draw=lambda x, g: torch.rand(len(x), g.latent_dim) * 2 - 1),
        step(draw=lambda x, g: torch.randn(len(x), g.latent_dim) + 1),
        step(draw=lambda x, g: 2 * torch.randn(len(x), g.latent_dim))],
    "this one takes (b, 5)": [
        step(draw=lambda x, g: torch.randn(len(x), 16)),
        step(draw=lambda x, g: torch.randn(len(x), g.latent_dim, 1, 1))],
    "The noise lies on meta": step(
        draw=lambda x, g: torch.randn(len(x), g.latent_dim, device="meta")),
    "The discriminator is given (64, 784)": step(seen=lambda x: x.flatten(1)),
    "stopped with AttributeError": lambda g, d, g_optimizer, d_optimizer, x: d.judge(x),
    "stopped with TypeError": lambda x: None,
})  # fmt: skip


# --- E4.


def slopes(d, x, **more):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(d(x).sum(), x, **{"create_graph": True} | more)[0]


def by_vmap(d, x):
    of_one = lambda image: d(image[None])[0]  # noqa: E731
    return torch.func.vmap(torch.func.grad(of_one))(x).square().sum(dim=(1, 2, 3))


def one_after_another(d, x):
    return torch.stack([slopes(d, image[None]).square().sum() for image in x])


def by_backward(d, x):
    x = x.detach().requires_grad_()
    d(x).sum().backward(create_graph=True)
    return x.grad.square().flatten(1).sum(dim=1)


def asks_too_late(d, x):
    logits = d(x)
    return torch.autograd.grad(logits.sum(), x.detach().requires_grad_(), create_graph=True)


def of_the_mean(d, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(d(x).mean(), x, create_graph=True)[0].flatten(1).square().sum(dim=1)


def of_the_probability(d, x):
    return slopes(lambda x: d(x).sigmoid(), x).flatten(1).square().sum(dim=1)


def without_leaf(d, x):
    return torch.autograd.grad(d(x).sum(), x, create_graph=True)[0].flatten(1).square().sum(dim=1)


def of_all_logits(d, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(d(x), x, create_graph=True)[0]


def cut_off(d, x):
    """The slope by w alone has a way back."""
    slope = slopes(d, x)
    return (slope + (d.v - d.v.detach())).square().flatten(1).sum(dim=1)


SLOPE_PRICE = right("E4", [
    check.squared_slope,
    lambda d, x: slopes(d, x).pow(2).sum(dim=(1, 2, 3)),
    lambda d, x: slopes(d, x).flatten(1).norm(dim=1) ** 2,
    lambda d, x: torch.einsum("bchw,bchw->b", slopes(d, x), slopes(d, x)),
    by_vmap,
    one_after_another,
])  # fmt: skip
NOT_SLOPE_PRICE = wrong("E4", {
    "the slope's length: square it": lambda d, x: slopes(d, x).flatten(1).norm(dim=1),
    "mean over the pixels": lambda d, x: slopes(d, x).square().flatten(1).mean(dim=1),
    "one number for the batch": [
        lambda d, x: slopes(d, x).square().sum(), lambda d, x: slopes(d, x).square().mean(),
        lambda d, x: slopes(d, x).flatten(1).square().sum(dim=1).mean()],
    "averaged before the gradient": [
        of_the_mean, lambda d, x: of_the_mean(d, x).sqrt()],
    "gradient penalty, (length - 1) squared":
        lambda d, x: (slopes(d, x).flatten(1).norm(dim=1) - 1).square(),
    "leave out the sigmoid": [
        of_the_probability, lambda d, x: of_the_probability(d, x).sqrt()],
    "square each pixel's first": [
        lambda d, x: slopes(d, x).flatten(1).sum(dim=1).square(),
        lambda d, x: slopes(d, x).flatten(1).sum(dim=1)],
    "Those are the slopes": slopes,
    "still one for each pixel": lambda d, x: slopes(d, x).square(),
    "the factor 1/2 comes later": lambda d, x: slopes(d, x).flatten(1).square().sum(dim=1) / 2,
    "Those are the logits": [lambda d, x: d(x), lambda d, x: d(x).square()],
    "x has no gradient of its own": without_leaf,
    "A gradient starts from one number": of_all_logits,
    "was shown another x": lambda d, x: asks_too_late(d, x.requires_grad_()),
    "nothing leads back to the discriminator's": [
        lambda d, x: slopes(d, x, create_graph=False).flatten(1).square().sum(dim=1),
        lambda d, x: slopes(d, x).detach().flatten(1).square().sum(dim=1)],
    "their gradient at the discriminator's weights is not": cut_off,
    "leaves gradients in the discriminator's weights": by_backward,
    "For the first image it gives": lambda d, x: 3 * slopes(d, x).flatten(1).square().sum(dim=1),
    "one value for each of the 4 images": lambda d, x: slopes(d, x).square().sum(dim=1),
    "stay with tensors":
        lambda d, x: slopes(d, x).flatten(1).square().sum(dim=1).detach().numpy(),
    "returns nothing": lambda d, x: None,
})  # fmt: skip


# --- E5.


def in_place_range(x):
    x *= 2
    x -= 1
    return x


GENERATOR_RANGE = right("E5", [
    lambda x: 2 * x - 1,
    lambda x: (x - 0.5) / 0.5,
    lambda x: x * 255 / 127.5 - 1,
    lambda x: (255 * x - 127.5) / 127.5,
    lambda x: x - (1 - x),
    lambda x: torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), x),
    lambda x: in_place_range(x.clone()),
])  # fmt: skip
NOT_GENERATOR_RANGE = wrong("E5", {
    "as they were": [lambda x: x, lambda x: x.clamp(-1, 1)],
    "That is [0, 2]": lambda x: 2 * x,
    "That is [-0.5, 0.5]": lambda x: x - 0.5,
    "That is [-1, 0]": lambda x: x - 1,
    "That is [-2, 0]": lambda x: 2 * (x - 1),
    "becomes 2.8, and a tanh ends at 1, so the rule \"a pixel above 1 is real\"":
        lambda x: (x - 0.1307) / 0.3081,
    "tells real from fake": [
        lambda x: (x - x.mean()) / x.std(),
        lambda x: (x - x.mean()) / x.std(correction=0),
        lambda x: (x - x.mean((1, 2, 3), True)) / x.flatten(1).std(1).view(-1, 1, 1, 1)],
    "Black and white are exchanged": lambda x: 1 - 2 * x,
    "in [0, 1] already": [lambda x: x / 255, lambda x: 2 * x / 255 - 1, lambda x: x / 127.5 - 1],
    "A tanh stands at the end": [torch.tanh, lambda x: (2 * x - 1).tanh()],
    "the way back": lambda x: (x + 1) / 2,
    "subtracts the mean": lambda x: x - x.mean(),
    "without black and white": lambda x: 2 * (x - x.min()) / (x.max() - x.min()) - 1,
    "0 becomes -1, 0.5 becomes -0.5 and 1 becomes 1": lambda x: 2 * x.square() - 1,
    "0 becomes -3, 0.5 becomes 0 and 1 becomes 3": lambda x: 6 * x - 3,
    "the shape stays, (4, 1, 28, 28)": [lambda x: (2 * x - 1).flatten(1), lambda x: x.mean(),
                                        lambda x: "white"],
    "stay with tensors": lambda x: (2 * x - 1).numpy(),
    "changes the images": [in_place_range, lambda x: x.mul_(2).sub_(1).clone()],
    "returns nothing": lambda x: None,
    "stopped with TypeError": lambda: 1,
})  # fmt: skip


# --- E7.


def reach(fake, k, skip=1):
    return torch.cdist(fake, fake).sort(dim=1).values[:, k - 1 + skip]


def one_by_one(real, fake, k):
    reached = 0
    radius = []
    for i in range(len(fake)):
        others = torch.cat([fake[:i], fake[i + 1 :]])
        radius.append((others - fake[i]).norm(dim=1).sort().values[k - 1])
    for point in real:
        if any(((fake - point).norm(dim=1) <= torch.stack(radius)).tolist()):
            reached += 1
    return reached / len(real)


def recall_with(hit, share=lambda inside: inside.any(dim=1).float().mean()):
    """hit: (real, fake, k) to a boolean matrix (n, m)."""
    return lambda real, fake, k: share(hit(real, fake, k))


def inside(real, fake, k):
    return torch.cdist(real, fake) <= reach(fake, k)


RECALL = right("E7", [
    recall_with(inside), one_by_one,
    lambda *given: check.neighbour_recall(*given),
    lambda *given: recall_with(inside)(*given).item(),
    lambda *given: recall_with(inside)(*given)[None],
    recall_with(lambda real, fake, k: torch.cdist(real, fake) < reach(fake, k)),
    recall_with(lambda real, fake, k: torch.cdist(real, fake)
                <= torch.cdist(fake, fake).topk(k + 1, largest=False).values[:, -1]),
    recall_with(lambda real, fake, k: torch.cdist(real, fake)
                <= torch.cdist(fake, fake).kthvalue(k + 1).values),
    recall_with(lambda real, fake, k: torch.cdist(real, fake)
                <= (torch.cdist(fake, fake) + torch.eye(len(fake)) * 1e9).sort().values[:, k - 1]),
    recall_with(lambda real, fake, k: (real[:, None] - fake).square().sum(2)
                <= reach(fake, k).square()),
    recall_with(lambda real, fake, k: (torch.cdist(fake, real) <= reach(fake, k)[:, None]).T),
])  # fmt: skip
NOT_RECALL = wrong("E7", {
    "That is precision": lambda real, fake, k: check.neighbour_recall(fake, real, k),
    "its own nearest neighbour": recall_with(
        lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k, skip=0)),
    "reaches to neighbour k + 1": recall_with(
        lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k, skip=2)),
    "share one radius": [
        recall_with(lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k).mean()),
        recall_with(lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k).max()),
        recall_with(lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k).min()),
        recall_with(lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k).median())],
    "`any` instead of `all`": recall_with(inside, lambda hit: hit.all(dim=1).float().mean()),
    "You count the fakes that reach": recall_with(
        inside, lambda hit: hit.any(dim=0).float().mean()),
    "the mean over all pairs": recall_with(inside, lambda hit: hit.float().mean()),
    "`any` instead of `sum`": [
        recall_with(inside, lambda hit: hit.sum(dim=1).float().mean()),
        lambda real, fake, k: inside(real, fake, k).sum(1).float().mean() / k],
    "in per cent": recall_with(inside, lambda hit: 100 * hit.any(dim=1).float().mean()),
    "the number of real points": [
        recall_with(inside, lambda hit: hit.any(dim=1).sum()),
        lambda real, fake, k: inside(real, fake, k).any(dim=1).sum() / len(fake)],
    "that no fake reaches": recall_with(inside, lambda hit: (~hit.any(dim=1)).float().mean()),
    "A squared distance": [
        recall_with(lambda real, fake, k: torch.cdist(real, fake).square() <= reach(fake, k)),
        recall_with(lambda real, fake, k: torch.cdist(real, fake) <= reach(fake, k).square())],
    "The radii are those of the real points": recall_with(
        lambda real, fake, k: torch.cdist(real, fake) <= reach(real, k)[:, None]),
    "is measured to the real points": recall_with(
        lambda real, fake, k: torch.cdist(real, fake)
        <= torch.cdist(real, fake).kthvalue(k, dim=0).values),
    "You ask only the nearest fake": lambda real, fake, k: inside(real, fake, k).gather(
        1, torch.cdist(real, fake).argmin(1, True)).float().mean(),
    "the share is `.float().mean()`": [
        recall_with(inside, lambda hit: hit.any(dim=1)),
        recall_with(inside, lambda hit: hit.any(dim=1).mean()),
        recall_with(inside, lambda hit: hit.any(dim=1).tolist())],
    "fakes and k = 1 it gives 1 and not": lambda real, fake, k: 1.0,
    "60 real points, 45 fakes and k = 3": lambda real, fake, k: check.neighbour_recall(
        real, fake, 1),
    "one number is needed, a share": [recall_with(inside, lambda hit: hit),
                                      lambda real, fake, k: (0.5, 0.5), lambda *given: "all"],
    "changes the features": [
        lambda real, fake, k: check.neighbour_recall(real.mul_(2), fake * 2, k),
        lambda real, fake, k: check.neighbour_recall(real, fake.sub_(fake.mean(dim=0)), k)],
    "returns nothing": lambda real, fake, k: None,
    "stopped with TypeError": lambda real, fake: 1.0,
})  # fmt: skip


# --- E8.


def one_hot(y, columns=10):
    return F.one_hot(y, num_classes=columns).float()


def by_scatter(z, y):
    label = torch.zeros(len(z), 10)
    label[torch.arange(len(z)), y] = 1
    return torch.hstack((z, label))


def in_place_condition(z, y):
    label = one_hot(y)
    y += 1
    return torch.cat([z, label], 1)


def random_label(z, y):
    return torch.cat([z, one_hot(torch.randint_like(y, 10))], dim=1)


CONDITION = right("E8", [
    lambda z, y: torch.cat([z, F.one_hot(y, 10)], dim=1),
    lambda z, y: torch.cat((z, torch.eye(10)[y]), dim=-1),
    lambda z, y: torch.cat([z, (y[:, None] == torch.arange(10)).float()], dim=1),
    lambda z, y: torch.cat([z, torch.zeros(len(z), 10).scatter(1, y[:, None], 1.0)], 1),
    by_scatter,
])  # fmt: skip
NOT_CONDITION = wrong("E8", {
    "The label is left out": lambda z, y: z,
    "is added to the noise": lambda z, y: z + y[:, None],
    "is multiplied by the label": lambda z, y: z * y[:, None],
    "the label alone": lambda z, y: one_hot(y),
    "one column, a number": [lambda z, y: torch.cat([z, y[:, None]], dim=1),
                             lambda z, y: torch.cat([z, y[:, None] / 9], dim=1)],
    "8 columns, because the greatest one": lambda z, y: torch.cat([z, F.one_hot(y)], dim=1),
    "It has 15 columns": lambda z, y: torch.cat([z, one_hot(y, 11)], dim=1),
    "It has 4 columns": lambda z, y: z + nn.Embedding(10, 4)(y),
    "make (6, 14)": [lambda z, y: torch.cat([z, one_hot(y)], dim=1).flatten(),
                     lambda z, y: torch.cat([z, one_hot(y)], dim=1)[0],
                     lambda z, y: torch.cat([z, one_hot(y)], dim=1)[None]],
    "The label comes first": lambda z, y: torch.cat([one_hot(y), z], dim=1),
    "torch.int64, which cuts the noise": lambda z, y: torch.cat([z.long(), F.one_hot(y, 10)], 1),
    "torch.float64 and the generator's": lambda z, y: torch.cat([z, one_hot(y).double()], 1),
    "first 4 columns are not z": lambda z, y: torch.cat([torch.randn_like(z), one_hot(y)], dim=1),
    "the same in every row": [lambda z, y: torch.cat([z, torch.zeros(6, 10)], dim=1),
                              lambda z, y: torch.cat([z, one_hot(y)[:1].expand(6, 10)], dim=1)],
    "use y itself": random_label,
    "label 3 the 1 stands in column 4": lambda z, y: torch.cat([z, one_hot((y + 1) % 10)], dim=1),
    "are not one-hot": [lambda z, y: torch.cat([z, 2 * one_hot(y)], dim=1),
                        lambda z, y: torch.cat([z, nn.Embedding(10, 10)(y)], dim=1),
                        lambda z, y: torch.cat([z, one_hot(y).clamp(min=0.1)], dim=1),
                        lambda z, y: torch.cat([z, y[:, None].expand(6, 10)], dim=1)],
    "below each other": lambda z, y: torch.cat([z, one_hot(y)]),
    "not for a single one, with label 9": lambda z, y: torch.cat([z, one_hot(y % 9)], dim=1),
    "changes the noise or the labels": [
        in_place_condition, lambda z, y: torch.cat([z.mul_(1.1) / 1.1, one_hot(y)], 1)],
    "a tensor of shape (6, 14) is needed": [
        lambda z, y: (z, one_hot(y)), lambda z, y: torch.cat([z, one_hot(y)], 1).tolist()],
    "returns nothing": lambda z, y: None,
    "stopped with RuntimeError: Tensors must have same": lambda z, y: torch.cat([z, y], dim=1),
})  # fmt: skip


# --- All of them.


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        *GAME_STEP, *OPTIMAL_DISCRIMINATOR, *GAN_STEP, *SLOPE_PRICE, *GENERATOR_RANGE, *RECALL,
        *CONDITION,
    ],
)  # fmt: skip
def test_a_right_answer_is_accepted_and_used(exercise, answer, capsys):
    assert_accepted(CHECKS, exercise, answer, capsys)


@pytest.mark.parametrize(
    ("exercise", "answer", "hint"),
    [
        *NOT_GAME_STEP, *NOT_OPTIMAL_DISCRIMINATOR, *NOT_GAN_STEP, *NOT_SLOPE_PRICE,
        *NOT_GENERATOR_RANGE, *NOT_RECALL, *NOT_CONDITION,
    ],
)  # fmt: skip
def test_a_wrong_answer_gets_its_own_hint_and_the_course_goes_on(exercise, answer, hint, capsys):
    assert_named(CHECKS, exercise, answer, hint, capsys)


@pytest.mark.parametrize("exercise", CHECKS)
def test_a_blank_is_not_a_mistake(exercise, capsys):
    run, own = CHECKS[exercise]
    blanks = [lambda *given: (..., ...)] if exercise == "E1" else []
    blanks += [lambda *given: None] if exercise == "E3" else []
    for blank in (*blanks, lambda *given: ..., None, ...):
        assert run(blank) is own
        assert capsys.readouterr().out == (
            f"{exercise}. Not attempted yet. The notebook goes on with the course's version.\n"
        )


@pytest.mark.parametrize("exercise", CHECKS)
def test_the_course_answer_is_right(exercise, capsys):
    run, own = CHECKS[exercise]
    assert run(own) is own
    assert capsys.readouterr().out.startswith(f"{exercise}. Right. ")


def test_a_step_that_draws_its_noise_and_no_more_is_a_blank(capsys):
    def blank(generator, discriminator, g_optimizer, d_optimizer, x):
        torch.randn(len(x), generator.latent_dim)
        d_optimizer.zero_grad()

    def returns_the_blank(generator, discriminator, g_optimizer, d_optimizer, x):
        generator(normal(x, generator))
        return ...

    for answer in (blank, returns_the_blank):
        assert check.gan_step(answer) is check.course_gan_step
        assert "Not attempted yet" in capsys.readouterr().out


def test_the_numbers_in_a_verdict_do_not_depend_on_what_was_drawn_before(capsys):
    said = set()
    for seed in range(3):
        torch.manual_seed(seed)
        check.gan_step(step(draw=lambda x, g: 2 * torch.randn(len(x), g.latent_dim)))
        said.add(capsys.readouterr().out)
    assert len(said) == 1


def test_a_step_that_wastes_work_is_told_so_and_no_other_is(capsys):
    for answer in (p.values[1] for p in GAN_STEP):
        check.gan_step(answer)
        told = "would save its loss the way back" in capsys.readouterr().out
        assert told == any(answer is wasteful for wasteful in WASTEFUL)


def test_a_step_that_moves_the_generator_first_is_right_and_told_so_and_no_other_is(capsys):
    for answer in (p.values[1] for p in GAN_STEP):
        check.gan_step(answer)
        told = "The generator moves first here" in capsys.readouterr().out
        assert told == (answer is generator_first)


def test_the_faults_of_the_copied_loop_are_named_one_after_the_other(capsys):
    one_column = {"labels": lambda n: (n, 1)}
    stages = [
        ({"size": 128, **one_column}, "The labels have another shape"),
        ({"size": 128}, "Nothing learns"),
        ({"size": 128, "steps": "d"}, "The generator never learns"),
        ({"size": 128, "steps": "dg"}, "Nobody clears the gradients"),
        ({"size": 128, "steps": "dg", "zero": "g"}, "discriminator's gradients of the batch"),
        ({"size": 128, "steps": "dg", "zero": "dg"}, "the last batch is smaller"),
        ({"steps": "dg", "zero": "dg"}, "E3. Right."),
    ]
    for repaired, expected in stages:
        check.gan_step(seed_loop(**repaired))
        assert expected in capsys.readouterr().out


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


@pytest.mark.parametrize("other", [1, 2, 3])
def test_the_verdict_on_a_step_holds_at_other_random_numbers(other, monkeypatch, capsys):
    """The same seed gives other numbers on a GPU."""
    seed = torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda number: seed(number + other))
    for _, answer in (p.values for p in GAN_STEP):
        check.gan_step(answer)
        assert capsys.readouterr().out.startswith("E3. Right. ")
    for _, answer, hint in (p.values for p in NOT_GAN_STEP):
        check.gan_step(answer)
        assert hint in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ask", "key", "hints", "letters"),
    [
        (check.dashboards, check.DASHBOARDS, check._DASHBOARD_HINTS, "abcde"),
        (
            check.repairs,
            check.REPAIRS,
            check._REPAIR_HINTS,
            ("nothing", "price", "range", "rate", "loss"),
        ),
        (check.quiz, check.QUIZ, check._QUIZ_HINTS, "abcd"),
    ],
)
def test_every_wrong_letter_has_a_hint_of_its_own(ask, key, hints, letters, capsys):
    ask(dict.fromkeys(key))
    assert "Not attempted yet" in capsys.readouterr().out
    ask(key)
    assert f"Right. All {len(key)}." in capsys.readouterr().out
    assert hints.keys() == key.keys()
    for question, of_letters in hints.items():
        assert len({*of_letters.values()}) == len(letters) - 1
        assert {*of_letters, key[question]} == {*letters} and key[question] not in of_letters
        for letter, hint in of_letters.items():
            ask(key | {question: letter})
            assert hint in capsys.readouterr().out


def test_the_keys_of_the_letters():
    assert check.DASHBOARDS == {"run 1": "c", "run 2": "a", "run 3": "d", "run 4": "e"}
    assert check.QUIZ == {"1": "b", "2": "c", "3": "a", "4": "d", "5": "c", "6": "b"}
    assert check.REPAIRS == {"run 1": "price", "run 2": "nothing", "run 3": "range",
                             "run 4": "rate"}  # fmt: skip


def test_every_known_loss_of_the_step_has_a_gradient_of_its_own():
    """Otherwise one fault would be named as another, or a wrong step accepted."""
    torch.manual_seed(0)
    game = check.Game()
    game.play(check.course_gan_step, check.FULL)
    real = game.discriminator.logits(game.x)
    fake = game.discriminator.logits(game.generator.images(game.generator.noise[0]))
    other = game.discriminator.logits(game.generator.images(torch.randn(check.FULL, 5)))
    for network, faults, correct in (
        (game.discriminator, check._D_FAULTS, check._right_d),
        (game.generator, check._G_FAULTS, check._right_g),
    ):
        directions = []
        for loss in (correct, *(loss for losses in faults.values() for loss in losses)):
            parts = torch.autograd.grad(
                loss(real, fake, other), [*network.parameters()], retain_graph=True
            )
            gradient = torch.cat([p.flatten() for p in parts]).double()
            directions.append(gradient / gradient.norm())
        distance = torch.pdist(torch.stack(directions))
        assert distance.min() > 0.01, "ten times what counts as equal"


def test_the_stub_discriminator_gives_logits_that_a_loss_of_probabilities_survives():
    critic = check.Critic()
    for images in (torch.zeros(2, 1, 28, 28), torch.ones(2, 1, 28, 28)):
        assert 0 < critic(images).min() <= critic(images).max() < 1


def test_the_course_step_moves_both_networks_down_their_own_losses():
    torch.manual_seed(0)
    generator, discriminator = gan.Generator(4, width=2), gan.Discriminator(width=2)
    generator.latent_dim, rate = 4, 0.1
    g_optimizer = torch.optim.SGD(generator.parameters(), lr=rate)
    d_optimizer = torch.optim.SGD(discriminator.parameters(), lr=rate)
    x = torch.rand(7, 1, 28, 28)
    torch.manual_seed(3)
    fake = generator(torch.randn(7, 4))
    d_loss = bce(discriminator(x), torch.ones(7)) + bce(discriminator(fake), torch.zeros(7))
    d_weights = [*discriminator.parameters()]
    slopes = torch.autograd.grad(d_loss, d_weights, retain_graph=True)
    d_expected = [w - rate * s for w, s in zip(d_weights, slopes, strict=True)]
    names = [name for name, _ in discriminator.named_parameters()]
    updated = dict(zip(names, d_expected, strict=True))
    logits = torch.func.functional_call(discriminator, updated, (fake,))
    g_weights = [*generator.parameters()]
    slopes = torch.autograd.grad(bce(logits, torch.ones(7)), g_weights)
    g_expected = [w - rate * s for w, s in zip(g_weights, slopes, strict=True)]
    d_expected, g_expected = ([w.detach().clone() for w in ws] for ws in (d_expected, g_expected))

    torch.manual_seed(3)
    check.course_gan_step(generator, discriminator, g_optimizer, d_optimizer, x)
    for network, expected in ((discriminator, d_expected), (generator, g_expected)):
        torch.testing.assert_close([w.detach() for w in network.parameters()], expected)


def test_no_point_of_the_recall_sets_lies_on_the_edge_of_a_radius():
    """So that < and <=, and the rounding of torch.cdist, make no difference."""
    for real, fake, k in check._recall_cases():
        outside = torch.cdist(real.double(), fake.double()) - reach(fake.double(), k)
        assert outside.min(dim=1).values.abs().min() > 1e-3


def test_recall_sees_the_missing_mode_and_precision_does_not():
    real, fake, k = check._recall_cases()[-1]
    recall, precision, _ = check._shares(real, fake, k)
    assert 0.7 < recall <= 0.75 and precision > 0.9


def test_the_course_recall_is_that_of_the_evaluation():
    torch.manual_seed(0)
    real, fake = torch.randn(50, 3), 0.6 * torch.randn(50, 3)
    for k in (1, 4):
        expected = evaluation.precision_recall(real, fake, k=k)
        assert check.neighbour_recall(real, fake, k) == pytest.approx(expected.recall)
        recall, precision, _ = check._shares(real, fake, k)
        assert recall.item() == pytest.approx(expected.recall)
        assert precision.item() == pytest.approx(expected.precision)


def test_the_game_step_is_the_gradient_step_of_the_game():
    x, y = torch.tensor(0.7, requires_grad=True), torch.tensor(-1.2, requires_grad=True)
    by_x, by_y = torch.autograd.grad(x * y, (x, y))
    expected = (x - 0.2 * by_x).item(), (y + 0.2 * by_y).item()
    assert check.simultaneous_step(0.7, -1.2, 0.2) == pytest.approx(expected)
    assert math.hypot(*expected) > math.hypot(0.7, -1.2), "the orbit goes outwards"


def test_the_share_of_data_is_the_best_discriminator():
    p, q = torch.tensor([0.4, 0.1, 0.0]), torch.tensor([0.1, 0.3, 0.2])
    d = torch.full((3,), 0.5).logit().requires_grad_()
    optimizer = torch.optim.Adam([d], lr=0.1)
    for _ in range(500):
        optimizer.zero_grad()
        (p * softplus(-d) + q * softplus(d)).sum().backward()
        optimizer.step()
    torch.testing.assert_close(d.sigmoid().detach(), check.share_of_data(p, q), atol=5e-3, rtol=0)


def test_the_anonymous_runs_have_the_faults_that_the_answers_name():
    runs = dict(zip(check.DASHBOARDS.values(), check.ANONYMOUS_FAULTS, strict=True))
    assert runs["a"] == {}, "nothing is wrong with it"
    x = torch.rand(50, 1, 28, 28)
    assert [name for name, fault in runs.items() if "change" in fault] == ["d"]
    assert runs["d"]["change"](x).max() > 2, "no forger with pixels up to 1 can follow"
    assert runs["c"]["price"] == 0, "nothing holds the critic back"
    g, d = runs["e"]["rates"]
    assert d <= g / 100, "a critic that stays behind"
