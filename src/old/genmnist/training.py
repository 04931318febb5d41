"""One training loop for every model; seeds, device, run lengths."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from genmnist.checkpoint import Checkpoint, History, random_state, set_random_state
from genmnist.display import show_message
from genmnist.live import LiveDisplay

Number = TypeVar("Number", int, float)
Step = Callable[..., Mapping[str, Tensor]]  # a batch -> named scalars, each a mean over the batch

REPOSITORY_ROOT = Path(__file__).parents[3]


def _keep_freed_memory() -> None:
    """Let glibc keep the memory that a training step frees, for the next step.

    By default it goes back to the system and is fetched anew, page by page: a training step of the
    small convolutional networks here then takes a quarter longer on a CPU.  Elsewhere than on
    Linux with glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # names in malloc.h
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 2**28)
        mallopt(mmap_threshold, 2**25)  # the largest value that it takes


_keep_freed_memory()


class BatchSource(Sized, Protocol):
    def __iter__(self) -> Iterator[Tensor] | Iterator[tuple[Tensor, ...]]: ...


def fit(
    step: Step,
    batches: BatchSource,
    *,
    epochs: int,
    checkpoint: Checkpoint | None = None,
    validate: Callable[[], Mapping[str, float]] | None = None,
    samples: Callable[[], Tensor] | None = None,
    title: str = "Training",
    unit: str = "loss",
    live: bool = True,
    shown: Sequence[str] | None = None,
) -> History:
    """Call `step` on every batch, `epochs` times, and keep the mean of what it returns.

    Each mean is over images: a smaller last batch counts for less.  With a checkpoint, every epoch
    is saved, and a run that was cut off goes on after its last whole epoch.  The stop button ends
    training and returns the history so far.

    Args:
        step: makes one update from x, or from x and y; returns named scalars, means over the batch.
        epochs: passes over the batches in all, those in the checkpoint included.
        validate: called after each epoch; its numbers join the history under their own names.
        samples: called after each epoch; images in [0, 1] to show and keep in `history.frames`.
        unit: what the vertical axis of the live display says.
        live: False shows no picture in a notebook, for a run of an epoch or two.
        shown: the names of the curves in the live display; without it all of them.

    Raises:
        ValueError: if `epochs` is negative or there are no batches.
        TypeError: if `step` returns anything but named scalar tensors.
        FloatingPointError: as soon as a returned value is infinite or not a number.
    """
    if not isinstance(epochs, (int, np.integer)) or epochs < 0:
        raise ValueError(f"epochs is {epochs!r}: it must be a whole number, 0 or more")
    if len(batches) == 0:
        raise ValueError("there are no batches to train on: the data set is empty")
    history = checkpoint.restore() if checkpoint else History()
    display = LiveDisplay(
        history, epochs=epochs, title=title, unit=unit, pictures=live, shown=shown
    )
    try:
        for epoch in range(len(history) + 1, epochs + 1):
            started = time.perf_counter()
            means, images = _train_one_epoch(step, batches, epoch, display)
            with _random_state_untouched():
                validated = validate() if validate else {}
                frame = _to_uint8(samples()) if samples else None
            _stop_if_not_finite(validated, f"after epoch {epoch}")
            for name, value in _joined(means, validated).items():
                history.curves.setdefault(name, []).append(float(value))
            if frame is not None:
                history.frames.append(frame)
            history.seconds.append(time.perf_counter() - started)
            if checkpoint:
                _save_or_say(checkpoint, history)
            display.epoch_done(images)
    except KeyboardInterrupt:
        display.close(f"stopped by hand after {len(history)} of {epochs} epochs")
        return history
    display.close()
    return history


def _train_one_epoch(
    step: Step, batches: BatchSource, epoch: int, display: LiveDisplay
) -> tuple[dict[str, float], int]:
    """The mean over images of every value that `step` returns, and how many images there were."""
    totals: dict[str, Tensor] = {}
    images = 0
    for number, batch in enumerate(batches, start=1):
        batch = batch if isinstance(batch, (tuple, list)) else (batch,)
        values = _checked(step(*batch))
        size = len(batch[0])
        images += size
        for name, value in values.items():
            totals[name] = totals.get(name, 0) + value.detach().float() * size
        # Reading a value makes the CPU wait for a GPU, so there it happens only now and then.
        if display.is_due() or all(total.device.type == "cpu" for total in totals.values()):
            means = {name: float(total) / images for name, total in totals.items()}
            _stop_if_not_finite(means, f"in epoch {epoch}, by batch {number} of {len(batches)}")
            display.progress(number / len(batches), images, means)
    means = {name: float(total) / images for name, total in totals.items()}
    _stop_if_not_finite(means, f"in epoch {epoch}")
    return means, images


def _joined(means: Mapping[str, float], validated: Mapping[str, float]) -> dict[str, float]:
    if both := means.keys() & validated.keys():
        raise ValueError(f"the step and validate() both return {sorted(both)}: rename one")
    return {**means, **validated}


def _checked(values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The values of a step if they are named scalars; else an error that says what to return."""
    if not isinstance(values, Mapping):
        raise TypeError(
            f"the step returned {type(values).__name__}: let it return named values, such as "
            '{"loss": loss}'
        )
    for name, value in values.items():
        if not isinstance(value, Tensor) or value.dim() > 0:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise TypeError(
                f"the step returned {got} for {name!r}: return a tensor with one number, "
                "such as loss.mean()"
            )
    return values


def _stop_if_not_finite(means: Mapping[str, float], when: str) -> None:
    for name, value in means.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{name} became {value} {when}. Usual causes: a learning rate that is too large; "
                "the logarithm of 0 (work with logits); exp of a large number (a logvar that runs "
                "away); pixels that are not in [0, 1]. The weights are spoiled: build the model "
                "anew, mend the cause, run again. A checkpoint still holds the last whole epoch."
            )


def _to_uint8(images: Tensor) -> Tensor:
    return (images.detach().clamp(0, 1) * 255).round().to(torch.uint8).cpu()


@contextlib.contextmanager
def _random_state_untouched() -> Iterator[None]:
    """Looking at a model draws random numbers too; training must not notice that it was watched."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)


def _save_or_say(checkpoint: Checkpoint, history: History) -> None:
    """A full disk or a lost Drive must not cost the training that it cannot save."""
    try:
        checkpoint.save(history)
    except OSError as error:
        show_message(
            f"Epoch {len(history)} could not be saved to {checkpoint.path}: {error}.\n"
            "Training goes on. If it is cut off, it starts from the last epoch that was saved."
        )


@torch.no_grad()
def evaluate(values: Callable[..., Mapping[str, Tensor]], batches: BatchSource) -> dict[str, float]:
    """The mean over all images of per-image values, without gradients.

    Args:
        values: a batch -> named tensors of shape (b,), one value per image.

    Raises:
        ValueError: if a tensor does not have one value per image of its batch.
    """
    totals: dict[str, float] = {}
    images = 0
    for batch in batches:
        batch = batch if isinstance(batch, (tuple, list)) else (batch,)
        images += len(batch[0])
        for name, value in values(*batch).items():
            if value.shape != (len(batch[0]),):
                raise ValueError(
                    f"{name!r} has shape {tuple(value.shape)}; one value for each of the "
                    f"{len(batch[0])} images is needed"
                )
            totals[name] = totals.get(name, 0.0) + value.cpu().double().sum().item()
    return {name: total / images for name, total in totals.items()}


@torch.no_grad()
def in_parts(function: Callable[[Tensor], Tensor], x: Tensor, size: int = 500) -> Tensor:
    """function(x) without gradients, `size` images at a time.  (n, …) -> (n, …)

    The layers of a network hold far more numbers than its images: all at once they would fill the
    memory, and be slower on a CPU.
    """
    return torch.cat([function(part) for part in x.split(size)])


def one_cycle(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.OneCycleLR:
    """A learning rate that rises to the optimizer's over a tenth of the steps, then falls to 0.

    Call its `step()` after every update.  Smith and Topin (2019), one cycle, with a cosine.
    """
    largest = [group["lr"] for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.OneCycleLR(
        optimizer, largest, total_steps=max(1, steps) + 1, pct_start=0.1, cycle_momentum=False
    )


def wait_and_fade(
    optimizer: torch.optim.Optimizer, steps: int, *, wait: int = 0, fade: bool = False
) -> torch.optim.lr_scheduler.LambdaLR:
    """A learning rate of 0 for `wait` steps, then the optimizer's.

    With `fade` it falls in the second half of all `steps`, along a line to a fiftieth: step t has
    min(1, 2.02 - 2 t / steps) times the rate.  Call its `step()` after every update.
    """

    def factor(t: int) -> float:
        if t < wait:
            return 0.0
        return min(1.0, 2.02 - 2 * t / max(1, steps)) if fade else 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def set_seed(seed: int) -> None:
    """Seed Python's, NumPy's and torch's generators.

    The same seed on the same device with the same versions gives the same curves; another device
    gives similar ones.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def default_device() -> torch.device:
    """A CUDA GPU if there is one, then Apple's, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name() -> str:
    """The GPU's name, or the number of CPU cores: what a measured time belongs to."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{os.cpu_count()} CPU cores"


def fast_mode() -> bool:
    """Whether runs are cut to a trial: COURSE_FAST=1, or any run under pytest that does not say."""
    default = "1" if "PYTEST_CURRENT_TEST" in os.environ else ""
    return os.environ.get("COURSE_FAST", default) not in ("", "0")


def go_further() -> bool:
    """Whether the optional last sections run: in fast mode, or with COURSE_FURTHER=1."""
    return fast_mode() or os.environ.get("COURSE_FURTHER", "") not in ("", "0")


def budget(*, gpu: Number, cpu: Number, fast: Number, unit: str = "epochs") -> Number:
    """The size of a run: `fast` in fast mode, else `gpu` or `cpu` by device; prints its choice."""
    if fast_mode():
        print(f"FAST MODE: {fast:,} {unit}, to see that everything works. Results will look poor.")
        return fast
    if default_device().type == "cpu":
        more = f" (with a GPU: {gpu:,})" if gpu != cpu else ""
        print(f"No GPU: {cpu:,} {unit}{more}.")
        return cpu
    print(f"GPU: {gpu:,} {unit}.")
    return gpu


def run_folder(*, save_to_drive: bool = False) -> Path:
    """Where checkpoints go: `runs/` in the repository, or your Google Drive if you say so in Colab.

    The environment variable COURSE_RUNS names another folder; fast runs keep to a folder of theirs.
    """
    folder = Path(os.environ.get("COURSE_RUNS") or REPOSITORY_ROOT / "runs")
    if save_to_drive:
        try:
            from google.colab import drive
        except ImportError:
            show_message(f"Google Drive is for Colab only: this run is saved in {folder}.")
        else:
            drive.mount("/content/drive")
            folder = Path("/content/drive/MyDrive/genmnist-runs")
    folder = folder / "fast" if fast_mode() else folder
    folder.mkdir(parents=True, exist_ok=True)
    return folder
