"""Figures, messages and listings.

Every figure is drawn on white, so that it can be read on a dark page too, carries an alternative
text, and never means anything by colour alone.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from PIL import Image
from torch import Tensor, nn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

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
    picture = Image.open(drawn).convert("RGB")
    # 24 greys do for any grey figure, and 16 beside colours: a third or half of the size
    pixels = np.array(picture)
    spread = np.ptp(pixels, axis=2)
    if spread.max() > 0:
        greyish = spread < 12
        pixels[greyish] = (pixels[greyish].mean(axis=1, keepdims=True) / 17).round() * 17
        picture = Image.fromarray(pixels)
    few = picture.quantize(64 if spread.max() > 0 else 24, dither=Image.Dither.NONE)
    off = np.abs(np.asarray(few.convert("RGB"), dtype=int) - np.asarray(picture, dtype=int))
    if (off.max(axis=2) > 40).mean() > 1e-3:  # as where shades overlap: lines would change colour
        few = picture.quantize(256, dither=Image.Dither.NONE)
    few.save(small, format="png", optimize=True)
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

    images: (n, c, h, w) in [0, 1] or uint8, c = 1 for grey and 3 for colour images.
    Returns (rows (h + 1) - 1, columns (w + 1) - 1), and a last axis of 3 for colour.
    """
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images have shape {tuple(images.shape)}; (n, 1, h, w) or (n, 3, h, w) is needed"
        )
    images = images.detach().cpu()
    images = images / 255 if images.dtype == torch.uint8 else images.float().clamp(0, 1)
    n, c, h, w = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1, c), 0.5)
    for i, image in enumerate(images.movedim(1, 3).numpy()):
        top, left = i // columns * (h + 1), i % columns * (w + 1)
        sheet[top : top + h, left : left + w] = image
    return sheet if c == 3 else sheet[..., 0]


def draw_images(axes: Axes, images: Tensor, columns: int) -> None:
    axes.imshow(mosaic(images, columns), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_axis_off()


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
    decoded: tuple[Tensor, Tensor, Tensor] | None = None,
) -> None:
    """Two-dimensional codes, each drawn as the digit of its class, one panel for each map.

    With `prior`, circles hold 39, 86 and 99 % of N(0, I): radii of 1, 2 and 3 standard deviations.
    The axes end at the 1st and 99th percentile; with `decoded`, where its grid ends.

    Args:
        maps: name -> codes (n, 2) and classes (n,).
        decoded: the images (side side, 1, h, w) of `latent_grid(side, low, high)`, low (2,) and
            high (2,): one more panel on the same axes, each image where its code lies.
    """
    count = len(maps) + (decoded is not None)
    shape = (5.2 * count if count > 1 else 6, 6)
    fig, all_axes = plt.subplots(1, count, figsize=shape, squeeze=False, layout="constrained")
    for axes, (name, (z, y)) in zip(all_axes[0], maps.items(), strict=False):
        z, y = z.detach().cpu().numpy(), y.cpu().numpy()
        draw_codes(axes, z, y, class_names)
        if prior:
            for radius in (1, 2, 3):
                circle = plt.Circle((0, 0), radius, fill=False, color="black", ls="--", lw=1.5)
                axes.add_patch(circle).set_zorder(4)
        if decoded:
            left, right, bottom, top = _grid_ends(*decoded)
            axes.set(xlim=(left, right), ylim=(bottom, top), aspect="auto")
        elif len(z):  # a few far points would make the rest a blot
            low, high = np.quantile(z, (0.01, 0.99), axis=0)
            low, high = (np.minimum(low, -3.2), np.maximum(high, 3.2)) if prior else (low, high)
            margin = 0.05 * (high - low).max()
            axes.set(xlim=(low[0] - margin, high[0] + margin))
            axes.set(ylim=(low[1] - margin, high[1] + margin))
        axes.set_title(name if count > 1 else f"{title}\n{name}")
    if decoded:
        axes, sheet = all_axes[0, -1], mosaic(decoded[0], math.isqrt(len(decoded[0])))
        sheet = np.round(15 * sheet) / 15  # so few greys leave the palette to the classes' colours
        ends = _grid_ends(*decoded)
        axes.imshow(sheet, cmap="gray", vmin=0, vmax=1, extent=ends, aspect="auto")
        axes.set(xlabel="$z_1$", ylabel="$z_2$", title="decoded from a grid on the same axes")
    if count > 1:
        fig.suptitle(title)
    show(fig, alt=f"{title}: {', '.join(maps)}. {alt}")


def draw_codes(axes: Axes, z: np.ndarray, y: np.ndarray, class_names: Sequence[str]) -> None:
    for c, color in enumerate(CLASS_COLORS):
        of_class = z[y == c]
        axes.plot(*of_class.T, ls="", marker=f"${c}$", ms=5, mew=0.2, color=color, alpha=0.7)
        if len(of_class):
            label = class_names[c] if class_names[c] == str(c) else f"{c} {class_names[c]}"
            box = {"boxstyle": "round,pad=0.2", "fc": "white", "ec": color, "alpha": 0.85}
            place = np.median(of_class, axis=0)
            axes.text(*place, label, color=color, bbox=box, ha="center", zorder=3, clip_on=True)
    axes.set(xlabel="$z_1$", ylabel="$z_2$", aspect="equal")


def latent_grid(
    side: int, low: float | Sequence[float] | Tensor, high: float | Sequence[float] | Tensor
) -> Tensor:
    """Codes on a grid from `low` to `high`, row by row.  -> (side side, 2)

    z_1 grows rightwards and z_2 upwards, as in a scatter plot.

    Args:
        low, high: the ends, one number for both axes or one for each.
    """
    (left, bottom), (right, top) = (
        torch.as_tensor(end, dtype=torch.float32).cpu().expand(2).tolist() for end in (low, high)
    )
    rows, columns = torch.linspace(bottom, top, side).flip(0), torch.linspace(left, right, side)
    return torch.cartesian_prod(rows, columns).flip(1)


def _grid_ends(images: Tensor, low: Tensor, high: Tensor) -> tuple[float, float, float, float]:
    """left, right, bottom, top of a decoded grid: half an image beyond its outermost codes."""
    half = (high - low) / (2 * (math.isqrt(len(images)) - 1))
    (left, bottom), (right, top) = (low - half).tolist(), (high + half).tolist()
    return left, right, bottom, top


def show_history(
    history: History,
    *,
    title: str,
    unit: str,
    alt: str,
    curves: Sequence[str] | None = None,
    lines: Mapping[str, float] | None = None,
    log_y: bool = False,
) -> None:
    """Loss against epoch, for the curves named (or all), with horizontal reference lines."""
    fig, axes = plt.subplots(figsize=(7, 3.6))
    draw_curves(axes, history, list(curves or history.curves), unit)
    if log_y:
        _plain_log_axis(axes.yaxis, axes.set_yscale)
    for value in (lines or {}).values():
        axes.axhline(value, color="#6B6B6B", lw=1)
    low, high = axes.get_ylim()
    middle = math.sqrt(low * high) if log_y else (low + high) / 2
    for name, value in (lines or {}).items():  # written on the side where there is room
        text = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right"}
        side = {"va": "top", "xytext": (-4, -3)} if value > middle else {"xytext": (-4, 3)}
        axes.annotate(f"{name}: {value:.4g}", (1, value), **text, **side)
    axes.set_title(title)
    last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in history.curves.items())
    show(fig, alt=f"{title}. {alt} After epoch {len(history)}: {last}.")


def _plain_log_axis(axis: Axis, set_scale: Callable[[str], None]) -> None:
    """A logarithmic axis with plain numbers at 1, 2, 5, 10, …"""
    set_scale("log")
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


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


def show_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    alt: str,
    lines: Mapping[str, float] | None = None,
    marks: Mapping[str, float] | None = None,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    log_x: bool = False,
    log_y: bool = False,
    places: Mapping[str, tuple[float, float]] | None = None,
    markers: bool = True,
) -> None:
    """Curves (x, y) by name, each with colour, dashes and marker of its own.

    Without markers, for curves of hundreds of points, lines alone are drawn.
    `lines` are horizontal and `marks` vertical reference lines, written where they stand.
    `bands` give a curve's lowest and highest values, such as those of several runs, as a shade.
    `places` are named dots (x, y); with them both axes have the same scale, as on a map.
    """
    fig, axes = plt.subplots(figsize=(7, 3.8))
    for i, (name, (x, y)) in enumerate(curves.items()):
        marker = "osD^vPX"[i % 7] if markers else ""
        axes.plot(x, y, label=name, color=COLORS[i % 7], ls=DASHES[i % 7], marker=marker, ms=5)
        if name in (bands or {}):
            axes.fill_between(x, *bands[name], color=COLORS[i % 7], alpha=0.15, lw=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if log_x:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(LogLocator(2))
        axes.xaxis.set_major_formatter("{x:g}")
    if log_y:
        _plain_log_axis(axes.yaxis, axes.set_yscale)
    for name, value in (lines or {}).items():
        axes.axhline(value, color="#6B6B6B", lw=1)
        text = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        high = axes.transAxes.inverted().transform(axes.transData.transform((0, value)))[1] > 0.92
        side = {"va": "top", "xytext": (4, -3)} if high else {"xytext": (4, 3)}  # inside the frame
        axes.annotate(f"{name}: {value:.4g}", (0, value), **text, **side)
    for name, value in (marks or {}).items():
        axes.axvline(value, color="#6B6B6B", lw=1)
        text = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points"}
        axes.annotate(
            f"{name}: {value:.4g}", (value, 1), rotation=90, va="top", ha="right",
            xytext=(-3, -4), **text,
        )  # fmt: skip
    for i, (name, place) in enumerate((places or {}).items()):
        axes.plot(*place, ls="", marker="o", ms=6, color="black", zorder=3)
        beside = (5, (6, -14)[i % 2])  # above and below in turn, not over each other
        axes.annotate(name, place, xytext=beside, textcoords="offset points")
    if places:
        axes.set_aspect("equal")
    axes.grid(alpha=0.3)
    beside = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}  # it would hide what it names
    axes.legend(**(beside if bands or places else {}))
    axes.set_title(title)
    show(fig, alt=f"{title}. {alt}")


def show_dashboards(
    rows: Mapping[str, tuple[History, Tensor, Tensor]], *, title: str, alt: str
) -> None:
    """The state of GANs, one row each: losses, D's verdicts, gradients, samples, classes.

    Lines mark 2 ln 2 and ln 2, the losses of D and G where D cannot tell; one half, D's verdict
    there; and a tenth, the share of each of ten even classes.

    Args:
        rows: name -> a history with the curves "loss of D", "loss of G", "D(real)", "D(fake)",
            "gradient of D" and "gradient of G"; samples (n, 1, h, w) in [0, 1], of which 16 are
            drawn; and the share of each class in the samples (10,).
    """
    shape = (12, 1.75 * len(rows) + 0.5)
    fig, grid = plt.subplots(len(rows), 5, figsize=shape, squeeze=False, layout="constrained")
    for i, (all_axes, (name, (history, samples, shares))) in enumerate(
        zip(grid, rows.items(), strict=True)
    ):
        losses, verdicts, gradients, pictures, classes = all_axes
        for axes, pair, lines in (
            (losses, ("loss of D", "loss of G"), {"2 ln 2": 2 * math.log(2), "ln 2": math.log(2)}),
            (verdicts, ("D(real)", "D(fake)"), {"½": 0.5}),
            (gradients, ("gradient of D", "gradient of G"), {}),
        ):
            for j, curve in enumerate(pair):
                values = history[curve] if len(history) else []
                style = {"color": COLORS[j], "ls": DASHES[j], "marker": "os"[j], "ms": 2.5}
                axes.plot(range(1, len(values) + 1), values, label=curve, **style)
            for value in lines.values():
                axes.axhline(value, color="#6B6B6B", lw=0.8)
            low, high = axes.get_ylim()
            crowded = len(lines) == 2 and math.log(2) < 0.1 * (high - low)
            for text, value in [("ln 2, 2 ln 2", math.log(2))] if crowded else lines.items():
                where = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
                axes.annotate(text, (1, value), xytext=(2, -3), fontsize=7, **where)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.tick_params(labelsize=7)
            if len(history) == 0:  # a run that broke off in its first epoch
                axes.text(0.5, 0.5, "no whole epoch", transform=axes.transAxes, ha="center")
                axes.set(xticks=[], yticks=[])
            if i == 0:
                axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2,
                            frameon=False, handlelength=1.5, columnspacing=1)  # fmt: skip
        sizes = [value for line in gradients.lines for value in line.get_ydata() if value > 0]
        if sizes:
            _plain_log_axis(gradients.yaxis, gradients.set_yscale)
            if max(sizes) > 100 * min(sizes):
                gradients.yaxis.set_major_locator(LogLocator(10))
        for j, line in enumerate(gradients.lines):  # a logarithmic axis has no place for 0
            zeros = [*itertools.takewhile(lambda value: value == 0, reversed(line.get_ydata()))]
            if zeros:
                first = len(line.get_ydata()) - len(zeros) + 1
                text = f"{line.get_label()}: 0 from epoch {first}"
                gradients.text(0.95, 0.85 - 0.15 * j, text, transform=gradients.transAxes,
                               color=COLORS[j], fontsize=7, ha="right")  # fmt: skip
        verdicts.set_ylim(-0.05, 1.05)
        losses.set_ylabel(name, fontsize=9)
        draw_images(pictures, samples[:16], 4)
        if len(history):  # what the judge calls the pictures of a run that broke off says nothing
            classes.bar(range(10), shares.tolist(), color="#9AC7E0", edgecolor=COLORS[0])
        classes.axhline(0.1, color="#6B6B6B", lw=0.8)
        classes.set(ylim=(0, 1), xlim=(-0.6, 9.6), xticks=range(10), yticks=(0, 0.1, 0.5, 1))
        classes.tick_params(labelsize=7)
        if i == 0:
            pictures.set_title("samples", fontsize=8)
            classes.set_title("share of each class", fontsize=8)
    for axes in grid[-1, :3]:
        axes.set_xlabel("epoch", fontsize=8)
    grid[-1, 4].set_xlabel("class", fontsize=8)
    fig.suptitle(title)
    show(fig, alt=f"{title}: {', '.join(rows)}. {alt}")


def show_points(
    panels: Mapping[str, Tensor], *, title: str, alt: str, centres: Tensor | None = None
) -> None:
    """Points (n, 2) in the plane, one panel for each name, all with the same two axes.

    `centres` (m, 2) are marked by a cross in every panel, under the points: an empty cross is a
    place that no point has found.

    The axes end a tenth beyond the 1st and 99th percentile of the panel that reaches furthest: a
    few far points would hide the rest, and axes of its own would hide what a panel lacks.
    """
    shape = (3 * len(panels), 3.4)
    fig, all_axes = plt.subplots(
        1, len(panels), figsize=shape, squeeze=False, layout="constrained", sharex=True, sharey=True
    )
    panels = {name: points.detach().cpu().numpy() for name, points in panels.items()}
    marks = np.zeros((0, 2)) if centres is None else centres.detach().cpu().numpy()
    seen = [*panels.values(), marks]
    ends = [np.quantile(points, (0.01, 0.99), axis=0) for points in seen if len(points)]
    ends = ends or [np.zeros((2, 2))]
    low, high = np.min(ends, axis=(0, 1)), np.max(ends, axis=(0, 1))
    margin = 0.1 * (high - low) + 1e-6
    for axes, (name, points) in zip(all_axes[0], panels.items(), strict=True):
        axes.plot(*points.T, ls="", marker=".", ms=2, color=COLORS[0], alpha=0.5)
        if len(marks):
            axes.plot(*marks.T, ls="", marker="+", ms=9, color=COLORS[1], zorder=1)
        axes.set_title(name, fontsize=10)
    all_axes[0, 0].set(xlim=(low[0] - margin[0], high[0] + margin[0]))
    all_axes[0, 0].set(ylim=(low[1] - margin[1], high[1] + margin[1]))
    fig.suptitle(title)
    show(fig, alt=f"{title}: {', '.join(panels)}. {alt}")
