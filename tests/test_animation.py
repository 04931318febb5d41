"""The animated PNG: its frames in order, its size, and what stands around it."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from genmnist import animation
from genmnist.animation import HEADER, MAX_BYTES, animated_png, show_animation
from genmnist.checkpoint import History


def levels(*values, count=4, channels=1):
    """One frame for each value, all its images of that grey."""
    return [torch.full((count, channels, 28, 28), v, dtype=torch.uint8) for v in values]


def pictures(png):
    """Each frame as an array (rows, columns, 3), and how long each stays, in ms."""
    image, frames, durations = Image.open(io.BytesIO(png)), [], []
    for i in range(image.n_frames):
        image.seek(i)
        frames.append(np.asarray(image.convert("RGB")))
        durations.append(image.info.get("duration"))
    return frames, durations


def body(frame):
    """A pixel of the first image, below the header."""
    return frame[HEADER + 10, 10].tolist()


def test_the_first_frame_is_the_last_epoch_and_then_all_come_in_order():
    frames, durations = pictures(animated_png(levels(0, 51, 102, 255), "T", columns=2, count=4))
    assert [body(f) for f in frames] == [[v] * 3 for v in (255, 0, 51, 102, 255)]
    assert durations[0] == 2000 and durations[1:] == [250] * 4


def test_it_runs_for_ever_and_a_viewer_without_animation_sees_the_last_epoch():
    image = Image.open(io.BytesIO(animated_png(levels(0, 255), "T", columns=2, count=4)))
    assert image.info["loop"] == 0 and image.is_animated
    still = Image.open(io.BytesIO(animated_png(levels(0, 255), "T", columns=2, count=4)))
    assert body(np.asarray(still.convert("RGB"))) == [255] * 3


def test_one_epoch_is_a_picture_too():
    frames, _ = pictures(animated_png(levels(102), "T", columns=2, count=4))
    assert body(frames[0]) == [102] * 3


def test_images_are_twice_as_large_below_a_white_header_with_black_text():
    frames, _ = pictures(animated_png(levels(0, 255), "T", columns=2, count=4))
    assert {f.shape for f in frames} == {(HEADER + 2 * 57, frames[0].shape[1], 3)}
    assert frames[0].shape[1] >= 2 * 57
    for frame in frames:
        header = frame[:HEADER]
        assert (header[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all() and header.min() < 100
    first, second = frames[1][:HEADER], frames[2][:HEADER]
    assert (first != second).any(), "each header names its epoch"


def test_a_long_title_widens_the_picture_and_leaves_white_beside_the_images():
    frames, _ = pictures(animated_png(levels(0, 255), "title " * 30, columns=2, count=4))
    assert frames[0].shape[1] > 600
    assert (frames[1][HEADER:, 2 * 57 :] == 255).all() and body(frames[1]) == [0] * 3


def test_only_the_first_images_are_shown():
    few = animated_png(levels(0, 255, count=16), "T", columns=8, count=8)
    all_of_them = animated_png(levels(0, 255, count=16), "T", columns=8, count=16)
    assert pictures(few)[0][0].shape[0] == HEADER + 2 * 28
    assert pictures(all_of_them)[0][0].shape[0] == HEADER + 2 * 57


@pytest.mark.parametrize("channels", [1, 3])
def test_it_stays_small_even_for_noise_and_keeps_first_and_last_epochs(channels):
    """By leaving out epochs, evenly: noise is what a PNG can pack least."""
    torch.manual_seed(0)
    frames = [torch.randint(256, (32, channels, 28, 28), dtype=torch.uint8) for _ in range(60)]
    frames[0], frames[-1] = (torch.full_like(frames[0], v) for v in (0, 255))
    png = animated_png(frames, "T", columns=8, count=32)
    assert len(png) <= MAX_BYTES <= 150_000
    shown, _ = pictures(png)
    assert 3 <= len(shown) < 61
    assert body(shown[0]) == body(shown[-1]) == [255] * 3 and body(shown[1]) == [0] * 3


def test_where_one_epoch_alone_is_too_large_it_is_the_last(monkeypatch):
    monkeypatch.setattr(animation, "MAX_BYTES", 10)
    frames, _ = pictures(animated_png(levels(0, 51, 255), "T", columns=2, count=4))
    assert [body(f) for f in frames] == [[255] * 3] * len(frames)


def test_sixty_epochs_of_digits_are_all_shown():
    torch.manual_seed(0)
    bars = torch.zeros(16, 1, 28, 28, dtype=torch.uint8)
    bars[..., 12:15] = 255
    frames = [bars * (i % 3 + 1) // 3 for i in range(60)]
    assert len(pictures(animated_png(frames, "T", columns=8, count=16))[0]) == 61


def test_colours_stay_what_they_are():
    red = torch.zeros(4, 3, 28, 28, dtype=torch.uint8)
    red[:, 0] = 255
    frames, _ = pictures(animated_png([red, red // 5], "T", columns=2, count=4))
    assert body(frames[1]) == [255, 0, 0] and body(frames[2]) == [51, 0, 0]


def history(frames):
    return History({}, [1.0] * len(frames), frames)


def test_in_a_notebook_it_is_one_png_with_its_text(monkeypatch):
    shown = []
    monkeypatch.setattr(animation, "in_notebook", lambda: True)
    keep = lambda data, raw, metadata: shown.append((data, metadata))  # noqa: E731
    monkeypatch.setattr("IPython.display.display", keep)
    show_animation(history(levels(0, 51, 255)), title="T", alt="A.")
    ((data, metadata),) = shown
    assert metadata["image/png"]["alt"] == data["text/plain"] == "T. A."
    frames, _ = pictures(base64.b64decode(data["image/png"]))
    assert len(frames) == 4 and body(frames[0]) == [255] * 3


def test_elsewhere_it_is_one_line(capsys):
    show_animation(history(levels(0, 255)), title="T", alt="A.")
    assert capsys.readouterr().out == "T: an animation over 2 epochs. A.\n"


def test_it_needs_frames():
    with pytest.raises(ValueError, match="keeps no samples"):
        show_animation(History(), title="T", alt="A.")
    with pytest.raises(ValueError, match=r"\(n, 1, h, w\)"):
        animated_png([torch.zeros(4, 28, 28, dtype=torch.uint8)], "T", columns=2, count=4)
