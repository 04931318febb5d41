import base64
import io

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
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


@pytest.mark.parametrize("shape", [(4, 28, 28), (4, 2, 28, 28), (4, 28, 28, 3)])
def test_mosaic_says_which_shape_it_needs(shape):
    with pytest.raises(ValueError, match=r"\(4, .*28\b.*\(n, 1, h, w\) or \(n, 3, h, w\)"):
        mosaic(torch.rand(shape), 2)


def test_a_mosaic_of_colour_images_keeps_their_colours():
    images = torch.rand(5, 3, 2, 4)
    sheet = mosaic(images, columns=2)
    assert sheet.shape == (3 * 3 - 1, 2 * 5 - 1, 3)
    for i, image in enumerate(images):
        top, left = i // 2 * 3, i % 2 * 5
        for channel in range(3):
            part = sheet[top : top + 2, left : left + 4, channel]
            np.testing.assert_allclose(part, image[channel], atol=1e-6)
    assert (sheet[2] == 0.5).all() and (sheet[:, 4] == 0.5).all()
    grey = mosaic(images[:, :1], 2)
    np.testing.assert_array_equal(mosaic(images[:, :1].expand(5, 3, 2, 4), 2)[..., 1], grey)


def test_colour_images_are_drawn_in_colour(shown):
    red = torch.zeros(3, 3, 28, 28)
    red[:, 0] = 1
    display.show_images(red, title="T", alt="A.")
    display.show_rows({"a": red, "grey": red[:, :1]}, title="T", alt="A.")
    for data, _ in shown:
        assert (picture(data) == [255, 0, 0]).all(axis=2).sum() > 1000


def test_the_grid_reads_like_a_map():
    grid = latent_grid(3, -2.0, 2.0).view(3, 3, 2)
    assert grid[0, 0].tolist() == [-2, 2], "top left is z_1 least, z_2 greatest"
    assert grid[0, 2].tolist() == [2, 2]
    assert grid[2, 0].tolist() == [-2, -2]
    assert grid[1, 1].tolist() == [0, 0]


@pytest.mark.parametrize("kind", [list, tuple, torch.tensor, np.array])
def test_a_grid_may_have_other_ends_on_each_axis(kind):
    grid = latent_grid(3, kind([-1.0, 10.0]), kind([1.0, 30.0])).view(3, 3, 2)
    assert grid[0, 0].tolist() == [-1, 30] and grid[2, 2].tolist() == [1, 10]
    assert grid[1, 1].tolist() == [0, 20]


def test_a_decoded_grid_lies_on_the_axes_of_the_map(figures):
    z, y = torch.randn(50, 2), torch.arange(50) % 10
    low, high = torch.tensor([-4.0, 0.0]), torch.tensor([4.0, 8.0])
    images = torch.zeros(25, 1, 28, 28)
    images[0] = 1  # top left
    display.show_codes(
        {"m": (z, y)}, "abcdefghij", title="T", alt="A.", decoded=(images, low, high)
    )
    cloud, grid = figures[0].axes
    assert cloud.get_xlim() == (-5, 5) and cloud.get_ylim() == (-1, 9)
    assert grid.get_xlim() == (-5, 5) and grid.get_ylim() == (-1, 9)
    (sheet,) = grid.images
    assert sheet.get_extent() == [-5, 5, -1, 9] and sheet.origin == "upper"
    assert sheet.get_array()[0, 0] == 1, "each image lies where its code lies: around (-4, 8)"


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
    words = {"title": "T", "alt": "A.", "xlabel": "x"}
    display.show_curves({"c": ([1, 2], [3, 4])}, ylabel="y", **words)
    display.show_histograms({"m": {"a": torch.rand(9)}}, **words)
    assert len(shown) == 7
    for data, metadata in shown:
        alt = metadata["image/png"]["alt"]
        assert alt.startswith(("T. A.", "T: m. A.")) and data["text/plain"] == alt
        pixels = picture(data)
        corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
        assert (corners == 255).all(), "a dark page must not shine through"
    assert not plt.get_fignums(), "figures are closed"


@pytest.fixture
def figures(monkeypatch):
    """The figures themselves, before they become pictures."""
    drawn = []
    monkeypatch.setattr(display, "show", lambda fig, alt: drawn.append(fig))
    yield drawn
    plt.close("all")


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_curves_are_told_apart_without_colour_and_named(figures):
    curves = {name: ([1, 2, 4], [i, i + 1, i + 3]) for i, name in enumerate("abcdefg")}
    display.show_curves(curves, title="T", xlabel="x-axis", ylabel="y-axis", alt="A.")
    (axes,) = figures[0].axes
    for i, (name, line) in enumerate(zip(curves, axes.lines, strict=True)):
        assert line.get_label() == name
        assert [*line.get_xdata()] == [1, 2, 4] and [*line.get_ydata()] == [i, i + 1, i + 3]
    assert len({line.get_marker() for line in axes.lines}) == 7
    assert len({line.get_color() for line in axes.lines}) == 7
    assert len({str(line._dash_pattern) for line in axes.lines}) == 7
    assert [t.get_text() for t in axes.get_legend().get_texts()] == list("abcdefg")
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x-axis", "y-axis", "T")
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear") and not texts(axes)


def test_reference_lines_lie_and_marks_stand_where_their_texts_say(figures):
    display.show_curves(
        {"c": ([2, 64], [1, 9])}, title="T", xlabel="x", ylabel="y", alt="A.",
        lines={"floor": 1.25, "roof": 8}, marks={"zlib": 12.5},
    )  # fmt: skip
    (axes,) = figures[0].axes
    _, floor, roof, zlib = axes.lines
    assert [*floor.get_ydata()] == [1.25, 1.25] and [*roof.get_ydata()] == [8, 8]
    assert [*zlib.get_xdata()] == [12.5, 12.5]
    assert texts(axes) == ["floor: 1.25", "roof: 8", "zlib: 12.5"]
    places = [text.xy for text in axes.texts]
    assert [places[0][1], places[1][1], places[2][0]] == [1.25, 8, 12.5]
    assert len(axes.get_legend().get_texts()) == 1, "reference lines are named where they stand"


@pytest.mark.parametrize(("log_x", "log_y"), [(True, False), (False, True), (True, True)])
def test_logarithmic_axes_have_plain_numbers(log_x, log_y, figures):
    display.show_curves(
        {"c": ([2, 4, 64], [0.5, 10, 100])}, title="T", xlabel="x", ylabel="y", alt="A.",
        log_x=log_x, log_y=log_y,
    )  # fmt: skip
    (axes,) = figures[0].axes
    figures[0].canvas.draw()
    assert (axes.get_xscale() == "log", axes.get_yscale() == "log") == (log_x, log_y)
    x, y = ([t.get_text() for t in a.get_ticklabels()] for a in (axes.xaxis, axes.yaxis))
    if log_x:
        assert {"2", "4", "64"} <= {*x}
    if log_y:
        assert {"0.5", "1", "2", "5", "10", "50", "100"} <= {*y}
        assert not {"3", "4", "6", "30"} & {*y}


def heights(axes, group):
    """The shares in the bins of a group, by its place in the panel."""
    path = axes.patches[group].get_path()
    edges = path.vertices[:, 0]
    return {round(float(h), 6) for h in path.vertices[:, 1]} - {0.0}, edges.min(), edges.max()


def test_histograms_show_shares_of_each_group_over_common_bins(figures):
    normal, strange = torch.cat([torch.zeros(30), torch.full((10,), 49.0)]), torch.full((7,), 49.0)
    panels = {"left": {"normal": normal, "strange": strange}, "right": {"normal": normal[:1]}}
    display.show_histograms(panels, title="T", xlabel="score", alt="A.")
    left, right = figures[0].axes
    assert heights(left, 0) == ({0.75, 0.25}, 0, 49)
    assert heights(left, 1) == ({1.0}, 0, 49)
    assert [axes.get_title() for axes in (left, right)] == ["left", "right"]
    assert {axes.get_xlabel() for axes in (left, right)} == {"score"}
    assert {axes.get_ylabel() for axes in (left, right)} == {"share of images"}
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["normal", "strange"]
    filled, outline = left.patches
    assert filled.get_fill() and not outline.get_fill() and outline.get_linestyle() != "-"


def test_a_histogram_counts_what_lies_far_out_in_its_last_bar(figures):
    values = torch.linspace(-0.1, 0.7, 999).double().requires_grad_()
    far = torch.cat([torch.zeros(1), torch.full((3,), 900.0)])
    panels = {"m": {"a": values}, "n": {"b": far[:1], "c": far}}
    display.show_histograms(panels, title="T", xlabel="x", alt="A.")
    left, right = figures[0].axes
    shares, low, high = heights(left, 0)
    assert low == pytest.approx(-0.1) and 0.69 < high < 0.71
    assert 0.9 / 60 < min(shares) <= max(shares) < 1.5 / 60, "even values, 60 even bins"
    assert heights(right, 1)[0] == {0.25, 0.75}, "nothing is lost"
    assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()


@pytest.mark.parametrize("values", [torch.zeros(0), torch.ones(5), torch.arange(3)])
def test_a_histogram_of_nothing_or_of_one_value_can_be_drawn(values, shown):
    groups = {"some": values, "none": torch.zeros(0)}
    display.show_histograms({"m": groups}, title="T", xlabel="x", alt="A.")
    assert shown[0][1]["image/png"]["alt"] == "T: m. A."


def test_the_history_plot_says_where_it_ended(shown):
    show_history(History({"loss": [2.0, 1.25]}, [1, 1]), title="T", unit="u", alt="A.")
    assert "After epoch 2: loss 1.25" in shown[0][1]["image/png"]["alt"]


def test_a_history_on_a_logarithmic_axis_has_plain_numbers(figures):
    history = History({"loss": [100.0, 12.0, 3.0]}, [1, 1, 1])
    show_history(history, title="T", unit="u", alt="A.", lines={"low": 4}, log_y=True)
    (axes,) = figures[0].axes
    figures[0].canvas.draw()
    assert axes.get_yscale() == "log"
    assert {"5", "10", "20", "50", "100"} <= {t.get_text() for t in axes.yaxis.get_ticklabels()}
    assert axes.texts[0].get_va() != "top", "below the middle of the axis: written above the line"


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
    rows.clear()
    aim = torch.ones(20, 1, 28, 28)
    display.show_over_epochs(
        History({}, [1.0] * 20, frames), title="T", alt="A.", count=5, images=aim
    )
    assert [*rows][-1] == "image" and len(rows["image"]) == 12 and len(rows) == 6


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
    assert capsys.readouterr().out.startswith("def latent_grid(")


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


def test_within_an_epoch_only_the_curves_that_are_asked_for_are_marked(monkeypatch):
    from genmnist import live

    drawn = []
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "as_png", lambda fig, alt: drawn.append(fig) or ({}, {}))
    monkeypatch.setattr("IPython.display.display", lambda *given, **named: None)
    monkeypatch.setattr(LiveDisplay, "is_due", lambda self: True)
    display_of_b = LiveDisplay(History(), epochs=2, title="T", unit="u", shown=["b"])
    display_of_b.progress(0.5, 100, {"a": 7.0, "b": 2.0})
    assert [line.get_xydata().tolist() for line in drawn[0].axes[0].lines] == [[[0.5, 2.0]]]


def test_time_left_counts_the_epochs_that_are_left(capsys):
    history = History()
    live = LiveDisplay(history, epochs=4, title="T", unit="u")
    history.curves["loss"] = [1.0]
    history.seconds.append(30.0)
    live.epoch_done(600)
    assert "epoch 1 of 4, 1 min 30 s left, 20 images/s  loss 1" in capsys.readouterr().out


GAN_CURVES = {
    "loss of D": [1.3, 0.9], "loss of G": [0.7, 1.2], "D(real)": [0.5, 0.8], "D(fake)": [0.5, 0.2],
    "gradient of D": [1.0, 2.0], "gradient of G": [0.1, 0.0],
}  # fmt: skip


def test_a_dashboard_has_five_panels_a_row_and_the_lines_of_a_draw(figures):
    rows = {
        "works": (History(GAN_CURVES, [1, 1]), torch.rand(40, 1, 28, 28), torch.full((10,), 0.1)),
        "other": (History(GAN_CURVES, [1, 1]), torch.rand(16, 1, 28, 28), torch.eye(10)[3]),
    }
    display.show_dashboards(rows, title="T", alt="A.")
    losses, verdicts, gradients, pictures = figures[0].axes[:4]
    assert len(figures[0].axes) == 10
    for axes, names in ((losses, ["loss of D", "loss of G"]), (verdicts, ["D(real)", "D(fake)"]),
                        (gradients, ["gradient of D", "gradient of G"])):  # fmt: skip
        assert [t.get_text() for t in axes.get_legend().get_texts()] == names
        for line, name in zip(axes.lines, names, strict=False):
            assert line.get_xydata().tolist() == [
                [1, GAN_CURVES[name][0]],
                [2, GAN_CURVES[name][1]],
            ]
        assert len({line.get_linestyle() for line in axes.lines[:2]}) == 2
    marked = {text.get_text(): text.xy[1] for axes in (losses, verdicts) for text in axes.texts}
    assert marked == {
        "2 ln 2": pytest.approx(1.386294), "ln 2": pytest.approx(0.693147), "½": 0.5
    }  # fmt: skip
    assert gradients.get_yscale() == "log" and verdicts.get_ylim() == (-0.05, 1.05)
    assert pictures.images[0].get_array().shape == (4 * 29 - 1, 4 * 29 - 1), "16 of 40 samples"
    assert figures[0].axes[9].lines[0].get_ydata() == [0.1, 0.1], "ten even classes"
    assert [bar.get_height() for bar in figures[0].axes[9].patches] == torch.eye(10)[3].tolist()
    assert [figures[0].axes[i].get_ylabel() for i in (0, 5)] == ["works", "other"]


def test_a_dashboard_of_a_run_that_broke_off_at_once_says_so(figures):
    rows = {"overflow": (History(), torch.rand(16, 1, 28, 28), torch.eye(10)[8])}
    display.show_dashboards(rows, title="T", alt="A.")
    for axes in figures[0].axes[:3]:
        assert "no whole epoch" in texts(axes)
    assert not figures[0].axes[4].patches, "what a judge calls broken images says nothing"


def test_a_dashboard_names_a_gradient_that_ends_at_nothing_and_keeps_its_labels_apart(figures):
    curves = GAN_CURVES | {"loss of G": [0.7, 40.0], "gradient of D": [1e-5, 3.0]}
    rows = {"m": (History(curves, [1, 1]), torch.rand(16, 1, 28, 28), torch.full((10,), 0.1))}
    display.show_dashboards(rows, title="T", alt="A.")
    losses, _, gradients = figures[0].axes[:3]
    assert texts(losses) == ["ln 2, 2 ln 2"], "one over the other they cannot be read"
    assert texts(gradients) == ["gradient of G: 0 from epoch 2"]
    figures[0].canvas.draw()
    ticks = [t.get_text() for t in gradients.get_yticklabels(which="both") if t.get_text()]
    assert "1" in ticks and not [t for t in ticks if "times" in t]


def test_a_dashboard_names_the_curve_that_is_missing():
    history = History({"loss of D": [1.0]}, [1])
    with pytest.raises(KeyError, match="'loss of G'"):
        display.show_dashboards(
            {"m": (history, torch.rand(16, 1, 28, 28), torch.zeros(10))}, title="T", alt="A."
        )


def test_points_are_drawn_in_panels_and_a_far_one_does_not_hide_the_rest(figures):
    cloud = torch.rand(1000, 2)
    far = torch.cat([cloud, torch.tensor([[900.0, -900.0]])])
    display.show_points({"near": cloud, "far": far}, title="T", alt="A.")
    for axes in figures[0].axes:
        assert -0.2 < axes.get_xlim()[0] < 0.05 and 0.95 < axes.get_xlim()[1] < 1.2
        assert -0.2 < axes.get_ylim()[0] < 0.05 and 0.95 < axes.get_ylim()[1] < 1.2
    assert [axes.get_title() for axes in figures[0].axes] == ["near", "far"]
    assert len(figures[0].axes[1].lines[0].get_xdata()) == 1001


def test_panels_of_points_share_their_axes(figures):
    """With axes of its own, a panel without its left half would look complete."""
    left, right = torch.rand(200, 2) - 1, torch.rand(200, 2) + torch.tensor([0.0, 4.0])
    both = torch.cat([left, right])
    display.show_points({"both": both, "right": right}, title="T", alt="A.")
    display.show_points({"right": right, "left": left}, title="T", alt="A.")
    for axes in [*figures[0].axes, *figures[1].axes]:
        assert axes.get_xlim()[0] < -0.95 and axes.get_xlim()[1] > 0.95
        assert axes.get_ylim()[0] < -0.95 and axes.get_ylim()[1] > 4.95


def test_every_panel_of_points_shows_all_centres(figures):
    """A mode that no sample found is to be seen, even where it lies outside all samples."""
    near, centres = torch.rand(50, 2), torch.tensor([[0.5, 0.5], [8.0, -3.0]])
    display.show_points({"a": near, "b": near}, title="T", alt="A.", centres=centres)
    for axes in figures[0].axes:
        points, marks = axes.lines
        assert marks.get_xydata().tolist() == centres.tolist() and marks.get_marker() == "+"
        assert axes.get_xlim()[1] > 7.5 and axes.get_ylim()[0] < -2.5
        assert marks.get_zorder() < points.get_zorder()


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.ones(1, 2), torch.ones(50, 2)])
def test_no_points_or_one_place_can_be_drawn(points, shown):
    display.show_points({"m": points}, title="T", alt="A.")
    assert shown[0][1]["image/png"]["alt"] == "T: m. A."


def test_a_line_at_the_top_is_named_below_it_and_inside_the_frame(figures):
    words = {"title": "T", "alt": "A.", "xlabel": "x", "ylabel": "y"}
    display.show_curves({"c": ([0, 1], [0, 10])}, lines={"top": 30.0, "low": 4.0}, **words)
    (axes,) = figures[0].axes
    assert {t.get_text(): t.get_va() == "top" for t in axes.texts} == {
        "top: 30": True, "low: 4": False
    }  # fmt: skip


def test_places_are_named_and_a_circle_is_drawn_as_a_circle(figures):
    words = {"title": "T", "alt": "A.", "xlabel": "x", "ylabel": "y"}
    display.show_curves({"c": ([0, 9], [0, 1])}, places={"here": (1, 2), "there": (0, 0)}, **words)
    (axes,) = figures[0].axes
    assert axes.get_aspect() == 1 and texts(axes) == ["here", "there"]
    assert [line.get_xydata().tolist() for line in axes.lines[1:]] == [[[1, 2]], [[0, 0]]]


def test_a_band_reaches_from_the_lowest_to_the_highest_value_of_its_curve(figures):
    curves = {"a": ([0, 1], [2, 3]), "b": ([0, 1], [5, 5])}
    bands = {"b": ([4, 1], [6, 9])}
    display.show_curves(curves, bands=bands, title="T", xlabel="x", ylabel="y", alt="A.")
    (axes,) = figures[-1].axes
    (band,) = axes.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices}
    assert {(0, 4), (1, 1), (0, 6), (1, 9)} <= corners
    assert tuple(band.get_facecolor()[0][:3]) == to_rgb(axes.lines[1].get_color())


def test_lines_keep_their_colours_where_shades_of_several_runs_overlap(shown):
    x = list(range(10))
    curves = {f"c{i}": (x, [2 * j * (i + 1) for j in x]) for i in range(6)}
    bands = {n: ([v - 12 for v in y], [v + 12 for v in y]) for n, (_, y) in curves.items()}
    display.show_curves(curves, bands=bands, title="T", xlabel="x", ylabel="y", alt="A.")
    pixels = picture(shown[0][0]).astype(int)
    for colour in display.COLORS[:6]:
        wanted = 255 * np.array(to_rgb(colour))
        assert np.abs(pixels - wanted).max(axis=2).min() < 8, colour
