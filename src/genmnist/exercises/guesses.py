"""Verdicts, quizzes and predictions: what a learner's guess was worth."""

from __future__ import annotations

import html
from collections.abc import Mapping

from genmnist.messages import say, show_html

COLORS = {"Right.": "#009E73", "Not yet.": "#D55E00", "Not attempted yet.": "#6B6B6B"}


def show_verdict(name: str, word: str, text: str) -> None:
    """One bordered line: the word says it, the colour only repeats it."""
    style = f"border-left: 6px solid {COLORS[word]}; padding: 0.4em 1em"
    box = f'<div style="{style}"><b>{name}. {word}</b> {html.escape(text)}</div>'
    show_html(box, f"{name}. {word} {text}".strip())


def mark(questions: Mapping[str, tuple[str, Mapping[str, str]]], letters: str = "") -> None:
    """Mark letters, such as "abca"; name -> right letter, and why each of the others is wrong."""
    given = [*filter(str.isalnum, str(letters or "").lower())] + [""] * len(questions)
    text = []
    for (name, (right, why)), letter in zip(questions.items(), given, strict=False):
        if letter != right:
            choices = f"choose one of {', '.join(sorted({right, *why}))}."
            text.append(f"{name}: {why.get(letter, choices if letter else 'open.')}")
    word = ("Not yet." if text else "Right.") if any(given) else "Not attempted yet."
    text = [f"{len(questions) - len(text)} of {len(questions)} right.", *text]
    show_verdict("Quiz", word, " ".join(text))


class Predictions:
    """Guesses made before a run, and what came out: they stay in the running notebook."""

    def __init__(self) -> None:
        self.hits: dict[str, bool | None] = {}  # None where no guess was made

    def settle(self, question: str, guess: object, outcome: object) -> None:
        """Say what was guessed and what it is; capitals and spaces do not count."""
        said, true = ("".join(str(value).lower().split()) for value in (guess, outcome))
        made = said not in ("", "none", "ellipsis")
        self.hits[question] = said == true if made else None
        guessed = f"You guessed {guess}; it is" if made else "No guess; it is"
        say(f"Prediction: {question}. {guessed} {outcome}.")

    def tally(self) -> None:
        made = [hit for hit in self.hits.values() if hit is not None]
        say(f"{sum(made)} of {len(made)} guesses hit, {len(self.hits) - len(made)} not made")
