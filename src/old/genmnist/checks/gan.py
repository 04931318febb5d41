"""The checks of notebook 3: each knows the wrong answers that people give."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmnist import gan
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


@contextlib.contextmanager
def _explained(errors: Mapping[str, str]) -> Iterator[None]:
    """Turn an error of torch that says little into a Mistake; errors: its words -> a sentence."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        for words, sentence in errors.items():
            if words in str(error):
                raise Mistake(sentence) from None
        raise


# -- E1 ------------------------------------------------------------------------------------------

GameStep = Callable[[float, float, float], tuple[float, float]]
_PLACES = ((1.5, -0.7, 0.3), (-2.0, 0.6, 0.1), (0.4, 1.3, 0.5))  # x, y, rate


def simultaneous_step(x: float, y: float, rate: float) -> tuple[float, float]:
    """One gradient step in V = x y, down for x and up for y, both from the same place."""
    return x - rate * y, y + rate * x


def game_step(answer: GameStep) -> GameStep:
    """E1.  (x, y, rate) to (x_new, y_new): x makes V = x y smaller, y makes it larger, at once."""
    return judge_answer("E1", answer, simultaneous_step, _examine_game_step)


def _examine_game_step(answer: GameStep) -> str:
    found = torch.stack([_pair(called(answer, *place)) for place in _PLACES])
    x, y, r = torch.tensor(_PLACES, dtype=torch.float64).T
    down, up = x - r * y, y + r * x  # of x, of y

    def both(a: Tensor, b: Tensor) -> Tensor:
        return torch.stack((a, b), dim=1)

    if close(found, both(down, up)):
        return "x goes down the slope of V, y goes up, both from where they stood."
    raise_if_known(
        found,
        {
            "y moves with the new x: both step at once, so take the old x for it.":
                both(down, y + r * down),
            "x moves with the new y: both step at once, so take the old y for it.":
                both(x - r * up, up),
            "Both go down: y wants V large, so it goes up, y + rate * x.": both(down, y - r * x),
            "Both go up: x wants V small, so it goes down, x - rate * y.": both(x + r * y, up),
            "The roles are swapped: x wants V small and goes down, y wants it large and goes up.":
                both(x + r * y, y - r * x),
            "Each moves along its own value: the slope of V = x y along x is y, and along y it is "
            "x.": (both(x - r * x, y + r * y), both(x + r * x, y - r * y),
                   both(x - r * x, y - r * y), both(x + r * x, y + r * y)),
            "The rate is missing: a step is rate times the slope, for x and for y.":
                (both(x - y, y + x), both(x - y, up), both(down, y + x)),
            "Only x moves: y makes its step, too, y + rate * x.": both(down, y),
            "Only y moves: x makes its step, too, x - rate * y.": both(x, up),
            "Nothing moves: return the new x and the new y.": both(x, y),
            "The two come in the wrong order: return the new x first, then the new y.":
                both(up, down),
            "That is the step alone: add it to x and to y.": both(-r * y, r * x),
            "Those are the slopes alone: go a step of rate times the slope from x and from y.":
                (both(y, x), both(-y, x)),
        },
    )  # fmt: skip
    wrong = next(i for i in range(3) if not close(found[i], both(down, up)[i]))
    place = "At x = {}, y = {} and rate = {}".format(*_PLACES[wrong])
    raise Mistake(
        f"{place} it gives ({found[wrong, 0]:.3g}, {found[wrong, 1]:.3g}) and not "
        f"({down[wrong]:.3g}, {up[wrong]:.3g}): the slope of V = x y along x is y, along y it is x."
    )


def _pair(result: object) -> Tensor:
    """What a step returned, as two numbers, (2,)."""
    if isinstance(result, (tuple, list)) and any(value is ... for value in result):
        if all(value is ... for value in result):
            raise NotAttempted
        raise Mistake("One of the two is still the blank: both x and y move.")
    numbers = as_numbers(result)
    if numbers is not None and numbers.numel() == 1:
        raise Mistake("It returns one number: return both, `return x_new, y_new`.")
    if numbers is None or numbers.shape != (2,):
        raise Mistake(f"It gives {described(result)}: two numbers are needed, the new x and the "
                      "new y.")  # fmt: skip
    return numbers


# -- E2 ------------------------------------------------------------------------------------------

Densities = Callable[[Tensor, Tensor], Tensor]


def share_of_data(p_data: Tensor, p_model: Tensor) -> Tensor:
    """D*(x) = p_data(x) / (p_data(x) + p_model(x)).  (n,), (n,) -> (n,)"""
    return p_data / (p_data + p_model)


def optimal_discriminator(answer: Densities) -> Densities:
    """E2.  Densities p_data and p_model at n points, (n,), to the best D at each, (n,)."""
    return judge_answer("E2", answer, share_of_data, _examine_optimal_discriminator)


def _examine_optimal_discriminator(answer: Densities) -> str:
    device = default_device()
    p = torch.tensor([0.40, 0.10, 0.02, 0.30, 0.05, 0.21, 0.16], device=device)
    q = torch.tensor([0.10, 0.25, 0.31, 0.30, 0.11, 0.03, 0.07], device=device)
    result = called_on_copies(answer, p, q, what="densities")
    right = p / (p + q)
    if not close(result, right):
        raise_if_known(
            result,
            {
                "That is the model's share, 1 - D*: D says how likely real is, so p_data stands "
                "on top.": q / (p + q),
                "That is the ratio of the two, which has no upper end: D* is p_data's share of the "
                "sum.": (p / q, q / p),
                "That is the log ratio, the logit of D*: its sigmoid is D*.": (p / q).log(),
                "That is the log ratio turned round: log p_data - log p_model is the logit of D*, "
                "and its sigmoid is D*.": (q / p).log(),
                "That is p_data alone: divide it by p_data + p_model.": p,
                "That is p_model alone: D* is p_data's share of the sum.": q,
                "That is the difference: D* is p_data's share of the sum, between 0 and 1.":
                    (p - q, q - p),
                "That is the sigmoid of the difference of the densities: of their logarithms it "
                "would be right.": (p - q).sigmoid(),
                "1/2 everywhere is right only where the two densities are equal, which is what "
                "the generator would like.": (torch.full_like(p, 0.5), torch.tensor(0.5)),
                "That decides, 0 or 1: D* is a probability, p_data's share of the sum.":
                    (p > q, p >= q, q > p, q >= p),
                "That divides by a sum over all the points: each point has a sum of its own, "
                "p_data + p_model.": (p / p.sum(), p / (p + q).sum(), p.softmax(dim=0),
                                      (p - q).softmax(dim=0)),
                "That divides by the mean of the two densities: divide by their sum.":
                    2 * p / (p + q),
            },
        )  # fmt: skip
        numbers = as_numbers(result)
        if numbers is None or numbers.shape != p.shape:
            raise Mistake(f"It gives {described(result)}: one value for each of the {len(p)} "
                          "points is needed.")  # fmt: skip
        raise Mistake(f"Where p_data is {p[0]:g} and p_model {q[0]:g}, it gives {numbers[0]:.3g}: "
                      "D* is p_data's share of the sum of the two.")  # fmt: skip
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}: stay with tensors.")
    edges = answer(torch.tensor([0.0, 0.3, 0.2], device=device),
                   torch.tensor([0.4, 0.0, 0.2], device=device))  # fmt: skip
    if not close(edges, torch.tensor([0.0, 1.0, 0.5])):
        raise Mistake(
            "Where p_data alone is 0, D* is 0, and where p_model alone is 0, it is 1: there your "
            f"function gives {edges[0]:.3g} and {edges[1]:.3g}."
        )
    return "At each point, the share of the real images among all that lie there."


# -- E3 ------------------------------------------------------------------------------------------

Optimizer = torch.optim.Optimizer
GanStep = Callable[[nn.Module, nn.Module, Optimizer, Optimizer, Tensor], object]


def course_gan_step(
    generator: nn.Module,
    discriminator: nn.Module,
    g_optimizer: Optimizer,
    d_optimizer: Optimizer,
    x: Tensor,
) -> None:
    """One update of the discriminator on x, (b, 1, 28, 28), and b fakes; then one of the generator.

    `generator.latent_dim` is the length of the noise.
    """
    fake = generator(torch.randn(len(x), generator.latent_dim, device=x.device))

    d_loss = gan.discriminator_loss(discriminator(x), discriminator(fake.detach())).mean()
    d_optimizer.zero_grad()
    d_loss.backward()
    d_optimizer.step()

    g_loss = gan.generator_loss(discriminator(fake)).mean()
    g_optimizer.zero_grad()
    g_loss.backward()
    g_optimizer.step()


STALE = 1e8  # a gradient that no batch has: stands where a step has used one, to be seen again
FULL, LAST = 64, 5  # images in a batch, and in the last one


class Forger(nn.Module):
    """A generator of ten weights that notes its noise.  (b, 5) -> (b, 1, 28, 28) in [0, 1]"""

    latent_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-0.9, 1.1, 10).view(5, 2).sin())
        self.noise: list[Tensor] = []
        self.ways_back = 0  # how often a gradient came back through its images

    def images(self, z: Tensor) -> Tensor:
        halves = (z @ self.weight).sigmoid()  # (b, 2), the grey of the left and the right half
        rows = halves.repeat_interleave(14, dim=1).view(-1, 1, 1, 28)
        return rows.repeat(1, 1, 28, 1)

    def forward(self, z: Tensor) -> Tensor:
        if z.device != self.weight.device:
            raise Mistake(f"The noise lies on {z.device.type} and the generator on "
                          f"{self.weight.device.type}: `torch.randn(…, device=x.device)`."
            )  # fmt: skip
        if z.dim() != 2 or z.shape[1] != self.latent_dim:
            raise Mistake(
                f"The generator is given noise of shape {tuple(z.shape)}, and this one takes "
                f"(b, {self.latent_dim}): `torch.randn(len(x), generator.latent_dim)`."
            )
        self.noise.append(z.detach().clone())
        images = self.images(z)
        if images.requires_grad:
            images.register_hook(self._note_way_back)
        return images

    def _note_way_back(self, _: Tensor) -> None:
        self.ways_back += 1


class Critic(nn.Module):
    """A discriminator of three weights that notes its images.  (b, 1, 28, 28) -> logits (b,)

    Its logits lie between 0 and 1: a loss that wants probabilities must not stop on them, because
    on a GPU that would end the session.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.6, 0.2]))
        self.bias = nn.Parameter(torch.tensor(0.1))
        self.judged: list[Tensor] = []

    def logits(self, x: Tensor) -> Tensor:
        return x.unflatten(3, (2, 14)).mean(dim=(1, 2, 4)) @ self.weight + self.bias

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (1, 28, 28):
            raise Mistake(f"The discriminator is given {tuple(x.shape)}: images are wanted, "
                          "(b, 1, 28, 28).")  # fmt: skip
        self.judged.append(x.detach().clone())
        return self.logits(x)


class Notes(torch.optim.SGD):
    """An optimizer that notes the gradients that its steps see, and makes them STALE.

    It moves no weight, but writes each in place as every optimizer does, so that a loss from before
    the step cannot be used after it.
    """

    def __init__(self, network: nn.Module, order: list[Notes]) -> None:
        super().__init__(network.parameters(), lr=0.0)
        self.steps: list[Tensor] = []
        self.order = order  # shared: who steps when

    @torch.no_grad()
    def step(self, closure: object = None) -> None:
        self.order.append(self)
        weights = self.param_groups[0]["params"]
        grads = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
        self.steps.append(torch.cat([g.flatten() for g in grads]).clone())
        for weight in weights:
            if weight.grad is not None:
                weight.add_(0)
                weight.grad = torch.full_like(weight, STALE)


class Game:
    """The networks and optimizers that a step is tried on."""

    def __init__(self) -> None:
        self.generator, self.discriminator = Forger(), Critic()
        self.networks = nn.ModuleList([self.generator, self.discriminator]).to(default_device())
        self.order: list[Notes] = []
        self.g_optimizer = Notes(self.generator, self.order)
        self.d_optimizer = Notes(self.discriminator, self.order)

    def play(self, answer: GanStep, b: int) -> None:
        """Call the step on b images, x, and note what it does, in place of the call before."""
        x = torch.rand(b, 1, 28, 28).pow(3)
        x[..., 14:] *= 0.2  # unlike the fakes: dark, and darker on the right
        self.x = x.to(default_device())
        g, d, g_opt, d_opt = self.generator, self.discriminator, self.g_optimizer, self.d_optimizer
        g.noise, d.judged, g_opt.steps, d_opt.steps, g.ways_back = [], [], [], [], 0
        self.order.clear()
        with _explained(_ERRORS):
            result = answer(g, d, g_opt, d_opt, self.x.clone())
        if result is ... or not (g.noise or d.judged or g_opt.steps or d_opt.steps):
            raise NotAttempted

    def mark_leftovers(self) -> None:
        """Write -STALE for gradients that came after their step: the other loss left them."""
        for weight in self.networks.parameters():
            if weight.grad is not None and 0 < weight.grad.abs().max() < STALE / 2:
                weight.grad = torch.full_like(weight, -STALE)


_DETACH = (
    "The discriminator's loss reaches the generator, and its gradient is added to the generator's "
    "own: in the discriminator's update use `fake.detach()`."
)
_LEAK = (
    "The generator's loss fills the discriminator's gradients as well, and d_optimizer steps with "
    "them: `d_optimizer.zero_grad()` right before `d_loss.backward()`."
)
_ERRORS = {
    "backward through the graph a second time": "`d_loss.backward()` goes back through the "
        "generator and uses up that graph, so the generator's loss cannot: in the discriminator's "
        "update use `fake.detach()`, and ask `discriminator(fake)` anew for the generator's.",
    "modified by an inplace operation": "The generator's loss uses logits from before "
        "`d_optimizer.step()`, which has changed the weights since: ask `discriminator(fake)` "
        "anew after it.",
    "does not require grad": "There is no way back from a loss: leave out `torch.no_grad()` and "
        "`.item()` (`fake.detach()` is all that has to be cut, in the discriminator's update).",
    "arget size": "The labels have another shape than the logits, which are one for each image, "
        "(b,): `torch.ones_like(logits)` always has the right one.",
}  # fmt: skip


def gan_step(answer: GanStep) -> GanStep:
    """E3.  (generator, discriminator, g_optimizer, d_optimizer, x) to one update of each.

    x: (b, 1, 28, 28) in [0, 1].  The discriminator gives logits, (b,).
    """
    return judge_answer("E3", answer, course_gan_step, _examine_gan_step)


def _examine_gan_step(answer: GanStep) -> str:
    torch.manual_seed(0)
    b, game = _own_batch_size(answer), Game()
    game.play(answer, b)
    _examine_steps(game)
    game.mark_leftovers()
    first_noise, ways_back = game.generator.noise, game.generator.ways_back
    game.play(answer, b)
    _examine_steps(game)
    _examine_leftovers(game.d_optimizer.steps[0], game.g_optimizer.steps[0])
    _examine_number_of_fakes(game)
    _examine_noise(first_noise[0], torch.cat(game.generator.noise))
    _examine_gradients(game)
    try:
        game.play(answer, LAST)
    except Exception:
        raise Mistake(f"With {b} images it works, with {LAST} it stops: the last batch is smaller, "
                      "so take `len(x)` for the noise and the labels.") from None  # fmt: skip
    _examine_steps(game)
    _examine_number_of_fakes(game)
    _examine_gradients(game)
    text = "Each network steps once, on the gradient of its own mean loss, and in a last batch too."
    if ways_back > 1:
        text += (" `fake.detach()` in the discriminator's update would save its loss the way back "
                 "through the generator.")  # fmt: skip
    if game.order[0] is game.g_optimizer:
        text += (" (The generator moves first here, so it answers to the discriminator of the "
                 "batch before. The course moves the discriminator first.)")  # fmt: skip
    return text


def _own_batch_size(answer: GanStep) -> int:
    """The number of fakes that the step makes whatever it is given, or else FULL.

    With batches of that size its other faults show, which come before this one.
    """
    game = Game()
    with contextlib.suppress(Exception):
        game.play(answer, FULL)
    drawn = len(game.generator.noise[0]) if game.generator.noise else FULL
    return drawn if 8 <= drawn <= 4096 else FULL


def _examine_steps(game: Game) -> None:
    d, g = len(game.d_optimizer.steps), len(game.g_optimizer.steps)
    if d == g == 0:
        raise Mistake("Nothing learns: `backward()` computes gradients, and only "
                      "`d_optimizer.step()` and `g_optimizer.step()` move weights.")  # fmt: skip
    if 0 in (d, g) and d + g > 1:
        raise Mistake(f"Both updates are made by {'d' if d else 'g'}_optimizer: d_optimizer has "
                      "the discriminator's weights, g_optimizer the generator's.")  # fmt: skip
    if d == 0:
        raise Mistake("The discriminator never learns: `d_optimizer.step()` after "
                      "`d_loss.backward()`.")  # fmt: skip
    if g == 0:
        raise Mistake("The generator never learns: `g_optimizer.step()` after `g_loss.backward()`.")
    if d > 1 or g > 1:
        raise Mistake(f"d_optimizer makes {d} and g_optimizer {g} steps: one of each for a batch.")
    if not game.generator.noise:
        raise Mistake("The generator is never asked: fake = generator(z), with noise z.")
    if not game.discriminator.judged:
        raise Mistake("The discriminator is never asked: it gives the logits for both losses.")
    if not game.d_optimizer.steps[0].any():
        raise Mistake("`d_optimizer.step()` sees no gradient: `d_loss.backward()` comes before it, "
                      "and no `zero_grad()` between the two.")  # fmt: skip
    if game.g_optimizer.steps[0].any():
        return
    if game.generator.ways_back == 0:
        raise Mistake("No gradient reaches the generator: `g_loss.backward()` before "
                      "`g_optimizer.step()`, and in g_loss a fake without `detach()` and "
                      "`no_grad()`.")  # fmt: skip
    raise Mistake("`g_optimizer.step()` sees no gradient: it comes after `g_loss.backward()`, with "
                  "no `zero_grad()` between. Or are the two optimizers swapped?")  # fmt: skip


def _examine_leftovers(d: Tensor, g: Tensor) -> None:
    """Look for what the first call left, in the gradients that the second call's steps saw."""
    d_old, g_old = d.max() > STALE / 2, g.max() > STALE / 2
    if d_old and g_old:
        raise Mistake("Nobody clears the gradients, so those of all earlier batches are added up: "
                      "`zero_grad()` of each optimizer before its `backward()`.")  # fmt: skip
    if d_old:
        raise Mistake("The discriminator's gradients of the batch before are still there: "
                      "`d_optimizer.zero_grad()` before `d_loss.backward()`.")  # fmt: skip
    if g_old:
        raise Mistake("The generator's gradients of the batch before are still there: "
                      "`g_optimizer.zero_grad()` before `g_loss.backward()`.")  # fmt: skip
    if d.min() < -STALE / 2:
        raise Mistake(_LEAK)
    if g.min() < -STALE / 2:
        raise Mistake(_DETACH)


def _examine_number_of_fakes(game: Game) -> None:
    b = len(game.x)
    for z in game.generator.noise:
        if len(z) != b:
            raise Mistake(f"For {b} images it draws noise for {len(z)}: take `len(x)`, since the "
                          "last batch is smaller.")  # fmt: skip


def _examine_noise(before: Tensor, z: Tensor) -> None:
    """Look at the noise of the first call and of the second, each (b, 5) or more rows."""
    if torch.equal(before, z[: len(before)]):
        raise Mistake("Two batches get the same noise: draw it in each step, without a seed.")
    if z.min() >= 0 and z.max() <= 1:
        raise Mistake("`torch.rand` is uniform between 0 and 1: the noise is normal, `randn`.")
    if (z[0] == z[1]).all():
        raise Mistake("All fakes of a batch come from one noise: draw it for each, b × z numbers.")
    if z.mean().abs() > 0.3 or not 0.7 < z.std() < 1.3:
        raise Mistake(f"The noise has mean {z.mean():.2f} and standard deviation {z.std():.2f}: "
                      "`torch.randn` has 0 and 1.")  # fmt: skip


_Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # logits of real, of fakes, of more fakes
_softplus = F.softplus


def _right_d(real: Tensor, fake: Tensor, _: Tensor) -> Tensor:
    return gan.discriminator_loss(real, fake).mean()


def _right_g(_: Tensor, fake: Tensor, __: Tensor) -> Tensor:
    return gan.generator_loss(fake).mean()


# sentence -> losses with that fault, any multiple of them; r, f, o are the logits of a _Loss
_D_FAULTS: dict[str, tuple[_Loss, ...]] = {
    "d_optimizer steps with the generator's loss: are the two optimizers swapped?":
        (_right_g,),
    _LEAK: (
        lambda r, f, o: _right_d(r, f, o) + _right_g(r, o, f),
        lambda r, f, o: _right_d(r, f, o) / 2 + _right_g(r, o, f),
    ),
    "The labels are swapped in the discriminator's loss: real is 1, fake is 0.":
        (lambda r, f, o: (_softplus(r) + _softplus(-f)).mean(),),
    "Fakes are labelled 1 in the discriminator's loss, as the real images are: for D a fake is 0.":
        (lambda r, f, o: (_softplus(-r) + _softplus(-f)).mean(),),
    "Real images are labelled 0 in the discriminator's loss, as the fakes are: real is 1.":
        (lambda r, f, o: (_softplus(r) + _softplus(f)).mean(),),
    "The discriminator's loss sees the real images only: add the fakes, with label 0.":
        (lambda r, f, o: _softplus(-r).mean(),),
    "The discriminator's loss sees the fakes only: add the real images, with label 1.":
        (lambda r, f, o: _softplus(f).mean(),),
    "The sign of the discriminator's loss is turned round: a step goes down, so minimise "
    "-log D(x) - log(1 - D(G(z))).": (lambda r, f, o: -_right_d(r, f, o),),
    "The discriminator gives logits, and its loss takes logits: no sigmoid in between.":
        (lambda r, f, o: _right_d(r.sigmoid(), f.sigmoid(), o),),
    "The discriminator's loss takes its logits for probabilities: use BCEWithLogitsLoss instead "
    "of BCELoss, or `discriminator_loss`.": (lambda r, f, o: -(r.log() + (1 - f).log()).mean(),),
    "The discriminator's loss is the plain difference of the logits: take `discriminator_loss`.":
        (lambda r, f, o: (f - r).mean(),),
}  # fmt: skip
_G_FAULTS: dict[str, tuple[_Loss, ...]] = {
    _DETACH: (
        lambda r, f, o: (_softplus(-f) + _softplus(o)).mean(),
        lambda r, f, o: (_softplus(-f) + _softplus(o) / 2).mean(),
    ),
    "The generator's loss labels its fakes 0: it wants them to pass for real, label 1.":
        (lambda r, f, o: _softplus(f).mean(),),
    "That is the minimax loss, log(1 - D(G(z))): its gradient vanishes where D is sure of the "
    "fakes. Minimise -log D(G(z)), `generator_loss`.": (lambda r, f, o: -_softplus(f).mean(),),
    "The sign of the generator's loss is turned round: a step goes down, so minimise "
    "-log D(G(z)).": (lambda r, f, o: -_softplus(-f).mean(),),
    "The discriminator gives logits, and the generator's loss takes logits: no sigmoid in between.":
        (lambda r, f, o: _softplus(-f.sigmoid()).mean(),),
    "The generator's loss takes logits for probabilities: use BCEWithLogitsLoss instead of "
    "BCELoss, or `generator_loss`.": (lambda r, f, o: -f.log().mean(),),
    "The generator's loss is the plain logit: take `generator_loss`.":
        (lambda r, f, o: -f.mean(),),
}  # fmt: skip


def _examine_gradients(game: Game) -> None:
    """Compare what the two steps saw with the gradients of known losses, at the same noise."""
    generator, discriminator = game.generator, game.discriminator
    real = discriminator.logits(game.x)
    fakes = [discriminator.logits(generator.images(z)) for z in generator.noise]
    found = {discriminator: game.d_optimizer.steps[0], generator: game.g_optimizer.steps[0]}

    def multiple(network: nn.Module, loss: _Loss) -> float | None:
        """c if what this network's step saw is c > 0 times the gradient of the loss."""
        seen = found[network].cpu().double()
        for fake, other in itertools.product(fakes, repeat=2):
            value = loss(real, fake, other)
            parts = torch.autograd.grad(value, [*network.parameters()], retain_graph=True)
            wanted = torch.cat([p.flatten() for p in parts]).cpu().double()
            c = float(seen @ wanted / (wanted @ wanted))
            if c > 0 and close(seen, c * wanted):
                return c
        return None

    d_scale, g_scale = multiple(discriminator, _right_d), multiple(generator, _right_g)
    for network, scale, faults in (
        (discriminator, d_scale, _D_FAULTS), (generator, g_scale, _G_FAULTS),
    ):  # fmt: skip
        for sentence, losses in faults.items():
            if scale is None and any(multiple(network, loss) for loss in losses):
                raise Mistake(sentence)
    if d_scale is None:
        if not any((image == game.x[0]).all() for image in torch.cat(discriminator.judged)):
            raise Mistake("The discriminator is never shown the real images as they are, "
                          "`discriminator(x)`.")  # fmt: skip
        raise Mistake("The gradient at `d_optimizer.step()` is that of another loss: take the mean "
                      "of discriminator_loss(discriminator(x), discriminator(fake.detach())), with "
                      "label 1 for x and 0 for the fakes.")  # fmt: skip
    if g_scale is None:
        raise Mistake("The gradient at `g_optimizer.step()` is that of another loss: take the mean "
                      "of generator_loss(discriminator(fake)).")  # fmt: skip
    # the two halves of the discriminator's loss may be averaged instead of added
    _examine_scale("discriminator", d_scale, (1.0, 0.5), len(game.x))
    _examine_scale("generator", g_scale, (1.0,), len(game.x))


def _examine_scale(name: str, scale: float, allowed: tuple[float, ...], b: int) -> None:
    def near(value: float) -> bool:
        return abs(scale - value) < 1e-2 * value

    if any(near(value) for value in allowed):
        return
    if near(b) or near(b / 2):
        raise Mistake(f"The {name}'s loss is summed over the images: take the mean, so that a "
                      "step does not grow with the batch.")  # fmt: skip
    raise Mistake(f"For {b} images the {name}'s gradient is {scale:.3g} times that of its mean "
                  "loss: take `.mean()`, go back once, and leave out other factors.")  # fmt: skip


# -- E4 ------------------------------------------------------------------------------------------

SlopePrice = Callable[[nn.Module, Tensor], Tensor]


def squared_slope(discriminator: nn.Module, x: Tensor) -> Tensor:
    """Of each image, the sum over its pixels of (d logit / d pixel)^2, with a way back to D.

    x: (b, 1, 28, 28) -> (b,).  The price R1 on real and R2 on fake images, Mescheder et al. (2018),
    without its factor.
    """
    x = x.detach().requires_grad_()
    slope = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)[0]
    return slope.square().flatten(1).sum(dim=1)


class Bowl(nn.Module):
    """l(x) = sum over the pixels of w x^2 / 2 + v x: its slope at a pixel is w x + v."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(0.1 * torch.linspace(-1, 2, 784).view(1, 28, 28).cos())
        self.v = nn.Parameter(0.1 * torch.linspace(0, 5, 784).view(1, 28, 28).sin())

    def forward(self, x: Tensor) -> Tensor:
        return (self.w * x.square() / 2 + self.v * x).flatten(1).sum(dim=1)

    def slope(self, x: Tensor) -> Tensor:
        return self.w * x + self.v


def slope_price(answer: SlopePrice) -> SlopePrice:
    """E4.  A discriminator and images (b, 1, 28, 28) to each image's squared slope, (b,)."""
    return judge_answer("E4", answer, squared_slope, _examine_slope_price)


def _examine_slope_price(answer: SlopePrice) -> str:
    bowl = Bowl().to(default_device())
    x = torch.rand(4, 1, 28, 28, generator=torch.Generator().manual_seed(0)).to(default_device())
    errors = {
        "does not require grad": "x has no gradient of its own: `x = x.detach().requires_grad_()` "
                                 "before the discriminator sees it.",
        "grad can be implicitly created": "A gradient starts from one number: "
                                          "`discriminator(x).sum()`.",
        "have been used in the graph": "The discriminator was shown another x than the one whose "
                                       "gradient you ask for: first `requires_grad_()`, then D.",
    }  # fmt: skip
    with _explained(errors):
        result = called_on_copies(answer, bowl, x, what="images")
    slope = bowl.slope(x).flatten(1)
    right = slope.square().sum(dim=1)
    if any(weight.grad is not None for weight in bowl.parameters()):
        raise Mistake("It leaves gradients in the discriminator's weights, as `backward()` does: "
                      "take `torch.autograd.grad(discriminator(x).sum(), x, …)`.")  # fmt: skip
    if not close(result, right):
        each, b = slope.norm(dim=1), len(x)
        logit = bowl(x)
        of_probability = (logit.sigmoid() * (1 - logit.sigmoid()))[:, None] * slope
        raise_if_known(
            result,
            {
                "That is the slope's length: square it.": each,
                "That is the mean over the pixels: sum them.": slope.square().mean(dim=1),
                "That is one number for the batch: one value per image is needed, so sum over the "
                "pixels only, `.flatten(1).sum(dim=1)`.":
                    (right.mean(), right.sum(), slope.square().mean(), slope.norm(), each.mean()),
                "The logits are averaged before the gradient, so each slope is divided by the "
                "number of images: take `.sum()`.": (right / b**2, each / b),
                "That is Wasserstein's gradient penalty, (length - 1) squared: here the price is "
                "the squared length itself.": (each - 1).square(),
                "That is the slope of the probability: leave out the sigmoid, the price is on the "
                "logit.": (of_probability.square().sum(dim=1), of_probability.norm(dim=1)),
                "The slopes are added up before they are squared: square each pixel's first.":
                    (slope.sum(dim=1).square(), slope.sum(dim=1)),
                "Those are the slopes: square them and sum over the pixels.":
                    (slope.view_as(x), slope),
                "The squares are still one for each pixel: sum them, `.flatten(1).sum(dim=1)`.":
                    (slope.square().view_as(x), slope.square()),
                "Half of it is missing: the factor 1/2 comes later, in the training step.":
                    right / 2,
                "Those are the logits: take their gradient by x.": (logit, logit.square()),
            },
        )  # fmt: skip
        numbers = as_numbers(result)
        if numbers is None or numbers.shape != right.shape:
            raise Mistake(f"It gives {described(result)}: one value for each of the 4 images is "
                          "needed.")  # fmt: skip
        raise Mistake(f"For the first image it gives {numbers[0]:.3g} and not {right[0]:.3g}: the "
                      "sum over the pixels of the squared slope of the logit.")  # fmt: skip
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}: stay with tensors.")
    if not result.requires_grad:
        raise Mistake("The values are right, but nothing leads back to the discriminator's "
                      "weights. `torch.autograd.grad(…, create_graph=True)`.")  # fmt: skip
    found = torch.autograd.grad(result.sum(), (bowl.w, bowl.v), allow_unused=True)
    wanted = torch.autograd.grad(bowl.slope(x).square().sum(), (bowl.w, bowl.v))
    if any(f is None or not close(f, w) for f, w in zip(found, wanted, strict=True)):
        raise Mistake("The values are right, but their gradient at the discriminator's weights is "
                      "not: leave the way back as it is, without `detach` or `.data`.")  # fmt: skip
    return "The squared slope of each image's logit, with a way back to the discriminator."


# -- E5 ------------------------------------------------------------------------------------------

Pixels = Callable[[Tensor], Tensor]


def doubled_less_one(x: Tensor) -> Tensor:
    """2 x - 1: images in [0, 1] to the range of a tanh, [-1, 1]."""
    return 2 * x - 1


def to_generator_range(answer: Pixels) -> Pixels:
    """E5.  Images in [0, 1], (b, 1, 28, 28), to the range of a generator that ends in a tanh."""
    return judge_answer("E5", answer, doubled_less_one, _examine_range)


def _examine_range(answer: Pixels) -> str:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(4, 1, 28, 28, generator=generator).pow(3)
    x[0, 0, 0, :3] = torch.tensor([0.0, 0.5, 1.0])
    x = x.to(default_device())
    result = called_on_copies(answer, x, what="images")
    if not close(result, 2 * x - 1):
        _examine_wrong_range(result, x)
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}: stay with tensors.")
    grey = 0.2 + 0.5 * x  # no black, no white
    if not close(answer(grey.clone()), 2 * grey - 1):
        raise Mistake("A batch without black and white comes out wrong: the ends are 0 and 1 for "
                      "every batch, and not its least and greatest pixel.")  # fmt: skip
    return "Black is -1, white is 1: the ends of a tanh, for every batch."


def _examine_wrong_range(result: object, x: Tensor) -> None:
    each, dims = x.flatten(1), (1, 2, 3)
    standardised = (
        (x - 0.1307) / 0.3081,
        (x - x.mean()) / x.std(),
        (x - x.mean()) / x.std(correction=0),
        (x - x.mean(dim=dims, keepdim=True)) / each.std(dim=1).view(-1, 1, 1, 1),
    )
    if any(close(result, wrong) for wrong in standardised):
        raise Mistake(
            f"That standardises by mean and deviation: white becomes {as_numbers(result).max():.1f}"
            ', and a tanh ends at 1, so the rule "a pixel above 1 is real" tells real from fake.'
        )
    raise_if_known(
        result,
        {
            "The images are as they were, in [0, 1]: the generator's reach down to -1.": x,
            "That is [0, 2]: move it down by 1.": 2 * x,
            "That is [-0.5, 0.5]: it has to be twice as wide.": x - 0.5,
            "That is [-1, 0]: make it twice as wide first.": x - 1,
            "That is [-2, 0]: subtract 1 after doubling, and not before.": 2 * (x - 1),
            "Black and white are exchanged: 0 has to become -1, and 1 stays 1.": 1 - 2 * x,
            "The pixels are in [0, 1] already: without the division by 255.":
                (x / 255, 2 * x / 255 - 1),
            "A tanh stands at the end of the generator, not here: a real image takes the straight "
            "line from 0 to -1 and from 1 to 1.": (x.tanh(), (2 * x - 1).tanh()),
            "That is the way back, from [-1, 1] to [0, 1].": (x + 1) / 2,
            "That subtracts the mean, which leaves the width at 1 and depends on the batch.":
                x - x.mean(),
        },
    )  # fmt: skip
    numbers = as_numbers(result)
    if numbers is None or numbers.shape != x.shape:
        raise Mistake(f"It gives {described(result)}: the shape stays, {tuple(x.shape)}.")
    black, half, white = numbers[0, 0, 0, :3].tolist()
    raise Mistake(f"0 becomes {black:.3g}, 0.5 becomes {half:.3g} and 1 becomes {white:.3g}: they "
                  "should become -1, 0 and 1, on a straight line.")  # fmt: skip


# -- E6 ------------------------------------------------------------------------------------------

DASHBOARDS = {"run 1": "c", "run 2": "a", "run 3": "d", "run 4": "e"}
# what the notebook's four anonymous runs change, in the same order
ANONYMOUS_FAULTS: tuple[dict[str, object], ...] = (
    {"rates": (2e-3, 1e-3), "price": 0.0},
    {},
    {"change": lambda x: (x - 0.1307) / 0.3081, "price": 0.0},
    {"rates": (1e-3, 1e-6)},
)
_DASHBOARD_HINTS: dict[str, Mapping[str, str]] = {
    run: {
        letter: hint
        for letter, hint in {
            "a": "in a healthy run no class is missing in the histogram, and D stays away from 0 "
                 "and 1.",
            "b": "with the minimax loss and a D that is sure, both gradients fall to 0.",
            "c": "without the price the digits may be readable, and D is far from 0 and 1; but the "
                 "class histogram has gaps.",
            "d": "where the ranges differ, one rule tells real from fake: the loss of D falls and "
                 "that of G climbs without end.",
            "e": "a D that is too weak to answer ends up believing the fakes: D(fake) lies above "
                 "D(real).",
        }.items()
        if letter != right
    }
    for run, right in DASHBOARDS.items()
}  # fmt: skip


def dashboards(answers: Mapping[str, str | None]) -> None:
    """E6.  Which run has which fault: run -> letter."""
    choices("E6", answers, DASHBOARDS, _DASHBOARD_HINTS)


REPAIRS = {"run 1": "price", "run 2": "nothing", "run 3": "range", "run 4": "rate"}
_REPAIR_HINTS: dict[str, Mapping[str, str]] = {
    "run 1": {
        "nothing": "some classes are missing, and more epochs need not bring them back.",
        "range": "the losses do not run away, as they do where one rule tells real from fake.",
        "rate": "D answers well enough: G runs after single spots of D's answer, because nothing "
                "keeps D's slope small.",
        "loss": "the loss gives a push: G moves, but only into some of the classes.",
    },
    "run 2": {
        "price": "it has one already, and nothing is wrong here.",
        "range": "nothing is wrong here: neither loss runs away.",
        "rate": "nothing is wrong here: D tells real from fake, and G answers.",
        "loss": "nothing is wrong here: G gets a push in every epoch.",
    },
    "run 3": {
        "nothing": "the losses run away from each other, and the samples do not improve.",
        "price": "it would slow D down, and the rule that gives fakes away would still be there.",
        "rate": "D is sure already: a larger rate makes it surer.",
        "loss": "no loss of G's brings its output into a range that its last layer cannot reach.",
    },
    "run 4": {
        "nothing": "D learns next to nothing, so that G has no one to learn from.",
        "price": "that would hold back a D that hardly moves as it is.",
        "range": "with two ranges D would be sure, and here it is not.",
        "loss": "no loss helps G as long as D's answer says nothing.",
    },
}  # fmt: skip


def repairs(answers: Mapping[str, str | None]) -> None:
    """E6, repairs.  What to change first in each run: run -> word."""
    choices("E6, repairs", answers, REPAIRS, _REPAIR_HINTS)


# -- E7 ------------------------------------------------------------------------------------------

Recall = Callable[[Tensor, Tensor, int], float]


def neighbour_recall(real: Tensor, fake: Tensor, k: int) -> float:
    """Share of real points within reach of a fake, in features (n, d) and (m, d).

    A fake reaches as far as its k-th nearest other fake.  Kynkäänniemi et al. (2019), equation 2.
    """
    nearest = torch.cdist(fake, fake).topk(k + 1, largest=False).values  # (m, k + 1), itself first
    return (torch.cdist(real, fake) <= nearest[:, k]).any(dim=1).float().mean().item()


def recall(answer: Recall) -> Recall:
    """E7.  (real, fake, k), features (n, d) and (m, d), to the k-nearest-neighbour recall."""
    return judge_answer("E7", answer, neighbour_recall, _examine_recall)


def _recall_cases() -> list[tuple[Tensor, Tensor, int]]:
    """Two clouds of different size, at several k; and a real set of 4 clumps with 3 of them faked.

    The last case is that with the missing mode.
    """
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(60, 2, generator=generator), torch.randn(45, 2, generator=generator)
    fake = 0.7 * fake + torch.tensor([0.9, 0.0])
    corners = torch.tensor([[0.0, 0.0], [0.0, 10.0], [10.0, 0.0], [10.0, 10.0]])
    clumps = corners.repeat_interleave(20, dim=0) + torch.randn(80, 2, generator=generator)
    missing = corners[:3].repeat_interleave(25, dim=0) + torch.randn(75, 2, generator=generator)
    return [(real, fake, 1), (real, fake, 3), (real, fake, 6), (clumps, missing, 5)]


_MEAN = (
    "Whether a fake reaches it is true or false for each real point: the share is `.float().mean()`"
    " of that."
)


def _examine_recall(answer: Recall) -> str:
    cases = _recall_cases()
    device = default_device()
    found = []
    for real, fake, k in cases:
        with _explained({"could not infer output dtype": _MEAN}):
            result = called_on_copies(answer, real.to(device), fake.to(device), k, what="features")
        numbers = as_numbers(result)
        if numbers is not None and numbers.shape == (len(real),):
            raise Mistake(_MEAN)
        if numbers is None or numbers.numel() != 1:
            raise Mistake(f"It gives {described(result)}: one number is needed, a share.")
        found.append(numbers.flatten()[0])
    right, precision, wrong = zip(*(_shares(*case) for case in cases), strict=True)
    if not close(torch.stack(found), torch.stack(right)):
        raise_if_known(
            torch.stack(found),
            {
                sentence: tuple(map(torch.stack, zip(*(w[sentence] for w in wrong), strict=True)))
                for sentence in wrong[0]
            },
        )
        i = next(i for i in range(len(cases)) if not close(found[i], right[i]))
        real, fake, k = cases[i]
        raise Mistake(
            f"With {len(real)} real points, {len(fake)} fakes and k = {k} it gives {found[i]:.3g} "
            f"and not {right[i]:.3g}: the share of real points that lie nearer to some fake than "
            f"that fake's neighbour number {k} among the other fakes."
        )
    return (f"With one of four clumps missing, recall is {right[-1]:.2f}, and precision "
            f"{precision[-1]:.2f} does not notice.")  # fmt: skip


def _shares(
    real: Tensor, fake: Tensor, k: int
) -> tuple[Tensor, Tensor, dict[str, tuple[Tensor, ...]]]:
    """Recall and precision by their definition, and sentence -> what is taken for recall."""
    real, fake = real.double(), fake.double()
    pairs, fakes, reals = (  # distances (n, m), (m, m), (n, n)
        (a[:, None] - b).norm(dim=2) for a, b in ((real, fake), (fake, fake), (real, real))
    )
    near = fakes.sort(dim=1).values  # (m, m): itself in column 0, neighbour k in column k
    reach, real_reach = near[:, k], reals.sort(dim=1).values[:, k]

    def share(hit: Tensor) -> Tensor:
        return hit.any(dim=1).double().mean()

    hit = pairs <= reach  # (n, m)
    recall, precision = share(hit), share(pairs.T <= real_reach)
    nearest_fake = pairs.argmin(dim=1, keepdim=True)
    number_of_hits = hit.double().sum(dim=1).mean()
    return recall, precision, {
        "That is precision: for recall it is the real points that are counted, and the fakes that "
        "have a radius.": (precision,),
        "A fake counts as its own nearest neighbour, so that the radius is that of neighbour "
        "k - 1: leave out the 0 to itself, with which its sorted distances begin.":
            (share(pairs <= near[:, k - 1]),),
        "The radius reaches to neighbour k + 1: a fake's distance to itself, the first of the "
        "sorted ones, is to be left out once.": (share(pairs <= near[:, k + 1]),),
        "All fakes share one radius: each has its own, the distance to its own k-th neighbour.":
            tuple(share(pairs <= r) for r in (reach.mean(), reach.max(), reach.min(),
                                              reach.median())),
        "A real point has to be within reach of one fake, and not of all: `any` instead of `all`.":
            (hit.all(dim=1).double().mean(),),
        "You count the fakes that reach a real point: count the real points that are reached.":
            (share(hit.T),),
        "That is the mean over all pairs: first ask for each real point whether any fake reaches "
        "it, `.any(dim=1)`.": (hit.double().mean(),),
        "You add up the fakes that reach a real point: it counts once, `any` instead of `sum`.":
            (number_of_hits, number_of_hits / k),
        "That is in per cent: give a share, between 0 and 1.": (100 * recall,),
        "That is the number of real points: divide by how many there are.":
            (len(real) * recall, len(real) * recall / len(fake)),
        "That is the share of real points that no fake reaches: recall is that of the others.":
            (1 - recall,),
        "A squared distance is compared with a plain one: square both or none.":
            (share(pairs.square() <= reach), share(pairs <= reach.square())),
        "The radii are those of the real points: for recall it is the fakes that have a radius.":
            (share(pairs <= real_reach[:, None]),),
        "The radius of a fake is measured to the real points: measure it to the other fakes.":
            (share(pairs <= pairs.sort(dim=0).values[k - 1]),),
        "You ask only the nearest fake: another, with a larger radius, may reach the point.":
            (share(hit.gather(1, nearest_fake)),),
    }  # fmt: skip


# -- E8 ------------------------------------------------------------------------------------------

Condition = Callable[[Tensor, Tensor], Tensor]


def noise_with_label(z: Tensor, y: Tensor) -> Tensor:
    """The noise, then the one-hot label.  (b, z), labels (b,) in 0 … 9 -> (b, z + 10)"""
    return torch.cat([z, F.one_hot(y, num_classes=10).to(z.dtype)], dim=1)


def condition(answer: Condition) -> Condition:
    """E8.  Noise (b, z) and labels (b,), int64, to noise and one-hot label, (b, z + 10)."""
    return judge_answer("E8", answer, noise_with_label, _examine_condition)


def _examine_condition(answer: Condition) -> str:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(6, 4, generator=generator).to(default_device())
    y = torch.tensor([3, 0, 7, 7, 1, 4], device=z.device)  # neither 8 nor 9
    below = "You join below each other, `dim=0`: an image's noise and label share a row, `dim=1`."
    with _explained({"Sizes of tensors must match": below}):
        result = called_on_copies(answer, z, y, what="noise or the labels")
    if not isinstance(result, Tensor):
        raise Mistake(f"It gives {described(result)}: a tensor of shape (6, 14) is needed.")
    _examine_joined_shape(result, z, y)
    if not result.is_floating_point():
        raise Mistake(f"The result is {result.dtype}, which cuts the noise to whole numbers: turn "
                      "the label into floats, and not the noise into integers.")  # fmt: skip
    _examine_joined(result, z, F.one_hot(y, num_classes=10).to(z.dtype))
    if result.dtype != z.dtype:
        raise Mistake(f"The result is {result.dtype} and the generator's weights {z.dtype}: "
                      "`.float()` for the one-hot label.")  # fmt: skip
    one = z[:1].clone(), torch.tensor([9], device=z.device)
    if not close(answer(*one), noise_with_label(*one)):
        raise Mistake("Right for 6 images, but not for a single one, with label 9.")
    return "Noise first, then ten columns, of which one is 1, whatever labels the batch has."


def _examine_joined_shape(result: Tensor, z: Tensor, y: Tensor) -> None:
    number = y.to(z.dtype)[:, None]
    raise_if_known(
        result,
        {
            "The label is left out: that is the noise alone.": z,
            "The label is added to the noise: join it to the noise, one-hot, as ten more columns.":
                (z + number,),
            "The noise is multiplied by the label: join the label to it, one-hot, as ten more "
            "columns.": (z * number,),
            "That is the label alone: join it to the noise.":
                F.one_hot(y, num_classes=10),
        },
    )  # fmt: skip
    b, width = 6, 4
    if result.shape == (b, width + 1):
        raise Mistake("The label is one column, a number: then 7 is more than 1, and lies between "
                      "6 and 8. Give it ten columns, `F.one_hot(y, num_classes=10)`.")  # fmt: skip
    if result.shape == (b, width + 8):
        raise Mistake("The label has 8 columns, because the greatest one in this batch is 7: "
                      "`F.one_hot(y, num_classes=10)` always has ten.")  # fmt: skip
    if result.dim() == 2 and len(result) == b and result.shape != (b, width + 10):
        raise Mistake(f"It has {result.shape[1]} columns: {width} of noise and 10 of the label "
                      f"make {width + 10}.")  # fmt: skip
    if result.shape != (b, width + 10):
        raise Mistake(f"It gives {described(result)}: noise (6, 4) and six labels make (6, 14).")


def _examine_joined(result: Tensor, z: Tensor, label: Tensor) -> None:
    if close(result, torch.cat([z, label], dim=1)):
        return
    if close(result[:, :10], label):
        raise Mistake("The label comes first: put the noise first, `torch.cat([z, label], dim=1)`, "
                      "as the generator expects it.")  # fmt: skip
    if not close(result[:, :4], z):
        raise Mistake("The first 4 columns are not z: leave the noise as it is.")
    found = result[:, 4:]
    if (found == found[0]).all():
        raise Mistake("The ten columns of the label are the same in every row: one-hot has its 1 "
                      "in column y.")  # fmt: skip
    if ((found == 1).sum(dim=1) == 1).all() and ((found == 0).sum(dim=1) == 9).all():
        i = int((found != label).any(dim=1).nonzero()[0])
        raise Mistake(f"Of an image with label {int(label[i].argmax())} the 1 stands in column "
                      f"{int(found[i].argmax())}: use y itself, unchanged.")  # fmt: skip
    raise Mistake("The ten columns are not one-hot: a 1 in column y and nine times 0.")


# -- the exit quiz -------------------------------------------------------------------------------

QUIZ = {"1": "b", "2": "c", "3": "a", "4": "d", "5": "c", "6": "b"}
_QUIZ_HINTS: dict[str, Mapping[str, str]] = {
    "1": {
        "a": "`detach` changes no pixel: the fakes are the same with and without it.",
        "c": "the noise is drawn before the fake is made, and `detach` comes after.",
        "d": "the discriminator gets the same gradient with and without it.",
    },
    "2": {
        "a": "a discriminator that has learnt nothing gives the same two numbers.",
        "b": "whether samples are alike is for the class histogram to say: no loss shows it.",
        "d": "with too large a rate the losses jump, and do not stand still.",
    },
    "3": {
        "b": "blurred samples lie off the real images, so precision would be low.",
        "c": "copies of all training images would reach nearly every real one: a high recall.",
        "d": "one judge gives the features for both numbers, and the first is high.",
    },
    "4": {
        "a": "the unit is the same for every row, and favours none.",
        "b": "more test images steady the numbers, and do not change what they reward.",
        "c": "that is the fair way to choose it: on the test images it would be a cheat.",
    },
    "5": {
        "a": "a steep discriminator is a sure one, and steepness is what the price is on.",
        "b": "no learning rate hangs on it: the price is a term of the discriminator's loss.",
        "d": "that is what `detach` does.",
    },
    "6": {
        "a": "losses at rest say that the discriminator cannot tell, not where the samples lie.",
        "c": "it never sees a training point, and a continuous map cannot jump between them.",
        "d": "one mode only is what it may do when it fails; it need not.",
    },
}


def quiz(answers: Mapping[str, str | None]) -> None:
    """The exit quiz of notebook 3: question -> letter."""
    choices("Exit quiz", answers, QUIZ, _QUIZ_HINTS)
