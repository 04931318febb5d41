"""A guess before a run and its outcome after it."""

import math

import numpy as np
import pytest

from genmnist import predictions as module
from genmnist.predictions import Predictions


@pytest.fixture
def predictions():
    return Predictions()


def hit(predictions):
    (made,) = predictions.made.values()
    return made.hit


@pytest.mark.parametrize(
    ("guess", "expected"),
    [
        (10, True), (10.0, True), (12.5, True), (8, True), (12.6, False), (7.9, False),
        (1e9, False), (1e-9, False), (math.inf, False), (np.float64(9), True), (None, None),
    ],
)  # fmt: skip
def test_a_number_hits_within_a_factor_either_way(guess, expected, predictions, capsys):
    predictions.number("How many?", guess, 10.0, factor=1.25)
    assert hit(predictions) is expected
    word = {True: "hit", False: "missed", None: "–"}[expected]
    said = capsys.readouterr().out.splitlines()[1]
    assert said.startswith("How many? (a hit within a factor of 1.25) | ")
    assert said.endswith(f" | 10 | {word}")


def test_the_factor_is_three_halves_unless_it_is_given(predictions, capsys):
    predictions.number("a", 15.0, 10.0)
    predictions.number("b", 15.1, 10.0)
    assert [p.hit for p in predictions.made.values()] == [True, False]
    assert "a factor of 1.5" in capsys.readouterr().out


@pytest.mark.parametrize("outcome", [0.0, -3.0])
def test_no_guess_hits_what_is_not_above_zero(outcome, predictions, capsys):
    predictions.number("a", 0.001, outcome)
    assert hit(predictions) is False


@pytest.mark.parametrize("guess", [0, -1, math.nan, "3", True, [3], "abc"])
def test_a_guess_that_is_no_number_above_zero_is_refused(guess, predictions):
    with pytest.raises(ValueError, match="give a number above 0, or None"):
        predictions.number("a", guess, 10.0)
    assert not predictions.made


@pytest.mark.parametrize(
    ("guess", "expected", "word"),
    [("fade", True, "hit"), ("shift", False, "missed"), (None, None, "–")],
)
def test_a_choice_is_hit_or_missed(guess, expected, word, predictions, capsys):
    predictions.choice("Which?", guess, "fade", ("shift", "fade"))
    assert hit(predictions) is expected
    assert capsys.readouterr().out.splitlines()[1] == f"Which? | {guess or '–'} | fade | {word}"


@pytest.mark.parametrize("guess", ["Fade", "", 3, "shift "])
def test_a_choice_that_is_no_option_is_refused(guess, predictions):
    with pytest.raises(ValueError, match="choose one of shift, fade, or None"):
        predictions.choice("Which?", guess, "fade", ("shift", "fade"))
    assert not predictions.made


def test_the_tally_counts_hits_among_the_guesses_made(predictions, capsys):
    assert predictions.tally() == "0 of 0 guesses hit, 0 not made"
    predictions.number("a", 1.0, 1.0)
    predictions.number("b", 9.0, 1.0)
    predictions.choice("c", None, "x", ("x", "y"))
    predictions.choice("d", "x", "x", ("x", "y"))
    assert predictions.tally() == "2 of 3 guesses hit, 1 not made"
    capsys.readouterr()
    predictions.show()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "prediction | your guess | outcome | "
    assert [line[0] for line in lines[1:5]] == list("abcd")
    assert lines[5:] == ["2 of 3 guesses hit, 1 not made"]


def test_running_a_cell_again_replaces_its_guess(predictions, capsys):
    predictions.choice("c", "y", "x", ("x", "y"))
    predictions.choice("c", "x", "x", ("x", "y"))
    assert predictions.tally() == "1 of 1 guesses hit, 0 not made"


def test_numbers_are_shown_short(predictions, capsys):
    predictions.number("a", 12345.678, 98765.4321)
    assert " | 1.235e+04 | 9.88e+04 | " in capsys.readouterr().out
    predictions.number("b", 8.5, 8.49321)
    assert " | 8.5 | 8.49 | hit" in capsys.readouterr().out


def test_in_a_notebook_it_is_a_table_of_safe_html(predictions, monkeypatch, capsys):
    shown = []
    monkeypatch.setattr(module, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    predictions.choice("1 < 2?", "yes", "yes", ("yes", "no"))
    (data,) = shown
    assert "<td>1 &lt; 2?</td><td>yes</td><td>yes</td><td>hit</td>" in data["text/html"]
    assert "<th>your guess</th>" in data["text/html"] and "1 of 1 guesses" in data["text/html"]
    assert data["text/plain"].splitlines()[1] == "1 < 2? | yes | yes | hit"
    assert capsys.readouterr().out == ""
