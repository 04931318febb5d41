"""Checks of the exercises, one module for each notebook.

A check says that an answer is right, or names the mistake in one sentence, or says that nothing was
tried yet; and it returns what the notebook goes on with: the learner's own answer if that is right,
and the course's otherwise.  So *Run all* always passes.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from genmnist.checkpoint import random_state, set_random_state
from genmnist.display import in_notebook

Answer = TypeVar("Answer")
GOES_ON = "The notebook goes on with the course's version."


class Mistake(Exception):
    """Raised by a check: one sentence that tells the learner what is wrong."""


class NotAttempted(Exception):
    """Raised by a check that finds the blank still in place."""


def judge_answer(
    exercise: str,
    answer: Answer,
    own: Answer,
    examine: Callable[[Answer], str],
    *,
    otherwise: str = GOES_ON,
) -> Answer:
    """Show what `examine(answer)` finds, and return what to go on with: the answer, or `own`.

    Args:
        own: the course's answer.
        examine: returns a sentence on a right answer; raises Mistake or NotAttempted otherwise.
            What else it raises is an error in the learner's code, and is shown as one.
        otherwise: what is said in the end where the answer is not right.

    The random state is left as it was, so that a notebook's numbers do not depend on the answer.
    """
    state = random_state()
    word, kept = "Not yet.", own
    try:
        if answer is None or answer is ...:
            raise NotAttempted
        with torch.enable_grad():  # and whatever the answer does to it ends here
            text, word, kept = examine(answer), "Right.", answer
    except NotAttempted:
        text, word = otherwise, "Not attempted yet."
    except Mistake as mistake:
        text = f"{mistake} {otherwise}"
    except Exception as error:
        first_line = f"{type(error).__name__}: {error}".split("\n")[0].rstrip(" .:")
        text = f"Your code stopped with {first_line}. {otherwise}"
    finally:
        set_random_state(state)
    show_verdict(exercise, word, text.strip())
    return kept


def show_verdict(exercise: str, word: str, text: str) -> None:
    """One bordered line: the word says it, the colour only repeats it."""
    plain = f"{exercise}. {word} {text}".strip()
    if not in_notebook():
        print(plain, flush=True)
        return
    from IPython.display import display

    color = {"Right.": "#009E73", "Not yet.": "#D55E00"}.get(word, "#6B6B6B")
    body = f"<b>{exercise}. {word}</b> {html.escape(text)}"
    box = f'<div style="border-left: 6px solid {color}; padding: 0.4em 1em">{body}</div>'
    display({"text/html": box, "text/plain": plain}, raw=True)


def called(function: Callable, *args: object, name: str = "Your function") -> object:
    """What the learner's function returns.

    Raises:
        NotAttempted: if that is still the blank `...`.
        Mistake: if it is nothing at all.
    """
    result = function(*args)
    if result is ...:
        raise NotAttempted
    if result is None:
        raise Mistake(f"{name} returns nothing: end it with `return` and the result.")
    return result


def called_on_copies(function: Callable, *args: object, what: str = "tensors") -> object:
    """As `called`, on copies of the tensors among `args`; a Mistake if it changes one of them."""
    copies = [arg.clone() if isinstance(arg, Tensor) else arg for arg in args]
    result = called(function, *copies)
    for copy, arg in zip(copies, args, strict=True):
        if isinstance(arg, Tensor) and not torch.equal(copy, arg):
            raise Mistake(f"Your function changes the {what} that it is given, as `z += …` or "
                          "`z.mul_(…)` does: make a new tensor, `z = z + …`.")  # fmt: skip
    return result


def described(result: object) -> str:
    """In a few words what somebody returned."""
    if isinstance(result, Tensor):
        return f"a tensor of shape {tuple(result.shape)}"
    text = repr(result)
    return f"{type(result).__name__} {text if len(text) < 50 else text[:45] + ' …'}"


def as_numbers(result: object) -> Tensor | None:
    """A tensor, a number, a list or an array, to compare with a tensor; None of anything else."""
    try:
        return torch.as_tensor(result).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        return None


def close(result: object, expected: Tensor, tolerance: float = 1e-3) -> bool:
    """Whether a result has the expected shape and, relative to their size, the expected values."""
    found, expected = as_numbers(result), expected.detach().cpu().double()
    if found is None or found.shape != expected.shape:
        return False
    size = expected.abs().max().clamp(min=1e-12)
    return bool((found - expected).abs().max() <= tolerance * size)


def raise_if_known(
    result: object, mistakes: Mapping[str, Tensor | tuple[Tensor, ...]], tolerance: float = 1e-3
) -> None:
    """Raise the Mistake whose result this is.

    mistakes: sentence -> what that mistake gives, or what its variants give.
    """
    for sentence, wrong in mistakes.items():
        variants = wrong if isinstance(wrong, tuple) else (wrong,)
        if any(close(result, variant, tolerance) for variant in variants):
            raise Mistake(sentence)


def choices(
    exercise: str,
    answers: Mapping[str, str | None],
    right: Mapping[str, str],
    hints: Mapping[str, str | Mapping[str, str]],
) -> None:
    """Compare chosen letters with the right ones, and give a hint for each wrong one.

    Args:
        answers: question -> letter; None for a question that was left open.
        hints: question -> a hint, or a hint for each wrong letter.
    """

    def examine(given: Mapping[str, str | None]) -> str:
        if unknown := given.keys() - right.keys():
            raise Mistake(f"There is no question {sorted(unknown)[0]!r}.")
        tried = {q: a.strip().lower() for q, a in given.items() if isinstance(a, str) and a.strip()}
        if not tried:
            raise NotAttempted
        wrong = {q: _hint(tried[q], hints[q], q) for q in tried if tried[q] != right[q]}
        if len(right) == 1:
            if wrong:
                raise Mistake(_as_sentence(*wrong.values()))
            return ""
        count = f"{len(tried) - len(wrong)} of {len(right)} right."
        if wrong:
            raise Mistake(" ".join([count, *(f"{q}: {hint}" for q, hint in wrong.items())]))
        if open_ones := [q for q in right if q not in tried]:
            raise Mistake(f"{count} Still open: {', '.join(open_ones)}.")
        return f"All {len(right)}."

    def _hint(letter: str, hint: str | Mapping[str, str], question: str) -> str:
        allowed = {right[question], *hint} if not isinstance(hint, str) else {*right.values()}
        if letter not in allowed:
            return f"choose one of {', '.join(sorted(allowed))}."
        return hint if isinstance(hint, str) else hint[letter]

    judge_answer(exercise, answers, dict(right), examine, otherwise="")


def _as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
