"""Figures and tables: what was given is drawn, readable on any page, with alternative text."""

import io
import sys

import matplotlib.pyplot as plt
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from genmnist import messages, plots


@pytest.fixture
def shown(monkeypatch):
    """What `show` is given: the figure, drawn, and its alternative text."""
    kept = []

    def keep(fig, alt):
        data, metadata = plots.as_png(fig, alt)
        kept.append((fig, alt, data, metadata))
        plt.close(fig)

    monkeypatch.setattr(plots, "show", keep)
    return kept


def draw_all():
    x = torch.rand(6, 1, 28, 28)
    plots.images(x, title="some")
    plots.rows({"real": x, "PCA": x[:4]}, title="two rows")
    plots.curves({"ours": ((1, 2), (3.0, 0.25))}, log_x=True,
                 title="falls", xlabel="epoch", ylabel="error")  # fmt: skip
    z, low, high = torch.randn(20, 2), torch.tensor([-1.0, -2]), torch.tensor([1.0, 2])
    plots.codes(z, torch.arange(20) % 10, [*"0123456789"], title="plane",
                decoded=(torch.rand(9, 1, 28, 28), low, high))  # fmt: skip


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_every_figure_has_white_paper_dark_writing_and_an_alternative_text(shown, style):
    with plt.style.context(style):
        draw_all()
    assert len(shown) == 4
    for fig, alt, data, metadata in shown:
        picture = Image.open(io.BytesIO(__import__("base64").b64decode(data["image/png"])))
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        assert metadata["image/png"]["alt"] == alt and len(alt) > 10
        writing = [text for axes in fig.axes for text in (axes.title, axes.xaxis.label)]
        assert all(sum(plt.matplotlib.colors.to_rgb(t.get_color())) < 0.5 for t in writing)


def test_images_stand_where_they_belong(shown):
    x = torch.zeros(5, 1, 2, 2)
    x[4] = 1  # the second image of the second row
    plots.images(x, title="five", columns=3)
    sheet = shown[0][0].axes[0].get_images()[0].get_array()[..., 0]
    assert sheet.shape == (2 * 3 - 1, 3 * 3 - 1)
    assert (sheet == 1).sum() == 4 and (sheet[3:5, 3:5] == 1).all()


def test_a_grid_of_codes_grows_to_the_right_and_upwards():
    grid = plots.latent_grid(3, torch.tensor([-1.0, -2.0]), torch.tensor([1.0, 2.0])).view(3, 3, 2)
    assert grid[0, 0].tolist() == [-1, 2] and grid[2, 2].tolist() == [1, -2]
    assert (grid[:, 1:, 0] > grid[:, :-1, 0]).all() and (grid[1:, :, 1] < grid[:-1, :, 1]).all()


def test_points_curves_and_decoded_images_stand_at_their_coordinates(shown):
    z, y = torch.tensor([[1.0, -2.0], [3.0, 4.0]]), torch.tensor([0, 1])
    low, high = torch.tensor([-1.0, -2.0]), torch.tensor([1.0, 2.0])
    plots.codes(z, y, ["0", "1"], (torch.rand(9, 1, 4, 4), low, high), title="plane")
    left, right = shown[0][0].axes
    assert [line.get_xydata().tolist() for line in left.lines] == [[[1, -2]], [[3, 4]]]
    assert right.get_images()[0].get_extent() == [-1.5, 1.5, -3, 3]
    plots.curves({"a": ((1, 2), (3.0, 0.25))}, title="t", xlabel="x", ylabel="y")
    assert shown[1][0].axes[0].lines[0].get_xydata().tolist() == [[1, 3], [2, 0.25]]


def test_values_are_in_the_alternative_text(shown):
    draw_all()
    assert "3 to 0.25" in shown[2][1]


def test_a_terminal_that_lacks_characters_gets_the_table(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", narrow)
    messages.table({"β → 0": {"Fréchet distance": 1234.5, "share": 0.51234}}, title="σ")
    messages.message("z ~ N(0, I), β")
    narrow.flush()
    text = narrow.buffer.getvalue().decode("cp1252")
    assert "1,230" in text and "0.512" in text and "Fréchet" in text


def test_a_notebook_gets_html_and_the_same_as_text(monkeypatch):
    displayed = []
    monkeypatch.setattr(messages, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, **_: displayed.append(data))
    messages.table({"a<b": {"x": 2.0}}, title="t")
    messages.message("5 < 6")
    assert "a&lt;b" in displayed[0]["text/html"] and "a<b" in displayed[0]["text/plain"]
    assert "5 &lt; 6" in displayed[1]["text/html"]


def test_a_plain_python_process_is_no_notebook():
    assert not messages.in_notebook()
    InteractiveShell.instance()  # a terminal's IPython has no kernel
    try:
        assert not messages.in_notebook()
    finally:
        InteractiveShell.clear_instance()
