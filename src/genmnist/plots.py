"""Figures with alternative text.

They are drawn on white whatever the reader's style, so that they can be read on dark pages too, and
never mean anything by colour alone.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from genmnist.messages import in_notebook

# Okabe and Ito's colours, told apart with any kind of colour vision; dashes and markers say it too
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 2)), (0, (8, 3)))
LOOKS = [{"color": c, "ls": d, "marker": m} for c, d, m in zip(COLORS, DASHES, "osD^vPX")]  # noqa: B905
# Ten classes need ten colours: dark enough for white paper, and always drawn as the class's digit
CLASS_COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#AA3377",
                "#8C6D00", "#4B0092", "#C20000", "#00688B", "#6B6B6B")  # fmt: skip

on_white = plt.style.context("default")  # a decorator that keeps a reader's dark style out


def show(fig: Figure, alt: str) -> None:
    """Show a figure with its alternative text, once, and close it."""
    if in_notebook():
        from IPython.display import display

        data, metadata = as_png(fig, alt)
        display(data, raw=True, metadata=metadata)
    elif plt.get_fignums():
        plt.show()
    plt.close(fig)


def as_png(fig: Figure, alt: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The figure as a small PNG with a palette, and its metadata, as `display(raw=True)` wants."""
    drawn, small = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=100, facecolor="white", bbox_inches="tight")
    picture = Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    png = base64.b64encode(small.getvalue()).decode()
    return {"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}}


def draw_images(axes: Axes, images: Tensor, columns: int) -> None:
    """Images (n, c, h, w) in [0, 1] or uint8 in rows of `columns`, grey lines between them."""
    images = images.detach().cpu()
    images = images / 255 if images.dtype == torch.uint8 else images.float().clamp(0, 1)
    sheet = make_grid(images, nrow=columns, padding=1, pad_value=0.5)[:, 1:-1, 1:-1]
    axes.imshow(sheet.movedim(0, 2).numpy(), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_frame_on(False)


@on_white
def images(x: Tensor, *, title: str, columns: int = 10) -> None:
    """Images (n, c, h, w) in rows of `columns`."""
    size = min(0.75, 8 / columns)  # inches per image
    fig, axes = plt.subplots(figsize=(size * columns, size * math.ceil(len(x) / columns) + 0.3))
    draw_images(axes, x, columns)
    axes.set_title(title)
    show(fig, f"{title}. {len(x)} images in rows of {columns}.")


@on_white
def rows(named: Mapping[str, Tensor], *, title: str) -> None:
    """Sets of images (n, c, h, w) below each other, a row with its name for each."""
    longest = max(len(x) for x in named.values())
    size = min(0.75, 8 / longest)  # inches per image
    shape = (size * longest + 1.3, (size + 0.05) * len(named) + 0.4)  # beside the names
    fig, grid = plt.subplots(len(named), 1, figsize=shape, squeeze=False, layout="constrained")
    for axes, (name, x) in zip(grid[:, 0], named.items(), strict=True):
        draw_images(axes, x, longest)
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    fig.suptitle(title)
    show(fig, f"{title}. Rows of images: {'; '.join(named)}.")


def draw_curves(axes: Axes, named: Mapping[str, tuple], xlabel: str, ylabel: str) -> None:
    """Curves (x, y) by name, each with a colour, dashes and a marker of its own."""
    for (name, (x, y)), look in zip(named.items(), cycle(LOOKS), strict=False):
        axes.plot(x, y, label=name, ms=4, **look)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if named:
        axes.legend()


@on_white
def curves(named: Mapping[str, tuple[Iterable[float], Iterable[float]]], *, title: str,
           xlabel: str, ylabel: str, log_x: bool = False) -> None:  # fmt: skip
    """Curves (x, y) by name; `log_x`: a logarithmic axis, with ticks at the powers of 2."""
    fig, axes = plt.subplots(figsize=(7, 3.8))
    named = {name: ([*x], [*y]) for name, (x, y) in named.items()}
    draw_curves(axes, named, xlabel, ylabel)
    axes.set_title(title)
    if log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
    said = [f"{name} from {y[0]:.3g} to {y[-1]:.3g}" for name, (_, y) in named.items()]
    show(fig, f"{title}. {ylabel} against {xlabel}: {'; '.join(said)}.")


@on_white
def points(named: Mapping[str, tuple[Tensor, Tensor]], *, title: str, xlabel: str,
           ylabel: str) -> None:  # fmt: skip
    """Groups of points (x, y), each (n,), by name; the axes leave out a hundredth at the top."""
    fig, axes = plt.subplots(figsize=(7, 3.8))
    named = {name: [part.detach().cpu() for part in pair] for name, pair in named.items()}
    for i, (name, pair) in enumerate(named.items()):
        style = {"color": COLORS[i % 7], "marker": "osD^vPX"[i % 7], "ls": "", "mew": 0}
        axes.plot(*pair, ms=3, alpha=0.5, label=name, **style)
    every = zip(*named.values(), strict=True)
    right, top = (torch.cat(part).quantile(0.99).item() for part in every)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title, xlim=(0, right), ylim=(0, top))
    axes.legend(markerscale=3)
    said = [f"{name} around {x.median():.3g}, {y.median():.3g}" for name, (x, y) in named.items()]
    show(fig, f"{title}. {ylabel} against {xlabel}: {'; '.join(said)}.")


def latent_grid(side: int, low: Tensor, high: Tensor) -> Tensor:
    """Codes on a grid from `low` (2,) to `high` (2,), row by row.  -> (side side, 2)

    z_1 grows rightwards and z_2 upwards, as in a scatter plot.
    """
    (left, bottom), (right, top) = low.tolist(), high.tolist()
    up, across = torch.linspace(top, bottom, side), torch.linspace(left, right, side)
    return torch.cartesian_prod(up, across).flip(1)


@on_white
def codes(z: Tensor, y: Tensor, class_names: Sequence[str],
          decoded: tuple[Tensor, Tensor, Tensor] | None = None, *, title: str) -> None:  # fmt: skip
    """Two-dimensional codes (n, 2), each drawn as the digit of its class y (n,).

    Dashed circles hold 39, 86 and 99 % of N(0, I).  `decoded`: images (side side, c, h, w) of
    `latent_grid(side, low, high)`, low and high: a second panel, each image where its code lies.
    """
    z, y = z.detach().cpu().numpy(), y.cpu().numpy()
    count = 1 + (decoded is not None)
    fig, panels = plt.subplots(1, count, figsize=(5.4 * count, 5.6), squeeze=False,
                               layout="constrained")  # fmt: skip
    axes = panels[0, 0]
    for c, color in enumerate(CLASS_COLORS[: len(class_names)]):
        of_class, label = z[y == c], class_names[c]
        axes.plot(*of_class.T, ls="", marker=f"${c}$", ms=5, mew=0.2, color=color, alpha=0.8)
        if len(of_class):
            label = label if label == str(c) else f"{c} {label}"
            box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": color, "alpha": 0.85}
            axes.text(*np.median(of_class, axis=0), label, color=color, bbox=box, ha="center")
    for radius in (1, 2, 3):
        axes.add_patch(plt.Circle((0, 0), radius, fill=False, color="black", ls="--", zorder=4))
    axes.set(xlabel="$z_1$", ylabel="$z_2$", title="codes")
    if decoded is not None:
        picture, low, high = decoded
        side = math.isqrt(len(picture))
        half = (high - low) / (2 * (side - 1))  # half an image beyond the outermost codes
        (left, bottom), (right, top) = (low - half).tolist(), (high + half).tolist()
        sheet = make_grid(picture.detach().cpu().clamp(0, 1), nrow=side, padding=0).movedim(0, 2)
        panels[0, 1].imshow(sheet.numpy(), extent=(left, right, bottom, top), aspect="auto")
        panels[0, 1].set(xlabel="$z_1$", title="decoded from a grid on the same axes")
        axes.set(xlim=(left, right), ylim=(bottom, top))
    fig.suptitle(title)
    show(fig, f"{title}. Two-dimensional codes by class.")
