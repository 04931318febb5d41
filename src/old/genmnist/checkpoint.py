"""Checkpoints: a run that was cut off goes on where it stopped, and no run swallows another."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn


class Stateful(Protocol):
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state_dict: dict) -> object: ...


@dataclass
class History:
    """What `fit` saw.  `history["loss"]` is a list with one mean per epoch, `len()` the epochs."""

    curves: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list, compare=False)  # per epoch
    frames: list[Tensor] = field(default_factory=list, compare=False)  # uint8 (k, 1, h, w) each

    def __getitem__(self, name: str) -> list[float]:
        if name not in self.curves:
            raise KeyError(f"no curve {name!r}: there are {', '.join(self.curves) or 'none'}")
        return self.curves[name]

    def __len__(self) -> int:
        return len(self.seconds)


class Checkpoint:
    """Everything that a run needs to go on: weights, optimizers, random states, history.

    Args:
        path: the file; its folder is made.
        source: `Images.source` of the training images.
        config: what makes this run this run, as plain numbers and strings.  A file with another
            configuration or another source is refused, not overwritten.
        parts: the models and optimizers by name.
    """

    FORMAT = "genmnist checkpoint, version 1"

    def __init__(
        self,
        path: Path | str,
        *,
        source: str,
        config: Mapping[str, int | float | str | bool],
        parts: Mapping[str, Stateful],
    ) -> None:
        self.path = Path(path)
        # a NumPy number would be saved, and then be refused on loading as code from elsewhere
        plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in config.items()}
        self.config = {"data source": source, **plain}
        self.parts = dict(parts)

    def save(self, history: History) -> None:
        """Write to a temporary file, then rename: the old file stays whole until the new one is."""
        content = io.BytesIO()
        torch.save(
            {
                "format": self.FORMAT,
                "config": self.config,
                "parts": {name: part.state_dict() for name, part in self.parts.items()},
                "random": random_state(),
                "history": vars(history),
            },
            content,
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def restore(self) -> History:
        """Load the file into the parts and the random states; an empty history if there is none.

        Raises:
            ValueError: if the file is no checkpoint, or one of another configuration.
        """
        if not self.path.exists():
            return History()
        content = self._read()
        self._refuse_another_run(content["config"])
        for name, part in self.parts.items():
            _refuse_other_shapes(self.path, name, content["parts"].get(name), part.state_dict())
        for name, part in self.parts.items():
            part.load_state_dict(content["parts"][name])
        set_random_state(content["random"])
        return History(**content["history"])

    def _read(self) -> dict:
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except PermissionError:
            raise
        except Exception as error:  # the unpickler stumbles over foreign bytes in any way
            raise ValueError(
                f"{self.path} cannot be read as a checkpoint ({type(error).__name__}). "
                "Move it away, or give this run another file name"
            ) from error
        if not isinstance(content, dict) or content.get("format") != self.FORMAT:
            raise ValueError(
                f"{self.path} is not a checkpoint of this course: it does not say "
                f"{self.FORMAT!r}. Move it away, or give this run another file name"
            )
        return content

    def _refuse_another_run(self, found: dict) -> None:
        differences = [
            f"{name} is {found.get(name, 'not set')!r} there and "
            f"{self.config.get(name, 'not set')!r} here"
            for name in [*found, *(name for name in self.config if name not in found)]
            if found.get(name, "not set") != self.config.get(name, "not set")
        ]
        if differences:
            raise ValueError(
                f"{self.path} belongs to another run: {'; '.join(differences)}. To keep it, give "
                "this run another file name; to start over, delete it"
            )


def _refuse_other_shapes(path: Path, name: str, found: dict | None, own: dict) -> None:
    """Compare before anything is loaded, so that a refused file leaves the model as it was."""
    if found is None or _shapes(found) != _shapes(own):
        different = "nothing" if found is None else "other shapes"
        raise ValueError(
            f"{path} holds {different} for {name!r}: the network or its optimizer was changed "
            "since. To keep the file, give this run another file name; to start over, delete it"
        )


def _shapes(state: dict) -> dict[str, tuple]:
    """What a network's state must share to fit: shapes; an optimizer's: its groups' settings."""
    shapes = {key: tuple(t.shape) for key, t in state.items() if isinstance(t, Tensor)}
    for i, group in enumerate(state.get("param_groups", [])):
        shapes[f"group {i}"] = (*sorted(group), len(group["params"]))
    return shapes


def random_state() -> dict:
    """The states of Python's, NumPy's and torch's generators, as plain values and tensors."""
    algorithm, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [algorithm, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def set_random_state(state: dict) -> None:
    random.setstate(state["python"])
    algorithm, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((algorithm, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    if torch.backends.mps.is_available() and state["mps"] is not None:
        torch.mps.set_rng_state(state["mps"])


def run_checkpoint(
    folder: Path,
    name: str,
    step: Callable,
    *,
    source: str,
    config: Mapping[str, int | float | str | bool],
    parts: Mapping[str, Stateful],
) -> Checkpoint:
    """The checkpoint of one run, in a file of its own.

    The file's name carries a fingerprint of the configuration, of the code of `step` and of what
    it closes over, and of the networks' layers and methods.  So a run with another setting, another
    step or a rewritten network starts anew, and neither meets the weights of the other run nor
    overwrites them.
    """
    checkpoint = Checkpoint(folder, source=source, config=config, parts=parts)
    digest = hashlib.sha256(repr(sorted(checkpoint.config.items())).encode())
    digest.update(_code(step).encode())
    for network in (part for part in parts.values() if isinstance(part, nn.Module)):
        digest.update(repr(network).encode())
        for kind in dict.fromkeys(type(module) for module in network.modules()):
            if not kind.__module__.startswith("torch."):
                methods = [m for m in vars(kind).values() if isinstance(m, FunctionType)]
                digest.update("".join(map(_code, methods)).encode())
    words = re.sub(r"[^A-Za-z0-9]+", "-", f"{name} {source}").strip("-")
    checkpoint.path = folder / f"{words}-{digest.hexdigest()[:8]}.pt"
    return checkpoint


def _code(function: Callable) -> str:
    """A function's instructions, and the numbers, texts and functions that it closes over.

    Functions that it finds by their global names are left out: an exercise that is solved later
    must not throw away what was trained.
    """
    code, known = function.__code__, []
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # a name that has no value yet
            value = cell.cell_contents
            if isinstance(value, FunctionType) and value is not function:
                known.append(_code(value))
            elif isinstance(value, (int, float, str, tuple)):
                known.append(repr(value))
    return repr((code.co_code, code.co_names, _constants(code), known))


def _constants(code: CodeType) -> list[str]:
    """A function's constants, written so that they are the same in every process."""
    written = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # a nested function: its repr has an address
            constant = (constant.co_code, constant.co_names, _constants(constant))
        elif isinstance(constant, frozenset):  # its order depends on the process
            constant = sorted(map(repr, constant))
        written.append(repr(constant))
    return written
