"""Sliders over a code: their ranges, and what there is without them."""

import sys

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

from genmnist import explore
from genmnist.explore import explore_codes

LINE = "T: sliders appear here when you run this cell.\n"


def decode(z):
    """Images as grey as the first number of the code."""
    return z[:, :1, None, None].expand(len(z), 1, 28, 28)


@pytest.fixture
def sliders(monkeypatch):
    """In a notebook: the function and the sliders that it was given."""
    made = []
    monkeypatch.setattr(explore, "in_notebook", lambda: True)
    monkeypatch.setattr("ipywidgets.interact", lambda draw, **given: made.append((draw, given)))
    return made


@pytest.mark.parametrize(
    ("low", "high"),
    [([0.0], [0.0]), ([1.0], [0.0]), ([0.0, 1.0], [1.0, 1.0]), ([0.0], [1.0, 2.0]),
     ([0.0, 0.0], [1.0]), ([float("nan")], [1.0])],
)  # fmt: skip
def test_an_empty_range_is_refused(low, high, sliders, capsys):
    with pytest.raises(ValueError, match="each needs low < high"):
        explore_codes(decode, low, high, title="T")
    assert not sliders and capsys.readouterr().out == ""


def test_without_ipywidgets_there_is_only_a_line(monkeypatch, capsys):
    monkeypatch.setattr(explore, "in_notebook", lambda: True)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    explore_codes(decode, [0.0], [1.0], title="T")
    assert capsys.readouterr().out == LINE


def test_outside_a_notebook_there_is_only_a_line(monkeypatch, capsys):
    monkeypatch.setattr("ipywidgets.interact", lambda *given, **named: pytest.fail("sliders"))
    explore_codes(decode, [0.0], [1.0], title="T")
    assert capsys.readouterr().out == LINE


def test_there_is_a_slider_for_each_number_over_its_range(sliders, capsys):
    explore_codes(decode, [-1.0, 2.0, 0.0], [3.0, 2.5, 10.0], title="T")
    ((_, made),) = sliders
    assert capsys.readouterr().out == LINE
    assert list(made) == ["z_1", "z_2", "z_3"]
    ranges = [(s.min, s.max, s.value) for s in made.values()]
    assert ranges == [(-1, 3, 1), (2, 2.5, 2.25), (0, 10, 5)]
    assert [s.step for s in made.values()] == pytest.approx([0.08, 0.01, 0.2])


def test_a_slider_that_moves_shows_the_image_of_its_code(sliders, monkeypatch):
    seen, shown = [], []

    def noting(z):
        seen.append((z, torch.is_grad_enabled()))
        return decode(z)

    monkeypatch.setattr(explore, "show", lambda fig, alt: shown.append((fig, alt)))
    explore_codes(noting, [-1.0, 0.0], [1.0, 4.0], title="T")
    ((draw, _),) = sliders
    draw(z_1=0.25, z_2=3.0)
    ((z, with_gradient),) = seen
    assert z.tolist() == [[0.25, 3.0]] and z.dtype == torch.float32 and not with_gradient
    ((fig, alt),) = shown
    assert alt == "T. The image decoded from z = (0.2, 3.0)."
    (axes,) = fig.axes
    assert (axes.images[0].get_array() == 0.25).all()
    matplotlib.pyplot.close(fig)


def test_codes_are_made_on_the_decoder_s_device(sliders, monkeypatch):
    devices = []

    def stop(z):
        devices.append(z.device.type)
        raise RuntimeError("no values on this device")

    explore_codes(stop, [-1.0], [1.0], title="T", device="meta")
    with pytest.raises(RuntimeError, match="no values"):
        sliders[0][0](z_1=0.5)
    assert devices == ["meta"]
