"""The engine of the exercises, and every table of answers, whichever notebooks have one."""

import contextlib
import importlib
import pkgutil
import time
from fractions import Fraction

import numpy as np
import pytest
import torch

from genmnist import exercises, messages
from genmnist.exercises import Exercise, Predictions, mark, returned, verdict

EXERCISES = [
    pytest.param(name, title, value, id=f"{name}.{title}")
    for _, name, _ in pkgutil.iter_modules(exercises.__path__)
    for title, value in vars(importlib.import_module(f"genmnist.exercises.{name}")).items()
    if isinstance(value, Exercise)
]
MISTAKES = [(value.values[2], *pair) for value in EXERCISES for pair in value.values[2].mistakes()]


@pytest.mark.parametrize(("exercise", "sentence", "answer"), MISTAKES)
def test_a_known_mistake_gets_its_sentence(exercise, sentence, answer):
    assert verdict(exercise, answer) == ("Not yet.", sentence)


@pytest.mark.parametrize(("name", "title", "exercise"), EXERCISES)
def test_answers_by_somebody_else_are_judged_rightly(name, title, exercise):
    """tests/answers_<notebook>.py: title of the exercise -> answers unlike those of the table."""
    answers = importlib.import_module(f"answers_{name}")
    right, wrong = answers.RIGHT[title], answers.WRONG[title]
    assert len(right) >= 3 and len(wrong) >= 5
    for answer in [exercise.answer, *right]:
        assert verdict(exercise, answer) == ("Right.", exercise.right), answer
    for answer in wrong:
        word, text = verdict(exercise, answer)
        assert word == "Not yet." and text, answer


def twice(x):
    return 2 * x


def exercise(answer=twice, cases=lambda: [(torch.rand(3),), (torch.rand(2),)], **others):
    details = {"observe": returned(0), "wrong": {"Twice, not thrice.": lambda x: 3 * x}} | others
    return Exercise("Exercise 7", answer, cases, right="Well done.", **details)


def test_a_right_answer_comes_back_and_a_wrong_one_gives_way_to_our_solution(capsys):
    right = lambda x: print("own") or x + x  # noqa: E731
    assert exercise()(right) is right
    assert exercise()(lambda x: x + x + x) is twice
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["own", "own", "Exercise 7. Right. Well done."], "its own output is kept"
    assert said[3].startswith("Exercise 7. Not yet. Twice, not thrice. The notebook goes on with")


@pytest.mark.parametrize("blank", [None, ..., lambda x: ..., lambda x: None, lambda x: x * ...])
def test_a_blank_is_no_attempt(blank):
    assert verdict(exercise(), blank)[0] == "Not attempted yet."


def raises(error):
    return lambda x: (_ for _ in ()).throw(error)


Unprintable = type("Unprintable", (Exception,), {"__str__": raises(ValueError())})


@pytest.mark.parametrize("error", [SystemExit(3), Unprintable(), RecursionError("deep\nand long")])
def test_whatever_an_answer_raises_ends_in_a_sentence(error):
    word, text = verdict(exercise(), raises(error))
    assert word == "Not yet." and f"stopped with {type(error).__name__}" in text.splitlines()[-1]


def forever(x):
    with contextlib.suppress(Exception):
        time.sleep(9)


def test_an_answer_is_interrupted_by_the_clock_and_by_the_stop_button():
    with pytest.raises(KeyboardInterrupt):
        verdict(exercise(), raises(KeyboardInterrupt()))
    assert "over 0.1 seconds" in verdict(exercise(seconds=0.1), forever)[1]


def test_a_check_leaves_random_numbers_and_gradients_as_they_were():
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    verdict(exercise(), lambda x: (np.random.seed(5), torch.manual_seed(5)))
    verdict(exercise(), lambda x: torch.set_grad_enabled(False))
    assert torch.is_grad_enabled() and torch.equal(torch.get_rng_state(), state[0])
    assert np.random.get_state()[1].tolist() == state[1]


UNKNOWN = {
    "at [1] is 2.536; it should be 1.5": lambda x: 2 * x + torch.tensor([0, 1, 0][: len(x)]),
    "0.25 times": lambda x: 0.5 * x,
    "shape should be torch.Size([3])": lambda x: 2 * x[:1],
    "dtype should be torch.float32": lambda x: 2 * x.double(),
    exercises.NO_GRADIENT: lambda x: 2 * x.detach(),
    "gradient is 0.5 times": lambda x: x + x.detach(),
    exercises.CHANGES_INPUTS: lambda x: x.mul_(2),
}


@pytest.mark.parametrize(("part", "answer"), UNKNOWN.items())
def test_an_unknown_mistake_is_told_by_what_differs(part, answer):
    assert part in verdict(exercise(), answer)[1]


@pytest.mark.parametrize("number", [float, Fraction, np.float32, torch.tensor])
def test_a_number_counts_in_any_form(number):
    half = exercise(lambda n: n / 2, lambda: [(3,), (8,)], observe=returned())
    assert verdict(half, lambda n: number(n) / 2)[0] == "Right."
    assert verdict(half, lambda n: number(n) / 3)[0] == "Not yet."


def test_in_a_notebook_a_verdict_is_a_box_with_a_plain_twin(monkeypatch):
    display = pytest.importorskip("IPython.display")
    shown = []
    monkeypatch.setattr(messages, "in_notebook", lambda: True)
    monkeypatch.setattr(display, "display", lambda data, raw: shown.append(data))
    exercise()(raises(ValueError("1 < 2")))
    assert "1 &lt; 2" in shown[0]["text/html"] and "1 < 2" in shown[0]["text/plain"]


def test_a_quiz_says_why_a_letter_is_wrong(capsys):
    for letters in ["b, A", "c", "b7", ""]:
        mark({"1": ("b", {"a": "It is not.", "c": "Never."}), "2": ("a", {"b": "No."})}, letters)
    assert capsys.readouterr().out.splitlines() == [
        "Quiz. Right. 2 of 2 right.",
        "Quiz. Not yet. 0 of 2 right. 1: Never. 2: open.",
        "Quiz. Not yet. 1 of 2 right. 2: choose one of a, b.",
        "Quiz. Not attempted yet. 0 of 2 right. 1: open. 2: open.",
    ]


def test_predictions_are_told_one_by_one_and_counted(capsys):
    predictions = Predictions()
    for guess, truth in [("fade", "shift"), (" Shift", "shift"), ("", "fade"), (16, 16), ([], 2)]:
        predictions.settle(f"question {guess!r}", guess, truth)
    predictions.settle("question 'fade'", "shift", "shift")  # the cell is run again
    predictions.tally()
    first, _, third, *_, last = capsys.readouterr().out.splitlines()
    assert first == "Prediction: question 'fade'. You guessed fade; it is shift."
    assert third.endswith("No guess; it is fade.")
    assert last == "3 of 4 guesses hit, 1 not made"
