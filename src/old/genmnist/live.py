"""The live training display: one picture that is redrawn in place, or a line per epoch."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt

from genmnist.checkpoint import History
from genmnist.display import COLORS, as_png, draw_curves, draw_images, in_notebook


class LiveDisplay:
    """What `fit` shows while it runs: curves, samples, speed and time left.

    In a notebook one picture that is redrawn in place, and so one stored output; in a terminal one
    line per epoch.  Without `pictures` a notebook shows one line at the end.
    """

    def __init__(
        self,
        history: History,
        *,
        epochs: int,
        title: str,
        unit: str,
        pictures: bool = True,
        shown: Sequence[str] | None = None,
    ) -> None:
        self.shown = shown  # the names of the curves to draw; all without it
        self.pictures = pictures and in_notebook()
        self.history, self.epochs, self.title, self.unit = history, epochs, title, unit
        self.resumed_after = len(history)
        self.images_per_second = math.nan
        self.epoch_started = self.drawn_at = time.perf_counter()
        self.draw_seconds = 0.0
        self.handle = None
        if self.resumed_after and not in_notebook():
            print(f"{title}: resumed after epoch {self.resumed_after}", flush=True)

    def is_due(self) -> bool:
        """At most twice a second, and drawing may take at most a twentieth of the time."""
        pause = max(0.5, 20 * self.draw_seconds)
        return self.pictures and time.perf_counter() - self.drawn_at > pause

    def progress(self, fraction: float, images: int, means: Mapping[str, float]) -> None:
        """Within an epoch: the fraction done, the images seen so far, the means over them."""
        if self.is_due():
            seconds = time.perf_counter() - self.epoch_started
            self.images_per_second = images / seconds
            left = (self.epochs - len(self.history) - fraction) * seconds / fraction
            text = f"epoch {len(self.history) + 1} of {self.epochs}, {_duration(left)} left"
            self._draw(text, partial=(len(self.history) + fraction, means))

    def epoch_done(self, images: int) -> None:
        """After an epoch over so many images, whose means the history now holds."""
        done, seconds = len(self.history), self.history.seconds[-1]
        self.images_per_second = images / seconds
        self.epoch_started = time.perf_counter()
        text = f"epoch {done} of {self.epochs}, {_duration((self.epochs - done) * seconds)} left"
        if self.is_due():
            self._draw(text)
        elif not in_notebook():
            means = "  ".join(f"{name} {v[-1]:.4g}" for name, v in self.history.curves.items())
            print(f"{self.title}: {text}, {self.images_per_second:,.0f} images/s  {means}")

    def close(self, message: str = "") -> None:
        """At the end: the whole run in one picture, or a last line in a terminal."""
        done = len(self.history)
        if not message:
            message = f"{done} epoch{'s' * (done != 1)} in {_duration(sum(self.history.seconds))}"
            if done and done == self.resumed_after:
                message += ", all from the checkpoint"
            elif self.resumed_after:
                message += f", resumed after epoch {self.resumed_after}"
        if self.pictures:
            self._draw(message)
        elif in_notebook() or done in (0, self.resumed_after) or done < self.epochs:
            print(f"{self.title}: {message}", flush=True)

    def _draw(self, text: str, partial: tuple[float, Mapping[str, float]] | None = None) -> None:
        from IPython.display import display

        started = time.perf_counter()
        frames = self.history.frames
        fig, axes = plt.subplots(
            1, 2 if frames else 1, figsize=(10 if frames else 6.5, 3.6), squeeze=False
        )
        names = [name for name in self.history.curves if self.shown is None or name in self.shown]
        draw_curves(axes[0, 0], self.history, names, self.unit)
        if partial:
            asked_for = [name for name in partial[1] if self.shown is None or name in self.shown]
            for i, value in enumerate(partial[1][name] for name in asked_for):
                axes[0, 0].plot(partial[0], value, "o", mfc="white", mec=COLORS[i % 7])
        if frames:
            draw_images(axes[0, 1], frames[-1], columns=8)
            axes[0, 1].set_title(f"after epoch {len(frames)}", fontsize=10)
        if not math.isnan(self.images_per_second):
            text += f", {self.images_per_second:,.0f} images/s"
        fig.suptitle(f"{self.title}: {text}")
        last = ", ".join(f"{name} {v[-1]:.4g}" for name, v in self.history.curves.items())
        alt = f"{self.title}: {text}. Loss against epoch. Last values: {last or 'none yet'}."
        data, metadata = as_png(fig, alt)
        plt.close(fig)
        if self.handle is None:
            self.handle = display(data, raw=True, metadata=metadata, display_id=True)
        else:
            self.handle.update(data, raw=True, metadata=metadata)
        self.drawn_at = time.perf_counter()
        self.draw_seconds = self.drawn_at - started


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
