"""Scored predictions: a guess before a run, the outcome after it, and a tally."""

from __future__ import annotations

import html
from typing import NamedTuple

from genmnist.display import in_notebook


class Prediction(NamedTuple):
    question: str
    guess: str
    outcome: str
    hit: bool | None  # None where no guess was made


class Predictions:
    """What you guessed, what came out.  A guess of None is no guess, and counts for nothing.

    The guesses stay in the running notebook: nobody records them.
    """

    def __init__(self) -> None:
        self.made: dict[str, Prediction] = {}

    def number(
        self, question: str, guess: float | None, outcome: float, *, factor: float = 1.5
    ) -> None:
        """Compare a number with its outcome: a hit within a factor of `factor` either way.

        Raises:
            ValueError: if the guess is not a number above 0.
        """
        hit = None
        if guess is not None:
            if isinstance(guess, bool) or not isinstance(guess, (int, float)) or not guess > 0:
                raise ValueError(f"the guess is {guess!r}: give a number above 0, or None")
            hit = bool(outcome / factor <= guess <= outcome * factor)
        rule = f"a hit within a factor of {factor:g}"
        said = "–" if guess is None else f"{guess:,.4g}"
        self._add(f"{question} ({rule})", said, f"{outcome:,.3g}", hit)

    def choice(
        self, question: str, guess: str | None, outcome: str, options: tuple[str, ...]
    ) -> None:
        """Compare a choice with its outcome.

        Raises:
            ValueError: if the guess is none of the options.
        """
        if guess is not None and guess not in options:
            raise ValueError(f"the guess is {guess!r}: choose one of {', '.join(options)}, or None")
        self._add(question, guess or "–", outcome, None if guess is None else guess == outcome)

    def _add(self, question: str, guess: str, outcome: str, hit: bool | None) -> None:
        self.made[question] = Prediction(question, guess, outcome, hit)
        self._show([self.made[question]])

    def tally(self) -> str:
        guessed = [p for p in self.made.values() if p.hit is not None]
        hits = sum(p.hit for p in guessed)
        return f"{hits} of {len(guessed)} guesses hit, {len(self.made) - len(guessed)} not made"

    def show(self) -> None:
        """All predictions so far, and the tally."""
        self._show(list(self.made.values()))

    def _show(self, predictions: list[Prediction]) -> None:
        rows = [
            (p.question, p.guess, p.outcome, {True: "hit", False: "missed", None: "–"}[p.hit])
            for p in predictions
        ]
        heading = ("prediction", "your guess", "outcome", "")
        plain = "\n".join([" | ".join(row) for row in (heading, *rows)] + [self.tally()])
        if not in_notebook():
            print(plain, flush=True)
            return
        from IPython.display import display

        lines = [
            "<tr>" + "".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row) + "</tr>"
            for row, tag in [(heading, "th"), *((row, "td") for row in rows)]
        ]
        table = f"<table>{''.join(lines)}</table><p>{self.tally()}</p>"
        display({"text/html": table, "text/plain": plain}, raw=True)
