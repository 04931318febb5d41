"""The engine of the exercises: an answer runs on fresh inputs and is compared with our solution.

If they differ, the sentence of the known mistake is said that does the same, or what differs.
"""

from __future__ import annotations

import contextlib
import numbers
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from genmnist.exercises.guesses import Predictions, mark, show_verdict  # noqa: F401
from genmnist.training import random_state, set_random_state, set_seed

CHANGES_INPUTS = "It changes its inputs, as `x -= …` does: make new tensors."
NO_GRADIENT = "The value is right, but no gradient arrives: no `detach`, `no_grad`, `item`, NumPy."


class Mistake(BaseException):
    """One sentence for the learner; no `except Exception` of an answer catches it."""


class NotAttempted(BaseException):
    """The blank is still there."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.  Calling it checks an answer, and returns what the notebook goes on with."""

    name: str
    answer: Callable  # our solution
    cases: Callable[[], list[tuple]]  # the arguments of several calls, the same for every answer
    observe: Callable[..., Mapping[str, object]]  # (answer, *case) -> kind -> what is compared
    wrong: Mapping[str, Callable | tuple[Callable, ...]]  # what is said -> who deserves it
    right: str  # what is said of a right answer
    tolerance: float = 1e-3  # of the largest value expected
    seconds: float = 10

    def __call__(self, answer: Callable) -> Callable:
        word, text = verdict(self, answer)
        if word != "Right.":
            answer, text = self.answer, f"{text} The notebook goes on with our solution.".strip()
        show_verdict(self.name, word, text)
        return answer

    def mistakes(self) -> Iterator[tuple[str, Callable]]:
        for sentence, answers in self.wrong.items():
            for answer in answers if isinstance(answers, tuple) else (answers,):
                yield sentence, answer


def verdict(exercise: Exercise, answer: Callable) -> tuple[str, str]:
    """Right., Not yet. or Not attempted yet., and what to say."""
    try:
        found, expected = (_observed(exercise, a) for a in (answer, exercise.answer))
        kinds, size = [*found | expected], exercise.tolerance
        each = ((k, difference(k, found.get(k), expected.get(k), size)) for k in kinds)
        kind, text = next(filter(lambda item: item[1], each), ("", ""))
        if not text:
            return "Right.", exercise.right
        for sentence, mistake in exercise.mistakes():
            with contextlib.suppress(Mistake, NotAttempted):
                seen = _observed(exercise, mistake)
                both = [(k, found.get(k), seen.get(k)) for k in kinds[: kinds.index(kind) + 1]]
                if not any(difference(k, *p, size) for k, *ab in both for p in (ab, ab[::-1])):
                    return "Not yet.", sentence
        if kind == "error":
            text = f"Your code stopped with {found['error']}{found['where']}."
        return "Not yet.", text
    except NotAttempted as blank:
        return "Not attempted yet.", str(blank)
    except Mistake as mistake:
        return "Not yet.", str(mistake)


def on_copies(answer: Callable, *case: object) -> object:
    """What the answer returns; a Mistake if it changes a tensor that it gets."""
    given = [part.clone() if isinstance(part, Tensor) else part for part in case]
    result = answer(*given)
    for part, old in zip(given, case, strict=True):
        if isinstance(part, Tensor) and not torch.allclose(part, old, 0, 0, equal_nan=True):
            raise Mistake(CHANGES_INPUTS)
    return result


def returned(*differentiable: int) -> Callable[..., Mapping[str, object]]:
    """Observe the result, and the gradient of its weighted sum in the arguments at these places."""

    def observe(answer: Callable, *case: object) -> Mapping[str, object]:
        leaves = {at: case[at].clone().requires_grad_() for at in differentiable}
        result = on_copies(answer, *(leaves.get(at, part) for at, part in enumerate(case)))
        seen = {"result": plain(result)}
        if leaves and isinstance(result, Tensor):
            weights = torch.linspace(1, 2, result.numel()).view(result.shape).to(result)
            total = (weights * result).sum() + 0 * sum(leaf.sum() for leaf in leaves.values())
            seen["gradient"] = [*torch.autograd.grad(total, [*leaves.values()])]
        return seen

    return observe


def plain(result: object) -> object:
    """A result as it can be compared: tensor without graph, number, list of these, or type."""
    if result is ... or result is None:
        raise NotAttempted("" if result is ... else "It returns nothing: end it with `return …`.")
    if isinstance(result, Tensor):
        return result.detach().clone()
    if isinstance(result, tuple | list):
        return [plain(part) for part in result]
    return float(result) if isinstance(result, numbers.Real) else type(result).__name__


def _observed(exercise: Exercise, answer: Callable) -> dict[str, object]:
    """kind -> what was seen, a list over the cases; or the error that the answer stopped with."""

    def stop(*_: object) -> None:
        raise Mistake(f"It takes over {exercise.seconds:g} seconds: find a faster way.")

    seen, state, unable = {}, random_state(), contextlib.suppress(AttributeError, ValueError)
    dtype = torch.get_default_dtype()
    set_seed(0)  # the same random numbers for every answer
    try:
        with unable:  # on Windows, and in threads
            signal.signal(signal.SIGALRM, stop)
            if answer is not exercise.answer:  # ours may be slow on a slow machine
                signal.setitimer(signal.ITIMER_REAL, exercise.seconds)
        with torch.enable_grad():
            for case in exercise.cases():
                for kind, value in exercise.observe(answer, *case).items():
                    seen.setdefault(kind, []).append(value)
    except (Exception, SystemExit) as error:
        text = type(error).__name__
        with contextlib.suppress(Exception):  # its text may raise an error itself
            text = f"{text}: {error}".split("\n")[0].rstrip(" .:")
        if answer is None or "ellipsis" in text:
            raise NotAttempted("There is still a `...` in it.") from None
        frames = traceback.walk_tb(error.__traceback__)
        lines = [line for frame, line in frames if frame.f_globals.get("__name__") == "__main__"]
        return {"error": text, "where": f" (line {lines[-1]} of its cell)" if lines else ""}
    finally:
        with unable:
            signal.setitimer(signal.ITIMER_REAL, 0)
        set_random_state(state)
        torch.set_default_dtype(dtype)
    return seen


def difference(kind: str, found: object, expected: object, tolerance: float) -> str:
    """How what was found differs from what was expected, in words; empty if it does not."""
    if isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        each = (difference(kind, *pair, tolerance) for pair in zip(found, expected, strict=True))
        return next(filter(None, each), "")
    if isinstance(expected, float) and isinstance(found, float | Tensor):  # a number in any form
        found, expected = (torch.as_tensor(v).cpu().double().squeeze() for v in (found, expected))
    if not isinstance(found, Tensor) or not isinstance(expected, Tensor):
        same = type(found) is type(expected) and found == expected
        return "" if same else f"The {kind} is {form(found)}; it should be {form(expected)}."
    for trait in ("shape", "dtype", "device"):
        if getattr(found, trait) != getattr(expected, trait):
            return f"The {kind} is {form(found)}; its {trait} should be {getattr(expected, trait)}."
    found, expected = found.cpu().double(), expected.cpu().double()
    size = tolerance * expected.nan_to_num(0, 0, 0).abs().max().item()
    off = ~torch.isclose(found, expected, rtol=0, atol=size, equal_nan=True)
    if not off.any():
        return ""
    if kind == "gradient" and not found.any():
        return NO_GRADIENT
    factor = (found * expected).sum() / expected.square().sum()
    if found.numel() > 1 and ((found - factor * expected).abs() <= abs(factor) * size).all():
        return f"The {kind} is {factor:.3g} times what it should be."
    at = tuple(off.nonzero()[0].tolist())
    place = f" at {list(at)}" if at else ""
    return f"The {kind}{place} is {found[at]:.4g}; it should be {expected[at]:.4g}."


def form(value: object) -> str:
    """What something is, without its values."""
    if isinstance(value, Tensor):
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}"
    return f"a list of {len(value)}" if isinstance(value, list) else f"{value}"
