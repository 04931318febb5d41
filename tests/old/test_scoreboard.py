"""The scoreboard, the judge that feeds it, and the published numbers beside it."""

import hashlib
import html
import json
import math
import os
import re
import statistics

import pytest
import torch
import torch.nn.functional as F

from genmnist import judge as judge_module
from genmnist import scoreboard as scoreboard_module
from genmnist.data import Images
from genmnist.evaluation import (
    frechet_distance,
    inception_score,
    nearest_neighbours,
    precision_recall,
)
from genmnist.judge import Judge, accuracy, load_judge, random_shift, train_judge
from genmnist.published import PUBLISHED, Published
from genmnist.scoreboard import COLUMNS, REAL, RealImages, Scoreboard, look_at_real_images, score


@pytest.fixture(autouse=True)
def course_data(tmp_path, monkeypatch):
    """A course that comes with no rows; a test that wants some puts them here."""
    folder = tmp_path / "data"
    monkeypatch.setattr(scoreboard_module, "DEFAULT_ROOT", folder, raising=False)
    return folder


@pytest.fixture
def board(tmp_path):
    return Scoreboard(tmp_path / "scores.json", source="MNIST", n=10_000)


def reopened(board):
    return Scoreboard(board.path, source=board.source, n=board.n)


def a_score(**changed):
    return {"frechet": 2.0, "precision": 0.9, "recall": 0.5, "seconds": 30.0} | changed


# --- Rows.


def test_a_fresh_board_has_no_rows_and_writes_no_file(board):
    assert board.rows == {} and board.best() == {}
    assert not board.path.exists()


def test_rows_survive_a_new_object_on_the_same_file(board):
    board.add("GAN", a_score())
    board.add("VAE", a_score(frechet=3.0), a_score(frechet=5.0))
    again = reopened(board)
    assert again.rows == board.rows and list(again.rows) == ["GAN", "VAE"]
    assert again.rows["VAE"]["frechet"] == [3.0, 5.0]
    again.add("flow", a_score())
    assert list(reopened(board).rows) == ["GAN", "VAE", "flow"]


def test_the_folder_of_the_file_is_made(tmp_path):
    path = tmp_path / "new" / "folder" / "scores.json"
    Scoreboard(path, source="MNIST", n=10).add("é ≥ 1", a_score())
    assert list(Scoreboard(path, source="MNIST", n=10).rows) == ["é ≥ 1"]


def test_a_row_set_again_replaces_the_old_one(board):
    board.add("GAN", a_score(), a_score())
    board.add("GAN", {"frechet": 7.0})
    assert reopened(board).rows == {"GAN": {"frechet": [7.0]}}


def test_rows_of_other_images_are_refused_by_name(board):
    board.add("GAN", a_score())
    with pytest.raises(ValueError, match=r"10000 images of MNIST.*10000 of FashionMNIST"):
        Scoreboard(board.path, source="FashionMNIST", n=10_000)
    with pytest.raises(ValueError, match=r"10000 images of MNIST.*500 of MNIST") as error:
        Scoreboard(board.path, source="MNIST", n=500)
    assert board.path.name in str(error.value)


def test_an_unknown_column_is_refused_with_the_ones_there_are(board):
    with pytest.raises(ValueError, match=r"no column 'fid'.*frechet.*seconds"):
        board.add("GAN", a_score(fid=3.0))
    assert board.rows == {} and not board.path.exists()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused_by_row_column_and_value(board, bad):
    board.add("VAE", a_score())
    with pytest.raises(ValueError, match=f"'GAN'.*recall is {bad}"):
        board.add("GAN", a_score(), a_score(recall=bad))
    assert list(board.rows) == list(reopened(board).rows) == ["VAE"]


def test_a_row_without_a_score_is_refused(board):
    with pytest.raises(ValueError, match=r"'GAN'.*at least one"):
        board.add("GAN")


@pytest.mark.parametrize("odd", [0, 1])
def test_seeds_whose_scores_have_different_columns_are_refused(board, odd):
    """Else a column would be lost without a word, or a row would end in a KeyError."""
    scores = [a_score(), a_score()]
    del scores[odd]["recall"]
    with pytest.raises(ValueError, match="recall"):
        board.add("GAN", *scores)


def test_the_file_holds_plain_numbers(board):
    board.add("GAN", {"frechet": torch.tensor(2.5).item(), "seconds": 3})
    content = json.loads(board.path.read_text("utf-8"))
    assert content == {
        "source": "MNIST",
        "n": 10_000,
        "rows": {"GAN": {"frechet": [2.5], "seconds": [3.0]}},
    }


@pytest.mark.parametrize("where", ["write", "replace"])
def test_an_interrupted_save_leaves_the_old_file_whole(board, monkeypatch, where):
    board.add("GAN", a_score())
    before = board.path.read_bytes()

    def half(path, text, *_, **__):
        path.write_bytes(text.encode()[: len(text) // 2])
        raise KeyboardInterrupt

    def stop(*_):
        raise KeyboardInterrupt

    if where == "write":
        monkeypatch.setattr(type(board.path), "write_text", half)
    else:
        monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        board.add("VAE", a_score())
    monkeypatch.undo()
    assert board.path.read_bytes() == before
    again = reopened(board)
    assert list(again.rows) == ["GAN"]
    again.add("VAE", a_score())
    assert list(reopened(board).rows) == ["GAN", "VAE"]


def come_with_the_course(folder, *, source="MNIST", n=10_000):
    folder.mkdir()
    rows = {"stored": {"frechet": [3.0, 5.0]}}
    content = json.dumps({"source": source, "n": n, "rows": rows})
    (folder / "scoreboard-MNIST.json").write_text(content, "utf-8")
    return rows


def test_a_fresh_board_starts_with_the_rows_that_come_with_the_course(tmp_path, course_data):
    rows = come_with_the_course(course_data)
    shipped = course_data / "scoreboard-MNIST.json"
    before = shipped.read_bytes()
    board = Scoreboard(tmp_path / "scores.json", source="MNIST", n=10_000)
    assert board.rows == rows
    board.add("GAN", a_score())
    assert list(reopened(board).rows) == ["stored", "GAN"]
    assert shipped.read_bytes() == before, "a learner's rows go to a file of their own"


def test_rows_of_ones_own_come_before_those_of_the_course(board, course_data):
    board.add("GAN", a_score())
    come_with_the_course(course_data)
    assert list(reopened(board).rows) == ["GAN"]


@pytest.mark.parametrize("other", [{"source": "FashionMNIST"}, {"n": 500}])
def test_rows_of_the_course_for_other_images_are_no_start(tmp_path, course_data, other):
    come_with_the_course(course_data, **other)
    assert Scoreboard(tmp_path / "scores.json", source="MNIST", n=10_000).rows == {}


# --- The best of each column.


def test_the_best_row_is_the_greatest_or_the_least_as_the_column_says(board):
    board.add("low", dict.fromkeys(COLUMNS, 1.0))
    board.add("high", dict.fromkeys(COLUMNS, 2.0))
    lower = {"frechet", "class_kl"}
    higher = {"precision", "recall", "density", "coverage", "inception"}
    assert board.best() == dict.fromkeys(lower, "low") | dict.fromkeys(higher, "high")


def test_every_heading_points_where_its_column_is_better():
    assert {column: sign for column, (_, sign) in COLUMNS.items() if sign == 0} == {
        "nearest": 0,
        "seconds": 0,
    }
    for text, sign in COLUMNS.values():
        assert ("↑" in text) == (sign == 1) and ("↓" in text) == (sign == -1)


def test_the_real_row_is_no_rival(board):
    board.add(REAL, {"frechet": 1.0, "recall": 0.9})
    assert board.best() == {}
    board.add("GAN", {"frechet": 9.0, "recall": 0.1})
    assert board.best() == {"frechet": "GAN", "recall": "GAN"}


def test_the_best_is_by_the_mean_over_seeds(board):
    board.add("wild", {"frechet": 1.0}, {"frechet": 9.0}, {"frechet": 2.0})
    board.add("steady", {"frechet": 3.5}, {"frechet": 3.5})
    assert board.best() == {"frechet": "steady"}


def test_a_row_without_a_column_is_no_rival_there(board):
    board.add("GAN", {"frechet": 3.0})
    board.add("VAE", {"frechet": 4.0, "recall": 0.1})
    assert board.best() == {"frechet": "GAN", "recall": "VAE"}


# --- The table.


def plain(board, capsys):
    board.show()
    return capsys.readouterr().out.rstrip("\n").split("\n")


def test_a_row_of_several_seeds_shows_mean_and_standard_deviation(board, capsys):
    values = [1.0, 2.0, 4.5]
    board.add("GAN", *({"frechet": value} for value in values))
    mean, deviation = statistics.mean(values), statistics.stdev(values)
    assert f" {mean:.2f} ± {deviation:.2f} *" in plain(board, capsys)[1]
    board.add("GAN", {"frechet": 1.0})
    assert "±" not in plain(board, capsys)[1]


def test_large_numbers_have_no_decimals_and_a_comma(board, capsys):
    board.add("GAN", {"frechet": 99.5, "seconds": 12_345.6})
    row = plain(board, capsys)[1]
    assert "99.50" in row and "12,346" in row and "12,345.6" not in row


def test_the_plain_table_is_aligned_and_its_numbers_end_in_one_place(board, capsys):
    board.add(REAL, dict.fromkeys(COLUMNS, 1.0))
    board.add("a", {"frechet": 123_456.0, "seconds": 1.0}, {"frechet": 1.0, "seconds": 2.0})
    board.add("a rather long name of a model", {"recall": 0.25})
    lines = plain(board, capsys)
    assert len(lines) == 4
    assert len({len(line) for line in lines}) == 1
    assert lines[0].startswith("MNIST, n = 10,000 ")
    for name, line in zip(board.rows, lines[1:], strict=True):
        assert line.startswith(name + " ")
    end = lines[0].index(COLUMNS["recall"][0]) + len(COLUMNS["recall"][0])
    assert all(re.search(r"\S$", line[:end]) for line in lines)
    for text, _ in COLUMNS.values():
        assert lines[0].count(text) == 1


def test_a_missing_value_is_a_dash_and_the_best_a_star(board, capsys):
    board.add("GAN", {"frechet": 3.0, "seconds": 1.0})
    board.add("VAE", {"frechet": 4.0})
    _, gan, vae = plain(board, capsys)
    assert gan.split() == ["GAN", "3.00", "*", *"–––––––", "1.00"]
    assert vae.split() == ["VAE", "4.00", *"––––––––"]


def in_a_notebook(board, monkeypatch):
    outputs = []
    monkeypatch.setattr(scoreboard_module, "in_notebook", lambda: True)
    keep = lambda data, raw: outputs.append(data)  # noqa: E731
    monkeypatch.setattr("IPython.display.display", keep)
    board.show()
    (data,) = outputs
    return data


def test_a_notebook_gets_html_with_the_best_in_bold_and_the_plain_table_beside_it(
    board, monkeypatch, capsys
):
    board.add("GAN", {"frechet": 3.0})
    board.add("VAE", {"frechet": 4.0})
    data = in_a_notebook(board, monkeypatch)
    assert capsys.readouterr().out == ""
    page = data["text/html"]
    assert page.count("<b>") == page.count("</b>") == 1 and "<b>3.00 *</b>" in page
    assert page.count("<tr>") == page.count("</tr>") == 3
    assert page.count("<th>") == len(COLUMNS) + 1
    assert page.count("<td>") == 2 * (len(COLUMNS) + 1)
    assert data["text/plain"].startswith("MNIST, n = 10,000")


def test_names_cannot_inject_html(tmp_path, monkeypatch):
    board = Scoreboard(tmp_path / "s.json", source="<i>M</i>", n=10)
    name = "<script>alert('x')</script> & co"
    board.add(name, {"frechet": 3.0})
    page = in_a_notebook(board, monkeypatch)["text/html"]
    assert "<script>" not in page and "<i>" not in page
    assert html.escape(name) in page and html.escape("<i>M</i>") in page


def test_a_name_that_ends_in_a_star_is_not_set_in_bold(board, monkeypatch):
    board.add("VAE", {"frechet": 3.0})
    board.add("GAN*", {"frechet": 4.0})
    assert "<b>GAN" not in in_a_notebook(board, monkeypatch)["text/html"]


# --- Scores.


def random_images(n, *, seed, source="noise"):
    """Bright blobs of many places and sizes: not the same to any network."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 1, 7, 7, generator=generator) ** 3
    x = F.interpolate(coarse, size=28, mode="bilinear").mul(255).byte()
    shares = torch.arange(10, 20.0)  # uneven, so that no class has the share 1 / 10 by its nature
    labels = torch.multinomial(shares, n, replacement=True, generator=generator)
    return Images(x, labels, source)


@pytest.fixture(scope="module")
def real():
    """Real images as an untrained judge sees them.  More than 128, for a covariance to have rank"""
    torch.manual_seed(0)
    return look_at_real_images(
        Judge().eval(), random_images(300, seed=1), random_images(150, seed=2)
    )


@pytest.fixture(scope="module")
def floor(real):
    return score(random_images(150, seed=2).x / 255, real)


def test_the_test_images_score_exactly_one_floor(floor):
    assert floor["frechet"] == 1 and floor["nearest"] == 1
    assert floor["inception"] == pytest.approx(100, rel=1e-9)


def test_a_score_has_every_column_but_the_seconds_and_goes_on_the_board(floor, board):
    assert set(floor) == set(COLUMNS) - {"seconds"}
    assert all(isinstance(value, float) and math.isfinite(value) for value in floor.values())
    board.add(REAL, {**floor, "seconds": 0.0})
    assert list(board.rows[REAL]) == list(COLUMNS)


def test_the_floors_are_those_of_the_test_images_against_all_training_images(real):
    train, test = random_images(300, seed=1), random_images(150, seed=2)
    of_train, of_test = (real.judge.features(images.x / 255) for images in (train, test))
    torch.testing.assert_close(real.train_features, of_train)
    assert real.n == 150 and real.source == "noise"
    assert real.frechet == pytest.approx(frechet_distance(of_test, of_train), rel=1e-6)
    distance = torch.cdist(of_test.double(), of_train.double()).min(dim=1).values
    assert real.nearest == pytest.approx(distance.median().item(), rel=1e-2)
    assert real.inception == pytest.approx(inception_score(real.judge.logits(test.x / 255)))
    torch.testing.assert_close(real.class_share, torch.bincount(train.y) / 300, check_dtype=False)


def test_the_neighbours_are_different_training_images_and_the_same_each_time(real):
    distance, index = nearest_neighbours(real.neighbours, real.train_features)
    assert distance.max() < 0.01 and index.unique().numel() == 150
    assert index.tolist() != list(range(150))
    torch.manual_seed(99)
    again = look_at_real_images(real.judge, random_images(300, seed=1), random_images(150, seed=2))
    assert torch.equal(again.neighbours, real.neighbours)


def test_each_column_is_its_measure_over_the_floor(real):
    x = random_images(150, seed=3).x / 255 * 0.8
    found, features = score(x, real), real.judge.features(x)
    expected = frechet_distance(features, real.train_features) / real.frechet
    assert found["frechet"] == pytest.approx(expected, rel=1e-6)
    shares = precision_recall(real.neighbours, features, k=5)
    assert tuple(found[c] for c in ("precision", "recall", "density", "coverage")) == shares
    logits = real.judge.logits(x)
    assert found["inception"] == pytest.approx(100 * inception_score(logits) / real.inception)
    share = torch.bincount(real.judge.labels(x), minlength=10).double() / 150
    # in the order that punishes a class never made less than one made too often
    rest = share > 0
    kl = (share[rest] * (share[rest] / real.class_share[rest]).log()).sum().item()
    assert found["class_kl"] == pytest.approx(kl, rel=1e-6)
    to_even_shares = (share[rest] * (share[rest] * 10).log()).sum().item()
    assert abs(kl - to_even_shares) > 1e-3, "the example must tell the two apart"
    distance = torch.cdist(features.double(), real.train_features.double()).min(dim=1).values
    assert found["nearest"] == pytest.approx(distance.median().item() / real.nearest, rel=1e-2)


def test_worse_images_score_worse(real, floor):
    noise = score(torch.rand(150, 1, 28, 28, generator=torch.Generator().manual_seed(0)), real)
    assert noise["frechet"] > 2 and noise["nearest"] > 1
    assert noise["coverage"] < floor["coverage"]
    one = score((random_images(150, seed=2).x[:1] / 255).expand(150, 1, 28, 28), real)
    assert one["recall"] < 0.1 and one["coverage"] < 0.2
    assert one["inception"] == pytest.approx(100 / real.inception, rel=1e-6)


def test_copies_of_training_images_are_nearer_than_the_floor(real):
    copies = score(random_images(300, seed=1).x[:150] / 255, real)
    assert copies["nearest"] < 0.01


@pytest.mark.parametrize("n", [0, 1, 149, 151, 300])
def test_another_number_of_samples_is_refused(real, n):
    with pytest.raises(ValueError, match=f"{n} samples.*150"):
        score(torch.rand(n, 1, 28, 28), real)


@pytest.mark.parametrize("bad", [-0.01, 1.01, 255.0, math.nan, -math.inf])
def test_a_pixel_outside_0_to_1_is_named(real, bad):
    x = torch.rand(150, 1, 28, 28)
    x[77, 0, 3, 5] = bad
    for look in (real.judge.features, real.judge.logits, real.judge.labels):
        with pytest.raises(ValueError, match=f"pixel value {bad:.4g}"):
            look(x)
    with pytest.raises(ValueError, match=f"pixel value {bad:.4g}"):
        score(x, real)


def test_the_floors_build_no_graph_through_a_judge_that_was_just_trained(monkeypatch):
    """Such a judge is not frozen, and PyTorch warns where a number that has a graph is taken out"""
    logits = []
    monkeypatch.setattr(scoreboard_module, "inception_score", lambda x: logits.append(x) or 1.0)
    look_at_real_images(Judge().eval(), random_images(300, seed=1), random_images(150, seed=2))
    assert [x.requires_grad for x in logits] == [False]


def test_the_floor_of_too_few_images_is_refused():
    with pytest.raises(ValueError, match="128 features need more samples than 100"):
        look_at_real_images(Judge().eval(), random_images(300, seed=1), random_images(100, seed=2))


def test_real_images_cannot_be_changed_by_accident(real):
    assert isinstance(real, RealImages)
    with pytest.raises(AttributeError):
        real.frechet = 1.0


# --- The judge.


@pytest.mark.parametrize("shape", [(5, 28, 28), (5, 3, 28, 28), (5, 1, 32, 32), (5, 784)])
def test_images_of_another_shape_are_refused_by_the_judge(shape):
    with pytest.raises(ValueError) as error:
        Judge().eval().features(torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_the_judge_takes_parts_and_puts_them_together_in_order(monkeypatch):
    judge, x = Judge().eval(), random_images(25, seed=0).x / 255
    features, logits, labels = judge.features(x), judge.logits(x), judge.labels(x)
    assert features.shape == (25, 128) and features.min() >= 0
    assert logits.shape == (25, 10) and not logits.requires_grad and not features.requires_grad
    assert torch.equal(labels, logits.argmax(dim=1))
    torch.testing.assert_close(judge.head(features), logits)
    torch.testing.assert_close(judge(x), logits)
    monkeypatch.setattr(judge_module, "BATCH", 7)
    torch.testing.assert_close(judge.features(x), features)
    torch.testing.assert_close(judge.logits(x), logits)


def test_the_accuracy_is_the_share_of_labels_that_agree():
    judge, images = Judge().eval(), random_images(40, seed=0)
    labels = judge.labels(images.x / 255)
    assert accuracy(judge, Images(images.x, labels, "MNIST")) == 1
    wrong = torch.where(torch.arange(40) < 10, (labels + 1) % 10, labels)
    assert accuracy(judge, Images(images.x, wrong, "MNIST")) == 0.75


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Stores a judge with its checksum where `load_judge` will look."""

    def store(judge, *, half=False):
        state = {
            name: tensor.half() if half and tensor.is_floating_point() else tensor
            for name, tensor in judge.state_dict().items()
        }
        path = tmp_path / "MNIST-0.pt"
        torch.save(state, path)
        checksum = hashlib.sha256(path.read_bytes()).hexdigest()
        (tmp_path / "checksums.json").write_text(json.dumps({path.name: checksum}))
        return path

    find = lambda name, seed: tmp_path / f"{name}-{seed}.pt"  # noqa: E731
    monkeypatch.setattr(judge_module, "judge_file", find)
    return store


@pytest.mark.parametrize("half", [False, True])
def test_a_stored_judge_is_loaded_frozen_and_in_single_precision(stored, half):
    judge, x = Judge(), random_images(6, seed=0).x / 255
    judge(torch.rand(32, 1, 28, 28))  # moves the running statistics off their start
    judge.eval()
    stored(judge, half=half)
    loaded = load_judge("MNIST")
    assert not loaded.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.parameters())
    close = {"atol": 1e-2, "rtol": 1e-2} if half else {"atol": 0, "rtol": 0}
    torch.testing.assert_close(loaded.features(x), judge.features(x), **close)


def test_a_judge_whose_file_has_changed_is_refused_with_the_way_out(stored):
    path = stored(Judge())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"MNIST-0\.pt.*SHA-256.*git checkout -- data/classifiers"):
        load_judge("MNIST")


def test_a_judge_that_is_not_there_is_a_missing_file(stored):
    stored(Judge())
    with pytest.raises(FileNotFoundError):
        load_judge("MNIST", seed=1)


def test_a_file_is_named_after_its_images_and_seed():
    path = judge_module.judge_file("FashionMNIST", 1)
    assert path.name == "FashionMNIST-1.pt" and path.parent.name == "classifiers"


def test_a_random_shift_moves_each_image_whole_by_up_to_two_pixels_each_way():
    torch.manual_seed(0)
    x = torch.rand(400, 1, 12, 9)
    shifted, moves = random_shift(x, most=2), []
    assert shifted.shape == x.shape
    padded = F.pad(x, (2, 2, 2, 2))
    for image, candidates in zip(shifted, padded, strict=True):
        fits = [
            (down, right)
            for down in range(5)
            for right in range(5)
            if torch.equal(image, candidates[:, down : down + 12, right : right + 9])
        ]
        assert len(fits) == 1
        moves += fits
    assert len(set(moves)) == 25, "every move both ways is met among 400"


def above_or_below(n):
    """Two kinds of images, bright above or bright below."""
    y, x = torch.arange(n) % 2, torch.zeros(n, 1, 28, 28, dtype=torch.uint8)
    x[y == 0, :, 4:12, 4:24] = 200
    x[y == 1, :, 16:24, 4:24] = 200
    return Images(x, y, "noise")


def test_the_judge_learns_what_can_be_learnt_and_says_how_far_it_is(capsys):
    judge = train_judge(above_or_below(128), above_or_below(20), epochs=16, seed=0)
    assert not judge.training and accuracy(judge, above_or_below(20)) == 1
    out = capsys.readouterr().out
    assert re.search(r"epoch 16 of 16: .*accuracy 1\.0000", out) and out.count("\n") == 16


def test_training_a_judge_repeats_itself_with_its_seed(capsys):
    images, judges = above_or_below(128), []
    for outer, inner in ((1, 0), (2, 0), (2, 1)):
        torch.manual_seed(outer)
        judge = train_judge(images, images[:20], epochs=1, seed=inner)
        judges.append(judge.head.weight.detach())
    torch.testing.assert_close(judges[0], judges[1])
    assert (judges[0] - judges[2]).abs().max() > 0.01


# --- Published numbers.


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.headline} {row.what}")
def test_every_published_number_has_a_source_a_unit_and_a_finite_value(row):
    assert isinstance(row, Published)
    assert math.isfinite(row.value) and row.value > 0
    assert all(text.strip() == text != "" for text in (row.what, row.unit, row.source))
    if not row.source.startswith("computed for this course"):
        assert re.search(r"\(\d{4}\)|repository [\w-]+/[\w-]+", row.source)


def test_no_number_is_published_twice_beside_one_headline():
    assert len({(row.headline, row.what) for row in PUBLISHED}) == len(PUBLISHED)
