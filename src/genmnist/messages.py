"""Messages, tables and listings: HTML in a notebook, plain text elsewhere."""

from __future__ import annotations

import html
import inspect
import math
import sys
import textwrap
from collections.abc import Mapping, Sequence

from torch import nn


def in_notebook() -> bool:
    """Whether output goes to a Jupyter or Colab cell, which can show pictures."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def say(text: str) -> None:
    """Print, with characters that a narrow terminal (cp1252) lacks replaced."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


def show_html(body: str, plain: str) -> None:
    """HTML in a notebook, the same as plain text elsewhere."""
    if not in_notebook():
        say(plain)
        return
    from IPython.display import display

    display({"text/html": body, "text/plain": plain}, raw=True)


def message(text: str, *, color: str = "#D55E00") -> None:
    """A message that must not be overlooked: a line beside it in a notebook, a frame elsewhere."""
    body = html.escape(text).replace("\n", "<br>")
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, 78) or [""]]
    box = f'<div style="border-left: 6px solid {color}; padding: 0.4em 1em">{body}</div>'
    show_html(box, "\n".join(["-" * 80, *lines, "-" * 80]))


def show_source(*things: object) -> None:
    """The source of functions or classes: there is one tested copy, and this is it."""
    source = "\n\n\n".join(textwrap.dedent(inspect.getsource(thing)).rstrip() for thing in things)
    if not in_notebook():
        say(source)
        return
    from IPython.display import Markdown, display

    display(Markdown(f"```python\n{source}\n```"))


def summary(model: nn.Module, input_size: Sequence[int] = (1, 1, 28, 28)) -> None:
    """Layers, output shapes and numbers of parameters, by torchinfo."""
    try:
        from torchinfo import summary as table
    except ImportError:
        count = sum(parameter.numel() for parameter in model.parameters())
        say(f"{model}\n{count:,} parameters (install torchinfo to see the shapes)")
        return
    columns = ("output_size", "num_params")
    say(str(table(model, input_size=tuple(input_size), col_names=columns, verbose=0)))


def table(rows: Mapping[str, Mapping[str, object]], *, title: str, digits: int = 3) -> None:
    """name -> column -> value, as a table; numbers with so many significant digits."""

    def text(value: object) -> str:
        if isinstance(value, float) and math.isfinite(value):
            value = float(f"{value:.{digits}g}")
            return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:g}"
        return str(value)

    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [["", *columns]]
    cells += [[name, *(text(row.get(c, "")) for c in columns)] for name, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    body = "".join(
        "<tr>" + "".join(f"<{'td' if i else 'th'}>{html.escape(c)}</{'td' if i else 'th'}>"
                         for c in row) + "</tr>"
        for i, row in enumerate(cells)
    )  # fmt: skip
    caption = f"<caption>{html.escape(title)}</caption>"
    show_html(f"<table>{caption}{body}</table>", "\n".join([title, *lines]))
