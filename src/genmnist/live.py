"""What `fit` shows: one picture redrawn in place in a notebook, a line per epoch in a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from matplotlib.figure import Figure

from genmnist import plots
from genmnist.messages import in_notebook, say


class LiveDisplay:
    """Curves, and samples beside them if there are any; without `live` a notebook gets one line."""

    def __init__(self, history, epochs: int, title: str, unit: str, live: bool, shown) -> None:
        self.history, self.epochs, self.title, self.unit = history, epochs, title, unit
        self.pictures, self.shown, self.resumed = live and in_notebook(), shown, len(history)
        self.handle, self.drawn, self.pause = None, time.perf_counter(), 0.5

    def is_due(self) -> bool:
        """At most twice a second, and drawing takes at most a twentieth of the time."""
        return self.pictures and time.perf_counter() - self.drawn > self.pause

    def progress(self, done: float, pace: float, speed: float, means: Mapping[str, float]) -> None:
        """So many epochs are done, at `pace` seconds each and `speed` images a second."""
        if self.is_due() or (done == len(self.history) and not in_notebook()):
            left = timedelta(seconds=round((self.epochs - done) * pace))
            text = f"epoch {done:.3g} of {self.epochs}, {left} left, {speed:,.0f} images/s"
            self._show(text, means)

    def close(self, text: str = "") -> None:
        if text or self.resumed or in_notebook():  # a terminal has its lines
            done, took = len(self.history), timedelta(seconds=round(sum(self.history.seconds)))
            text = text or f"{done} epoch{'s' * (done != 1)} in {took}"
            text += f", {self.resumed} of them from the checkpoint" if self.resumed else ""
            self._show(text, {name: values[-1] for name, values in self.history.curves.items()})

    @plots.on_white
    def _show(self, text: str, means: Mapping[str, float]) -> None:
        values = ", ".join(f"{name} {value:.4g}" for name, value in means.items()) or "no values"
        text = f"{self.title}: {text}"
        if not self.pictures:
            return say(f"{text}, {values}")
        from IPython.display import display

        self.drawn, frames = time.perf_counter(), self.history.frames
        fig = Figure(figsize=(10 if frames else 6.5, 3.6), layout="constrained")
        axes = fig.subplots(1, 1 + bool(frames), squeeze=False)[0]
        curves, shown = self.history.curves, self.shown or self.history.curves
        named = {k: (range(1, len(y) + 1), y) for k, y in curves.items() if k in shown}
        plots.draw_curves(axes[0], named, "epoch", self.unit)
        if frames:
            plots.draw_images(axes[1], frames[-1], columns=8)
        fig.suptitle(f"{text}\n{values}", fontsize=10)
        data, metadata = plots.as_png(fig, f"{text}. Last values: {values}.")
        self.handle = self.handle or display(display_id=True)
        self.handle.update(data, raw=True, metadata=metadata)
        self.pause = max(0.5, 20 * (time.perf_counter() - self.drawn))
