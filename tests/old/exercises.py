"""What the tests of all checks share: tables of answers, and what a verdict looks like."""

import pytest


def right(exercise, answers):
    return [pytest.param(exercise, a, id=f"{exercise} {i}") for i, a in enumerate(answers, 1)]


def wrong(exercise, answers):
    """answers: a distinctive part of the hint -> a wrong answer, or several that deserve it."""
    return [
        pytest.param(exercise, a, hint, id=f"{exercise} {hint}")
        for hint, variants in answers.items()
        for a in (variants if isinstance(variants, list) else [variants])
    ]


def assert_accepted(checks, exercise, answer, capsys):
    """checks: exercise -> the check and the course's own answer."""
    assert checks[exercise][0](answer) is answer
    printed = capsys.readouterr().out
    assert printed.startswith(f"{exercise}. Right. ") and printed.count("\n") == 1


def assert_named(checks, exercise, answer, hint, capsys):
    """The answer gets this hint, and the notebook goes on with the course's."""
    run, own = checks[exercise]
    kept = run(answer)
    printed = capsys.readouterr().out
    assert printed.startswith(f"{exercise}. Not yet. ") and hint in printed
    assert printed.endswith(" The notebook goes on with the course's version.\n")
    assert kept == own and kept is not answer
