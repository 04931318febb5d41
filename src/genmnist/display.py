"""Figures, messages and listings.

Every figure is drawn on white, so that it can be read on a dark page too, carries an alternative
text, and never means anything by colour alone.
"""

from __future__ import annotations

import base64
import html
import inspect
import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from genmnist.checkpoint import History

# Okabe and Ito's colours, told apart with any kind of colour vision, and dashes of its own for each
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 2)), (0, (8, 3)))
# Ten classes need ten colours: dark enough for white paper, and always drawn as the class's digit
CLASS_COLORS = (
    "#000000", "#0072B2", "#D55E00", "#009E73", "#AA3377",
    "#8C6D00", "#4B0092", "#C20000", "#00688B", "#6B6B6B",
)  # fmt: skip


def in_notebook() -> bool:
    """Whether output goes to a Jupyter or Colab cell, which can show pictures."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def show(fig: Figure, *, alt: str) -> None:
    """Show a figure with its alternative text, once, and close it."""
    if in_notebook():
        from IPython.display import display

        data, metadata = as_png(fig, alt)
        display(data, raw=True, metadata=metadata)
    elif plt.get_fignums():
        plt.show()
    plt.close(fig)


def as_png(fig: Figure, alt: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    drawn, small = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", dpi=100, facecolor="white", bbox_inches="tight")
    # 256 colours do for any figure here, and a stored notebook is half the size
    picture = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    png = base64.b64encode(small.getvalue()).decode()
    return {"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}}


def show_message(text: str) -> None:
    """Show a message that must not be overlooked, in a border."""
    if in_notebook():
        from IPython.display import HTML, display

        body = html.escape(text).replace("\n", "<br>")
        display(HTML(f'<div style="border: 3px solid #D55E00; padding: 0.6em 1em">{body}</div>'))
        return
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, 76) or [""]]
    print("\n".join(["+" + "-" * 78 + "+", *(f"| {line:<76} |" for line in lines)]))
    print("+" + "-" * 78 + "+", flush=True)


def show_source(thing: object) -> None:
    """Show the source of a function or a class: there is one tested copy, and this is it."""
    source = textwrap.dedent(inspect.getsource(thing)).rstrip()
    if in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(f"```python\n{source}\n```"))
    else:
        print(source)


def show_summary(model: nn.Module, input_shape: Sequence[int]) -> None:
    """Layers, output shapes and parameter counts, for an input of (1, ...) or (b, ...)."""
    try:
        from torchinfo import summary
    except ImportError:
        count = sum(parameter.numel() for parameter in model.parameters())
        print(f"{model}\n{count:,} parameters (install torchinfo to see the shapes)")
        return
    columns = ("output_size", "num_params")
    print(summary(model, input_size=tuple(input_shape), col_names=columns, verbose=0))


def mosaic(images: Tensor, columns: int) -> np.ndarray:
    """Images side by side, row by row, on one sheet with grey lines between.

    images: (n, 1, h, w) in [0, 1] or uint8.  Returns (rows (h + 1) - 1, columns (w + 1) - 1).
    """
    if images.dim() != 4 or images.shape[1] != 1:
        raise ValueError(f"images have shape {tuple(images.shape)}; (n, 1, h, w) is needed")
    images = images.detach().cpu()
    images = images / 255 if images.dtype == torch.uint8 else images.float().clamp(0, 1)
    n, _, h, w = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1), 0.5)
    for i, image in enumerate(images[:, 0].numpy()):
        top, left = i // columns * (h + 1), i % columns * (w + 1)
        sheet[top : top + h, left : left + w] = image
    return sheet


def draw_images(axes: Axes, images: Tensor, columns: int) -> None:
    axes.imshow(mosaic(images, columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()


def show_images(images: Tensor, *, title: str, alt: str, columns: int = 10) -> None:
    """Images (n, 1, h, w) in [0, 1] in rows of `columns`."""
    rows = math.ceil(len(images) / columns)
    size = min(0.75, 8 / columns)  # inches per image
    fig, axes = plt.subplots(figsize=(size * columns, size * rows + 0.3))
    draw_images(axes, images, columns)
    axes.set_title(title)
    show(fig, alt=f"{title}. {alt}")


def show_rows(rows: Mapping[str, Tensor], *, title: str, alt: str) -> None:
    """Sets of images below each other, one row with its name for each: originals, copies, …"""
    longest = max(len(images) for images in rows.values())
    size = min(0.75, 8 / longest)  # inches per image
    shape = (size * longest, (size + 0.1) * len(rows) + 0.4)
    fig, all_axes = plt.subplots(len(rows), 1, figsize=shape, squeeze=False, layout="constrained")
    for axes, (name, images) in zip(all_axes[:, 0], rows.items(), strict=True):
        axes.imshow(mosaic(images, longest), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_visible(False)
    fig.suptitle(title)
    show(fig, alt=f"{title}. {alt}")


def show_codes(
    maps: Mapping[str, tuple[Tensor, Tensor]],
    class_names: Sequence[str],
    *,
    title: str,
    alt: str,
    prior: bool = False,
) -> None:
    """Two-dimensional codes, each drawn as the digit of its class, one panel for each map.

    maps: name -> codes (n, 2) and classes (n,).  With `prior`, circles hold 39, 86 and 99 % of
    N(0, I): radii of 1, 2 and 3 standard deviations.
    """
    shape = (6 * len(maps), 6)
    fig, all_axes = plt.subplots(1, len(maps), figsize=shape, squeeze=False, layout="constrained")
    for axes, (name, (z, y)) in zip(all_axes[0], maps.items(), strict=True):
        z, y = z.detach().cpu().numpy(), y.cpu().numpy()
        for c, color in enumerate(CLASS_COLORS):
            of_class = z[y == c]
            axes.plot(*of_class.T, ls="", marker=f"${c}$", ms=5, mew=0.2, color=color, alpha=0.7)
            if len(of_class):
                label = class_names[c] if class_names[c] == str(c) else f"{c} {class_names[c]}"
                box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": color, "alpha": 0.85}
                place = np.median(of_class, axis=0)
                axes.text(*place, label, color=color, bbox=box, ha="center", zorder=3)
        if prior:
            for radius in (1, 2, 3):
                circle = plt.Circle((0, 0), radius, fill=False, color="black", ls="--", lw=1.5)
                axes.add_patch(circle).set_zorder(4)
        axes.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")
        axes.set_title(name if len(maps) > 1 else f"{title}\n{name}")
    if len(maps) > 1:
        fig.suptitle(title)
    show(fig, alt=f"{title}: {', '.join(maps)}. {alt}")


def latent_grid(side: int, extent: float) -> Tensor:
    """Codes on a square grid over [-extent, extent]^2, row by row.  -> (side side, 2)

    z_1 grows rightwards and z_2 upwards, as in a scatter plot.
    """
    axis = torch.linspace(-extent, extent, side)
    return torch.cartesian_prod(axis.flip(0), axis).flip(1)


def show_history(
    history: History,
    *,
    title: str,
    unit: str,
    alt: str,
    curves: Sequence[str] | None = None,
    lines: Mapping[str, float] | None = None,
) -> None:
    """Loss against epoch, for the curves named (or all), with horizontal reference lines."""
    fig, axes = plt.subplots(figsize=(7, 3.6))
    draw_curves(axes, history, list(curves or history.curves), unit)
    for value in (lines or {}).values():
        axes.axhline(value, color="#6B6B6B", lw=1)
    middle = sum(axes.get_ylim()) / 2
    for name, value in (lines or {}).items():  # written on the side where there is room
        text = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
        side = {"va": "top", "xytext": (-4, -3)} if value > middle else {"xytext": (-4, 3)}
        axes.annotate(f"{name}: {value:.4g}", (1, value), **text, **side)
    axes.set_title(title)
    last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in history.curves.items())
    show(fig, alt=f"{title}. {alt} After epoch {len(history)}: {last}.")


def draw_curves(axes: Axes, history: History, names: Sequence[str], unit: str) -> None:
    for i, name in enumerate(names):
        values = history[name]
        style = {"color": COLORS[i % 7], "ls": DASHES[i % 7], "marker": "o", "ms": 3}
        axes.plot(range(1, len(values) + 1), values, label=name, **style)
    axes.set(xlabel="epoch", ylabel=unit)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    if names:
        axes.legend()


def show_over_epochs(history: History, *, title: str, alt: str, count: int = 6) -> None:
    """The samples kept after some epochs, the same noise in the same place, one row an epoch."""
    if not history.frames:
        raise ValueError("this history keeps no samples: give fit() `samples`")
    last = len(history.frames)
    # early epochs change most: they are chosen on a logarithmic scale
    chosen = sorted({round(float(e)) for e in np.geomspace(1, last, min(count, last))})
    rows = {f"epoch {epoch}": history.frames[epoch - 1][:12] for epoch in chosen}
    show_rows(rows, title=title, alt=alt)
