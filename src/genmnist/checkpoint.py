"""Runs that go on where they were cut off: what makes two runs the same, and the file of a run."""

from __future__ import annotations

import contextlib
import functools
import glob
import hashlib
import inspect
import io
import json
import os
import random
import re
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import BuiltinFunctionType, CellType, CodeType, FunctionType

import numpy as np
import torch
from torch import Tensor, nn

from genmnist.messages import message, say

PLAIN = (bool, int, float, str, type(None))
_untrained = weakref.WeakKeyDictionary()  # optimizer -> its numbers, which a schedule changes
message_once = functools.cache(message)


@dataclass
class History:
    """What `fit` saw: `history["loss"]` is a list with one mean per epoch, `len()` the epochs."""

    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list, compare=False)  # per epoch
    frames: list[Tensor] = field(default_factory=list, compare=False)  # uint8 (k, c, h, w) each

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.curves:
            raise KeyError(f"no curve {name!r}: there are {', '.join(self.curves) or 'none'}")
        return self.curves[name]

    def __len__(self) -> int:
        return len(self.seconds)


class Checkpoint:
    """Lets a run that was cut off go on after its last whole epoch; give it to `fit`.

    A run is the same if its name, settings, parts and data are, and the source of its step with
    the notebook's own functions and numbers in it.  Another run trains anew, in a file of its own.

    Args:
        parts: networks, optimizers, schedules: all that training changes.
        settings: further numbers and texts that make this run this run.
        folder: where the file goes; `run_folder()` without it.
    """

    def __init__(self, name: str, *parts: object, settings: Mapping[str, object] | None = None,
                 folder: Path | str | None = None) -> None:  # fmt: skip
        self.name, self.folder = name, folder
        self.parts = [getattr(part, "_orig_mod", part) for part in parts]  # compiled networks
        parts = [fact for part in self.parts for fact in _facts_of_part(part)]
        self.facts = [name, _json(settings), *parts]

    def restore(self, step: Callable, batches: object, folder: Callable[[], Path]) -> History:
        """Load this run's file and return its history; an empty one if there is no file.

        Raises:
            ValueError: if the file is cut, foreign, or does not fit.
        """
        data = [len(batches), _numbers(batches)]  # batch_size, shuffle, …
        if images := getattr(batches, "images", None):
            data += [images.name, len(images), f"{batches.x.mean():.3g}"]
        facts = "\n".join([*self.facts, _json(data), *_facts_of_step(step, {})])
        name = re.sub(r"\W+", "-", self.name, flags=re.ASCII).strip("-")
        digest = hashlib.sha256(facts.encode("utf-8", "replace")).hexdigest()[:8]
        self.path = Path(self.folder or folder()) / f"{name}-{digest}.pt"
        if not os.path.exists(self.path):  # False too where a Drive was lost
            if glob.glob(f"{glob.escape(str(self.path.parent / name))}-{'[0-9a-f]' * 8}.pt"):
                say(f"{self.name}: step, settings, networks or data changed, so it trains anew.")
            return History()
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            for part, state in zip(self.parts, content["parts"], strict=True):
                part.load_state_dict(state)
            set_random_state(content["random"])
            return History(**content["history"])
        except Exception as error:  # the unpickler stumbles over foreign bytes in any way
            raise ValueError(f"{self.path} cannot be read as the checkpoint of this run "
                             f"({type(error).__name__}): delete it, or give the run another name"
                             ) from error  # fmt: skip

    def save(self, history: History) -> None:
        """Write beside, then rename.  A full disk or a lost Drive is said and costs no training."""
        content = io.BytesIO()
        states = [_plain(part.state_dict()) for part in self.parts]
        torch.save({"parts": states, "random": random_state(), "history": vars(history)}, content)
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(content.getbuffer())
            os.replace(beside, self.path)
        except OSError as error:
            message_once(f"{self.path} cannot be saved ({error}). Training goes on; if it is cut "
                         "off, it starts from the last epoch that was saved.")  # fmt: skip
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)


def random_state() -> dict:
    """The states of Python's, NumPy's and torch's generators, as plain values and tensors."""
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_random_state(state: dict) -> None:
    """Go back to a `random_state()`; a GPU's part of it only where there are as many GPUs."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    if state["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])


def _plain(state: object) -> object:
    """The same with NumPy numbers as Python's: torch refuses to load a file with others."""
    if isinstance(state, np.generic):
        return state.item()
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return [*map(_plain, state)] if isinstance(state, (list, tuple)) else state


def _numbers(thing: object) -> dict[str, object]:
    """Plain attributes, but for torch's own: `training`, and those with a leading _."""
    found = {k: v for k, v in getattr(thing, "__dict__", {}).items() if isinstance(v, PLAIN)}
    return {k: v for k, v in found.items() if not k.startswith(("training", "_"))}


def _json(value: object) -> str:
    return json.dumps(_plain(value), default=lambda other: type(other).__name__, sort_keys=True)


# -- what makes a run this run, the same on every version of Python -------------------------------


def _facts_of_part(part: object) -> Iterator[str]:
    """A network's layers, shapes, plain attributes and code; an optimizer's first numbers."""
    if not isinstance(part, nn.Module):
        state = part.state_dict()
        numbers = type(part).__name__ + _json(state.get("param_groups", state))
        yield _untrained.setdefault(part, numbers)  # a schedule changes them later
        return
    known = [p for p in part.parameters() if not nn.parameter.is_lazy(p)]
    yield repr(part) + _json([list(p.shape) for p in known])
    for module in part.modules():
        kinds = [kind for kind in type(module).__mro__ if kind.__module__.split(".")[0] != "torch"]
        yield _json(_numbers(module))
        for method in (m for kind in kinds for m in vars(kind).values()):
            if isinstance(method, FunctionType):
                yield from _facts_of_step(method, {})


def _facts_of_step(step: object, seen: dict) -> Iterator[str]:
    """Source of a step and of the functions beside it that it calls; the plain values they use."""
    step = getattr(step, "_torchdynamo_orig_callable", step)  # compiled
    if isinstance(step, functools.partial):
        yield _json([step.args, step.keywords])
        yield from _facts_of_step(step.func, seen)
        return
    step = inspect.unwrap(getattr(step, "__func__", step))
    if not isinstance(step, FunctionType):  # an object that can be called
        yield _json(_numbers(step))
        step = getattr(type(step), "__call__")  # noqa: B004, B009
    if step in seen or not isinstance(step, FunctionType):
        return
    seen[step] = True
    try:
        yield inspect.getsource(step)
    except (OSError, TypeError):  # made by exec
        yield _json([c for c in step.__code__.co_consts if isinstance(c, PLAIN)])
    cells = zip(step.__code__.co_freevars, step.__closure__ or (), strict=True)
    known = {name: step.__globals__[name] for name in _names(step.__code__) & {*step.__globals__}}
    known |= {"": step.__defaults__, **(step.__kwdefaults__ or {})}
    known |= {name: cell.cell_contents for name, cell in cells if cell != CellType()}  # not empty
    for name, value in sorted(known.items()):
        if isinstance(value, (*PLAIN, tuple, np.generic)):
            yield f"{name} = {_json(value)}"
        elif isinstance(value, (type, nn.Module)):  # a network is one of the parts
            continue
        elif getattr(value, "__module__", None) == step.__module__:
            yield from (name, *_facts_of_step(value, seen))
        elif isinstance(value, (FunctionType, BuiltinFunctionType)):
            yield f"{name} is {value.__module__}.{value.__qualname__}"


def _names(code: CodeType) -> set[str]:
    inner = [_names(c) for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*inner)
