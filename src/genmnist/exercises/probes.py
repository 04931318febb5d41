"""What checks look through: at what a training step does, and what an autoencoder is."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmnist.autoencoder import squared_error
from genmnist.exercises import Mistake, form, on_copies, plain, returned
from genmnist.training import default_device

MOVED = "Only `optimizer.step()` may move the weights, of the optimizer that the step is given."
ONCE = "Call `optimizer.step()` once for a batch, of the optimizer that the step is given."
MISSING = "There is no gradient at `optimizer.step()`: call `loss.backward()` before."
ZERO = "Every gradient is 0 at `optimizer.step()`: zero_grad() comes too late, or you round."


def images(*shape: int) -> Tensor:
    """Grey images, with black and white pixels among them."""
    return (1.4 * torch.rand(shape) - 0.2).clamp(0, 1).to(default_device())


def errors(answer: Callable, *case: object) -> dict[str, object]:
    """Observe a function that gives errors, with moved images as well: these are not contiguous."""
    moved = [F.pad(x, (2, 0))[..., 2:] if isinstance(x, Tensor) else x for x in case]
    return {**returned(0)(answer, *case), "result for moved images": plain(answer(*moved))}


class Recorder(torch.optim.SGD):
    """Notes the gradient that each step finds, and shrinks the weights whatever that is.

    So every answer meets the same weights at each step, in whatever way that is written.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__(net.parameters(), lr=0.1)
        self.weights = [*net.parameters()]
        self.left = [w.detach().clone() for w in self.weights]  # as the last step left them
        self.found: list[Tensor] = []
        self.arrived = False  # a gradient, since the last step
        self.weights[-1].register_hook(lambda _: setattr(self, "arrived", True))

    def ask_who_moved(self) -> None:
        if not all(map(torch.equal, self.weights, self.left)):
            raise Mistake(MOVED)

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> object:
        with torch.enable_grad():
            loss = closure() if closure else None
        self.ask_who_moved()
        each = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights]
        self.found.append(torch.cat([gradient.flatten() for gradient in each]))
        if not self.found[-1].any():
            raise Mistake(ZERO if self.arrived else MISSING)
        self.arrived = False
        for weight in self.weights:
            weight.mul_(0.9)
        self.left = [w.clone() for w in self.weights]
        return loss


class Linear(nn.Module):
    """An autoencoder of few weights; its pixels leave [0, 1], so that a clamp loses gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(784, 3), nn.Linear(3, 784)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).unflatten(1, (1, 28, 28))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def steps(answer: Callable, *images: Tensor) -> dict[str, object]:
    """What a step does on several batches, one after the other: seen, x, seen, x, …"""
    net = Linear().to(images[0].device)
    optimizer, losses = Recorder(net), []
    for batch in zip(images[::2], images[1::2], strict=True):
        loss = on_copies(partial(answer, net, optimizer), *batch)
        losses.append("nothing" if loss is None and optimizer.found else plain(loss))
        optimizer.ask_who_moved()
        if len(optimizer.found) != len(losses):
            raise Mistake(ONCE)
    return {"gradient at optimizer.step()": optimizer.found, "loss that is returned": losses}


def _part(function: Callable, given: Tensor, name: str, *shape: int) -> Tensor:
    """What encode, decode or forward gives; a Mistake unless that has the right shape."""
    result = on_copies(function, given)
    if form(plain(result)) != form(given.new_empty(shape)):
        text = f"a tensor of shape {tuple(given.shape)} into {form(plain(result))}"
        raise Mistake(f"{name} turns {text}; its shape should be {shape}.")
    return result


def _far(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() > 1e-3 * expected.abs().max())


def _bends(function: Callable[[Tensor], Tensor], points: Tensor) -> bool:
    """Whether a midpoint goes elsewhere than to the midpoint."""
    ends, middle = function(points), function((points + points.flip(0)) / 2)
    gap, size = middle - (ends + ends.flip(0)) / 2, ends - ends.flip(0)
    return bool(gap.abs().max() > 0.01 * size.abs().max())


@torch.no_grad()
def network(answer: Callable[[int], nn.Module], x: Tensor) -> dict[str, object]:
    """The first thing that is wrong with an autoencoder that answer(latent_dim) makes."""
    for latent_dim, b in [(3, 1), (3, 64), (24, 64)]:  # sizes that nobody writes by accident
        net = answer(latent_dim).to(x.device).eval()  # so that dropout and batch norm do nothing
        z = _part(net.encode, x[:b], "encode", b, latent_dim)
        x_hat = _part(net.decode, z, "decode", b, 1, 28, 28)
        whole = _part(net, x[:b], "forward", b, 1, 28, 28)
    few = net.encode(x[:5].clone())
    varies = _far(few, z[:5]) or _far(net.decode(few), x_hat[:5])
    net.encode(x.flip(0))  # which decode must not remember
    bypassed = _far(whole, x_hat) or _far(net.decode(z.clone()), x_hat)
    with torch.enable_grad():
        x_hat = net.train()(x.clone())
        if x_hat.requires_grad:
            squared_error(x_hat, x).mean().backward()
        each = [(w, w.grad) for w in net.parameters()]  # a bias before a batch norm may get 0
        unreached = any(g is None or (w.dim() > 1 and not g.any()) for w, g in each)
        unknown = net.eval().requires_grad_(False)(x.clone()).requires_grad
    bends = _bends(net.encode, 10 * torch.rand_like(x))
    bends |= _bends(lambda z: net.decode(z).logit(), torch.randn_like(z))
    for weight in net.parameters():
        weight.mul_(100)
    pixels = net.decode(torch.randn_like(z))
    z = net.encode(x)
    fills = all(0.05 < part.float().mean() for part in (pixels < 0.2, pixels > 0.8))
    found = {
        "layers that the network does not know": unknown,
        "results that vary": varies,
        "a code that is cut off": z.min() > -10 or z.max() < 10,
        "pixels that do not fill [0, 1]": not fills or pixels.min() < 0 or pixels.max() > 1,
        "a way around the code": bypassed,
        "weights without a gradient": unreached,
        "nothing but linear layers": not bends,
    }
    return {"network": next((what for what, is_so in found.items() if is_so), "right")}
