"""Training shown as it happened: one animated PNG, which needs no player and no script."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from genmnist.checkpoint import History
from genmnist.display import in_notebook, mosaic

MAX_BYTES = 70_000  # a stored notebook holds several pictures and has to stay below 1 MB
GREYS = 16  # enough for a moving picture, and a quarter of the size
HEADER = 22  # rows of pixels for the text


def show_animation(
    history: History, *, title: str, alt: str, columns: int = 8, count: int = 16
) -> None:
    """The samples kept after each epoch, as an animated PNG that starts with the finished ones.

    A front end that shows no animation shows its first frame.  `show_over_epochs` is the still
    strip that belongs beside it.

    Raises:
        ValueError: if the history keeps no samples.
    """
    if not history.frames:
        raise ValueError("this history keeps no samples: give fit() `samples`")
    if not in_notebook():
        print(f"{title}: an animation over {len(history.frames)} epochs. {alt}", flush=True)
        return
    from IPython.display import display

    png = base64.b64encode(animated_png(history.frames, title, columns, count)).decode()
    text = f"{title}. {alt}"
    data = {"image/png": png, "text/plain": text}
    display(data, raw=True, metadata={"image/png": {"alt": text}})


def animated_png(frames: list[Tensor], title: str, columns: int, count: int) -> bytes:
    """The bytes of the picture: the last frame for two seconds, then all of them in order.

    frames: uint8 (k, c, h, w), one for each epoch.  Of many epochs some are left out, so that the
    picture stays below MAX_BYTES.
    """
    epochs = list(range(1, len(frames) + 1))
    while True:
        shown = [epochs[-1], *epochs]
        pictures = [_picture(frames[e - 1][:count], f"{title}: epoch {e}", columns) for e in shown]
        file = io.BytesIO()
        pictures[0].save(
            file, format="PNG", save_all=True, append_images=pictures[1:], loop=0,
            duration=[2_000] + [250] * len(epochs),
        )  # fmt: skip
        if file.tell() <= MAX_BYTES or len(epochs) == 1:
            return file.getvalue()
        fewer = np.linspace(len(frames), 1, len(epochs) * 3 // 4)  # the last one always stays
        epochs = sorted({round(float(e)) for e in fewer})


def _picture(images: Tensor, text: str, columns: int) -> Image.Image:
    """A sheet of images, twice as large, below a line of text on white."""
    sheet = mosaic(images, columns)
    levels = np.round(sheet * (GREYS - 1)) * (255 // (GREYS - 1))
    levels = levels.repeat(2, axis=0).repeat(2, axis=1).astype(np.uint8)
    font = ImageFont.load_default(14)
    width = max(levels.shape[1], 8 + round(font.getlength(text)))
    mode = "L" if levels.ndim == 2 else "RGB"
    picture = Image.new(mode, (width, levels.shape[0] + HEADER), "white")
    picture.paste(Image.fromarray(levels), (0, HEADER))
    ImageDraw.Draw(picture).text((4, 2), text, fill="black", font=font)
    return picture
