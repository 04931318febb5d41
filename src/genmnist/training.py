"""One training loop for every model; evaluation, seed, device, lengths of runs, where they go."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genmnist.checkpoint import Checkpoint, History, message_once, random_state, set_random_state
from genmnist.live import LiveDisplay
from genmnist.messages import message, say

REPOSITORY = Path(__file__).parents[2]
say_once = functools.cache(say)


def _keep_freed_memory() -> None:
    """Let glibc keep what a step frees for the next step: a quarter of the time on a CPU."""
    with contextlib.suppress(OSError, AttributeError):  # where there is no glibc
        for name, value in ((-1, 2**31 - 1), (-2, 2**28), (-3, 2**25)):  # M_TRIM_THRESHOLD, …
            ctypes.CDLL("libc.so.6").mallopt(name, value)


_keep_freed_memory()


def fit(step: Callable[..., Mapping[str, Tensor]], batches: Sequence, *, epochs: int,
        checkpoint: Checkpoint | None = None,
        validate: Callable[[], Mapping[str, float]] | None = None,
        samples: Callable[[], Tensor] | None = None, title: str = "Training", unit: str = "loss",
        live: bool = True, shown: Sequence[str] | None = None) -> History:  # fmt: skip
    """Call `step` on every batch, `epochs` times; keep the means over images of what it returns.

    The stop button ends training and returns the history so far.

    Args:
        step: makes one update from x, or x and y; returns named scalars, means over the batch.
        epochs: passes over the batches in all, those in the checkpoint included.
        validate: after each epoch, numbers that join the history under their own names.
        samples: after each epoch, images in [0, 1] to show and to keep in `history.frames`.
        unit, shown: the label of the vertical axis; the names of the curves drawn, if not all.
        live: False shows no picture in a notebook, for a run of an epoch or two.

    Raises:
        ValueError: if `epochs` is negative or there are no batches.
        TypeError: if `step` returns anything but named scalar tensors.
        FloatingPointError: if a value is not finite, at the latest at the end of the epoch.
    """
    if not isinstance(epochs, (int, np.integer)) or epochs < 0:
        raise ValueError(f"epochs is {epochs!r}: it must be a whole number, 0 or more")
    if len(batches) == 0:
        raise ValueError("there are no batches to train on: the data set is empty")
    history = checkpoint.restore(step, batches, run_folder) if checkpoint else History()
    display = LiveDisplay(history, epochs, title, unit, live, shown)
    try:
        while len(history) < epochs:
            images, means = _train_one_epoch(step, batches, history, display, validate, samples)
            if checkpoint:
                checkpoint.save(history)
            seconds = history.seconds[-1]
            display.progress(len(history), seconds, images / seconds, means)
    except KeyboardInterrupt:
        display.close(f"stopped by hand after {len(history)} of {epochs} epochs")
    else:
        display.close()
    return history


def _train_one_epoch(step, batches, history, display, validate, samples) -> tuple[int, dict]:
    started, epoch, seen, sums = time.perf_counter(), len(history) + 1, 0, {}
    for number, batch in enumerate(batches, start=1):
        batch = batch if isinstance(batch, (tuple, list)) else (batch,)
        size = len(batch[0])
        seen += size
        for name, value in _checked(step(*batch)).items():
            total, images = sums.get(name, (0, 0))
            sums[name] = total + value.detach().float() * size, images + size
        # Reading a value makes the CPU wait for a GPU, so there it happens only now and then.
        if display.is_due() or all(total.device.type == "cpu" for total, _ in sums.values()):
            means, seconds = _means(sums, epoch), time.perf_counter() - started
            done = number / len(batches)
            display.progress(epoch - 1 + done, seconds / done, seen / seconds, means)
    means = _means(sums, epoch)
    state = random_state()  # looking at a model draws numbers too, which training must not notice
    try:
        more = validate() if validate else {}
        frames = [(samples().detach().clamp(0, 1) * 255).round().byte().cpu()] if samples else []
    finally:
        set_random_state(state)
    if both := means.keys() & more.keys():
        raise ValueError(f"the step and validate() both return {sorted(both)}: rename one")
    means |= _means({name: (value, 1) for name, value in more.items()}, epoch)
    for name, value in means.items():
        history.curves.setdefault(name, []).append(value)
    history.frames += frames
    history.seconds.append(time.perf_counter() - started)
    return seen, means


def _checked(values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    for name, value in values.items() if isinstance(values, Mapping) else [("", values)]:
        if not name or not isinstance(value, Tensor) or value.dim() > 0:
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise TypeError(f"the step returned {got}{f' for {name!r}' if name else ''}: let it "
                            'return named means, such as {"loss": loss.mean()}')  # fmt: skip
    return values


def _means(sums: Mapping[str, tuple], epoch: int) -> dict[str, float]:
    means = {name: float(total) / images for name, (total, images) in sums.items()}
    for name, value in means.items():
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{name} became {value} in epoch {epoch}. Usual causes: too large a learning rate; "
                "log of 0 (work with logits); exp of a large number (logvar); pixels outside "
                "[0, 1]. Mend the cause, build the model anew, run again."
            )
    return means


@torch.no_grad()
def evaluate(values: Callable[..., Mapping[str, Tensor]], batches: Sequence) -> dict[str, float]:
    """The mean over all images of per-image values, without gradients.

    Args:
        values: a batch -> named tensors of shape (b,), one value per image.

    Raises:
        ValueError: if a tensor does not have one value per image of its batch.
    """
    totals, images = {}, 0
    for batch in batches:
        batch = batch if isinstance(batch, (tuple, list)) else (batch,)
        images += len(batch[0])
        for name, value in values(*batch).items():
            if value.shape != (len(batch[0]),):
                raise ValueError(f"{name!r} has shape {tuple(value.shape)}; one value for each of "
                                 f"the {len(batch[0])} images is needed")  # fmt: skip
            totals[name] = totals.get(name, 0.0) + value.cpu().double().sum().item()
    return {name: total / images for name, total in totals.items()}


@torch.no_grad()
def in_parts(function: Callable[[Tensor], Tensor], x: Tensor, size: int = 500) -> Tensor:
    """function(x) without gradients, `size` images at a time to save memory.  (n, …) -> (n, …)"""
    return torch.cat([function(part) for part in x.split(size)])


def set_seed(seed: int) -> None:
    """Seed Python, NumPy and torch: same device and versions, same curves; else similar ones."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@functools.cache
def default_device() -> torch.device:
    """A CUDA GPU that the installed torch can use, else Apple's GPU, else the CPU."""
    if torch.cuda.is_available():
        try:
            torch.ones(1, device="cuda").exp().item()  # a first kernel
            return torch.device("cuda")
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            message(f"torch {torch.__version__} cannot use the GPU ({reason}): taking the CPU.")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name() -> str:
    """What a measured time belongs to: the GPU's name, or the number of CPU cores."""
    device = default_device().type
    if device == "cuda":
        return torch.cuda.get_device_name()
    return "Apple GPU (MPS)" if device == "mps" else f"{os.cpu_count()} CPU cores"


def fast_mode() -> bool:
    """Whether runs are cut to a trial: COURSE_FAST=1, or under pytest unless it says 0."""
    default = "1" if "PYTEST_CURRENT_TEST" in os.environ else ""
    return os.environ.get("COURSE_FAST", default) not in ("", "0")


def reduced(value: float, *, to: float) -> float:
    """`to` in fast mode, else `value`: a size of a run."""
    if not fast_mode():
        return value
    say_once("FAST MODE: sizes are reduced to see that everything works; results will look poor.")
    return to


def run_folder(*, save_to_drive: bool = False) -> Path:
    """Where checkpoints go: `runs/` in the repository or COURSE_RUNS, or your Drive in Colab.

    Fast runs keep to a folder of theirs.  What cannot be written is said, and the next one taken.
    """
    folders = [Path(os.environ.get("COURSE_RUNS") or REPOSITORY / "runs")]
    folders += [Path(tempfile.gettempdir()) / "genmnist-runs"]
    if save_to_drive:
        try:
            from google.colab import drive

            drive.mount("/content/drive")
            folders = [Path("/content/drive/MyDrive/genmnist-runs"), *folders]
        except Exception as error:  # Colab raises several kinds
            message(f"Google Drive cannot be used ({error}): runs are saved in {folders[0]}.")
    for folder in [folder / ("fast" if fast_mode() else "") for folder in folders]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            return folder
        except OSError as error:
            message_once(f"Runs cannot be saved in {folder} ({error}).")
    return Path(tempfile.mkdtemp())
