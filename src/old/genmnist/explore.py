"""One slider for each number of a code, and the image that they decode to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from genmnist.display import draw_images, in_notebook, show


def explore_codes(
    decode: Callable[[Tensor], Tensor],
    low: Sequence[float],
    high: Sequence[float],
    *,
    title: str,
    device: torch.device | str = "cpu",
) -> None:
    """Sliders z_1, z_2, … between `low` and `high`, and the decoded image below them.

    A stored notebook cannot hold sliders: put a still grid of the same images above, and a line
    that says where they are.  Without ipywidgets, or outside a notebook, only that line is printed.

    Raises:
        ValueError: if a range is empty, or `low` and `high` are not equally long.
    """
    if len(low) != len(high) or not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"sliders from {list(low)} to {list(high)}: each needs low < high")
    print(f"{title}: sliders appear here when you run this cell.")
    try:
        from ipywidgets import FloatSlider, interact
    except ImportError:
        return
    if not in_notebook():
        return

    @torch.no_grad()
    def draw(**numbers: float) -> None:
        image = decode(torch.tensor([list(numbers.values())], device=device))
        fig, axes = plt.subplots(figsize=(2.2, 2.4))
        draw_images(axes, image, columns=1)
        code = ", ".join(f"{value:.1f}" for value in numbers.values())
        axes.set_title(f"z = ({code})")
        show(fig, alt=f"{title}. The image decoded from z = ({code}).")

    sliders = {
        f"z_{i}": FloatSlider(value=(a + b) / 2, min=a, max=b, step=(b - a) / 50)
        for i, (a, b) in enumerate(zip(low, high, strict=True), start=1)
    }
    interact(draw, **sliders)
