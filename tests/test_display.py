import base64
import io

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from genmnist import display
from genmnist.checkpoint import History
from genmnist.display import as_png, latent_grid, mosaic, show_history, show_message, show_source
from genmnist.live import LiveDisplay


@pytest.fixture
def shown(monkeypatch):
    """What a notebook cell would store: a list of (data, metadata)."""
    outputs = []
    monkeypatch.setattr(display, "in_notebook", lambda: True)
    keep = lambda data, raw, metadata: outputs.append((data, metadata))  # noqa: E731
    monkeypatch.setattr("IPython.display.display", keep)
    return outputs


def picture(data):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))


def test_mosaic_puts_images_row_by_row_with_lines_between():
    images = torch.arange(5).view(5, 1, 1, 1).expand(5, 1, 2, 3) / 4
    sheet = mosaic(images, columns=2)
    assert sheet.shape == (3 * 3 - 1, 2 * 4 - 1)
    for i in range(5):
        top, left = i // 2 * 3, i % 2 * 4
        assert (sheet[top : top + 2, left : left + 3] == i / 4).all()
    assert (sheet[2] == 0.5).all() and (sheet[:, 3] == 0.5).all()


def test_mosaic_takes_bytes_and_floats_alike():
    images = torch.randint(256, (4, 1, 3, 3), dtype=torch.uint8)
    np.testing.assert_allclose(mosaic(images, 2), mosaic(images.float() / 255, 2), atol=1e-6)


def test_mosaic_says_which_shape_it_needs():
    with pytest.raises(ValueError, match=r"\(4, 28, 28\).*\(n, 1, h, w\)"):
        mosaic(torch.rand(4, 28, 28), 2)


def test_the_grid_reads_like_a_map():
    grid = latent_grid(3, extent=2.0).view(3, 3, 2)
    assert grid[0, 0].tolist() == [-2, 2], "top left is z_1 least, z_2 greatest"
    assert grid[0, 2].tolist() == [2, 2]
    assert grid[2, 0].tolist() == [-2, -2]
    assert grid[1, 1].tolist() == [0, 0]


def test_every_figure_is_white_and_carries_its_text(shown):
    history = History({"loss": [2.0, 1.0]}, [1.0, 1.0], [])
    images, codes = torch.rand(6, 1, 28, 28), torch.randn(40, 2)
    labels = torch.arange(40) % 10
    display.show_images(images, title="T", alt="A.", columns=3)
    display.show_rows({"a": images, "b": images}, title="T", alt="A.")
    display.show_codes({"m": (codes, labels)}, "abcdefghij", title="T", alt="A.", prior=True)
    show_history(history, title="T", unit="u", alt="A.", lines={"floor": 0.5})
    history.frames = [torch.zeros(4, 1, 28, 28, dtype=torch.uint8)] * 2
    display.show_over_epochs(history, title="T", alt="A.")
    assert len(shown) == 5
    for data, metadata in shown:
        alt = metadata["image/png"]["alt"]
        assert alt.startswith(("T. A.", "T: m. A.")) and data["text/plain"] == alt
        pixels = picture(data)
        corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 255).all(), "a dark page must not shine through"
    assert not plt.get_fignums(), "figures are closed"


def test_the_history_plot_says_where_it_ended(shown):
    show_history(History({"loss": [2.0, 1.25]}, [1, 1]), title="T", unit="u", alt="A.")
    assert "After epoch 2: loss 1.25" in shown[0][1]["image/png"]["alt"]


def test_a_history_without_epochs_can_be_drawn(shown):
    show_history(History(), title="T", unit="u", alt="A.")
    assert len(shown) == 1


def test_samples_over_epochs_start_with_the_first_and_end_with_the_last(shown, monkeypatch):
    rows = {}
    monkeypatch.setattr(display, "show_rows", lambda r, **kw: rows.update(r))
    frames = [torch.full((2, 1, 28, 28), i, dtype=torch.uint8) for i in range(20)]
    display.show_over_epochs(History({}, [1.0] * 20, frames), title="T", alt="A.", count=5)
    epochs = [int(name.split()[1]) for name in rows]
    assert epochs[0] == 1 and epochs[-1] == 20 and epochs == sorted(set(epochs))
    assert all((rows[f"epoch {e}"] == e - 1).all() for e in epochs)


def test_samples_over_epochs_need_samples():
    with pytest.raises(ValueError, match="samples"):
        display.show_over_epochs(History(), title="T", alt="A.")


def test_a_message_has_a_border_and_all_its_words(capsys):
    show_message("one two three " * 20 + "\nsecond line")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[-1] == "+" + "-" * 78 + "+"
    assert all(len(line) == 80 for line in lines)
    assert " ".join(" ".join(line.strip("|").split()) for line in lines[1:-1]).count("three") == 20


def test_a_message_in_a_notebook_cannot_inject_html(shown, monkeypatch):
    pages = []
    monkeypatch.setattr("IPython.display.display", lambda page: pages.append(page.data))
    show_message("<b>404</b>\nback")
    assert "&lt;b&gt;404&lt;/b&gt;<br>back" in pages[0] and "border" in pages[0]


def test_the_source_shown_is_the_source_that_runs(capsys):
    show_source(latent_grid)
    assert capsys.readouterr().out.startswith("def latent_grid(side: int, extent: float)")


def test_the_summary_without_torchinfo_still_counts(capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchinfo", None)
    display.show_summary(torch.nn.Linear(3, 4), (1, 3))
    assert "16 parameters" in capsys.readouterr().out


def test_a_png_is_small_enough_to_commit():
    fig, axes = plt.subplots()
    display.draw_images(axes, torch.rand(40, 1, 28, 28), 10)
    data, _ = as_png(fig, "noise")
    plt.close(fig)
    assert len(data["image/png"]) < 150_000


def test_time_left_counts_the_epochs_that_are_left(capsys):
    history = History()
    live = LiveDisplay(history, epochs=4, title="T", unit="u")
    history.curves["loss"] = [1.0]
    history.seconds.append(30.0)
    live.epoch_done(600)
    assert "epoch 1 of 4, 1 min 30 s left, 20 images/s  loss 1" in capsys.readouterr().out
