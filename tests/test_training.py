"""fit and its display; evaluation, device, lengths, folders."""

import io
import math
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from genmnist import live, training
from genmnist.data import Batches, Images
from genmnist.training import Checkpoint, History, evaluate, fit, in_parts, reduced, run_folder


def some_batches(n=10, size=4, name="MNIST", **options):
    x = torch.randint(0, 256, (n, 1, 4, 4), generator=torch.Generator().manual_seed(9)).byte()
    return Batches(Images(x, torch.arange(n) % 10, name, tuple("0123456789")), size, **options)


def step(x):
    return {"loss": x.mean()}


def refuse(*args, **options):
    raise OSError(28, "No space left on device")


def test_means_are_over_images_also_of_values_that_some_batches_lack():
    values = (
        {"i": torch.tensor(i), **({"odd": torch.tensor(i)} if i % 2 else {})} for i in range(6)
    )
    history = fit(lambda x: next(values), some_batches(), epochs=2)  # of 4, 4 and 2 images
    assert history["i"] == pytest.approx([(1 * 4 + 2 * 2) / 10, (3 * 4 + 4 * 4 + 5 * 2) / 10])
    assert history["odd"] == pytest.approx([1, (3 * 4 + 5 * 2) / 6]) and len(history) == 2
    with pytest.raises(KeyError, match="i, odd"):
        history["loss"]


@pytest.mark.parametrize("returned", [None, 0.5, torch.ones(()), {"a": 0.5}, {"a": torch.ones(4)}])
def test_a_step_that_returns_something_else_is_told_what_to_return(returned):
    with pytest.raises(TypeError, match="'a'" if isinstance(returned, dict) else "returned"):
        fit(lambda x: returned, some_batches(), epochs=1)


def test_a_value_that_is_not_finite_is_named_and_the_last_whole_epoch_kept(tmp_path):
    values, one = iter([1.0] * 4 + [math.nan]), torch.ones(())
    options = {"epochs": 2, "checkpoint": Checkpoint("c", folder=tmp_path)}
    with pytest.raises(FloatingPointError, match="kl became nan in epoch 2"):
        fit(lambda x: {"a": one, "kl": torch.tensor(next(values))}, some_batches(), **options)
    assert torch.load(next(tmp_path.iterdir()))["history"]["curves"] == {"a": [1], "kl": [1]}
    with pytest.raises(FloatingPointError, match="check became inf"):
        fit(lambda x: {"a": one}, some_batches(), epochs=1, validate=lambda: {"check": math.inf})


def test_evaluate_is_a_mean_over_images_and_in_parts_is_the_function():
    batches, net = some_batches(labels=True), nn.Linear(4, 2)
    means = evaluate(lambda x, y: {"y": y, "x": x.flatten(1).mean(1)}, batches)
    assert means == pytest.approx({"y": 4.5, "x": batches.x.mean().item()})
    torch.testing.assert_close(in_parts(net, batches.x, size=3), net(batches.x).detach())
    with pytest.raises(ValueError, match=r"'x' has shape \(\).*4 images"):
        evaluate(lambda x, y: {"x": x.mean()}, batches)


def test_a_narrow_terminal_gets_a_line_per_epoch(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    fit(lambda x: {"β": x.mean()}, some_batches(), epochs=3, title="σ → 0")
    sys.stdout.seek(0)
    assert len(sys.stdout.readlines()) == 3


@pytest.fixture
def outputs(monkeypatch):
    """Of each output of a notebook what it showed, one after another."""
    outputs = []

    def display(*data, display_id=None, **options):
        outputs.append([])
        return SimpleNamespace(update=lambda *data, **options: outputs[-1].append((data, options)))

    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    return outputs


def test_the_live_picture_is_one_output_that_is_redrawn(outputs, monkeypatch):
    monkeypatch.setattr(live.LiveDisplay, "is_due", lambda self: True)
    fit(step, some_batches(), epochs=2, title="A net", samples=lambda: torch.rand(3, 1, 2, 2))
    ((*_, (data, options)),) = outputs
    assert len(outputs[0]) == 2 * 4 + 1 and data[0]["image/png"] and options["raw"]
    alt = options["metadata"]["image/png"]["alt"]
    assert "A net" in alt and "2 epochs" in alt and "loss" in alt


def test_without_a_picture_a_notebook_gets_one_line(outputs, capsys):
    fit(step, some_batches(), epochs=3, live=False)
    assert outputs == [] and len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize("cuda, mps, device, name", [
    ("works", True, "cuda", "H200"), ("", True, "mps", "Apple"), ("old", False, "cpu", "CPU"),
])  # fmt: skip
def test_the_device_is_the_best_that_works(cuda, mps, device, name, monkeypatch, capsys):
    def ones(*size, device):
        if cuda == "old":
            raise RuntimeError("no kernel image is available for execution on the device")
        return torch.zeros(*size)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(cuda))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch, "ones", ones)
    training.default_device.cache_clear()
    assert [training.default_device() for _ in range(2)] == [torch.device(device)] * 2
    assert name in training.device_name()
    training.default_device.cache_clear()
    assert capsys.readouterr().out.count("no kernel image") == (cuda == "old")


def test_fast_mode_reduces_and_says_so_once(monkeypatch, capsys):
    training.say_once.cache_clear()
    for fast, size in (("0", 9), ("", 9), ("1", 2), ("1", 2)):
        monkeypatch.setenv("COURSE_FAST", fast)
        assert reduced(9, to=2) == size
    assert capsys.readouterr().out.count("FAST MODE") == 1


def test_runs_go_to_drive_or_here_or_to_a_temporary_folder(tmp_path, monkeypatch, capsys):
    here, there, tried = tmp_path / "here", tmp_path / "there", []
    drive = SimpleNamespace(mount=refuse)
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(drive=drive))
    monkeypatch.setenv("COURSE_RUNS", str(here))
    monkeypatch.setenv("COURSE_FAST", "1")
    assert run_folder(save_to_drive=True).parent == here and "Drive" in capsys.readouterr().out
    monkeypatch.setenv("COURSE_FAST", "0")
    assert run_folder() == here and here.is_dir() and not capsys.readouterr().out
    drive.mount = lambda folder: None  # and now nothing can be written there
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(there))
    monkeypatch.setattr(Path, "mkdir", lambda self, **options: tried.append(self))
    monkeypatch.setattr(
        tempfile, "TemporaryFile", lambda dir: io.BytesIO() if there in dir.parents else refuse()
    )
    assert run_folder(save_to_drive=True).parent == there
    assert len(tried) == 3 and "MyDrive" in str(tried[0]) and tried[1] == here


def test_the_time_left_is_that_of_the_epochs_left(capsys):
    display = live.LiveDisplay(History({}, [60.0], []), 3, "run", "loss", True, None)
    display.progress(1, 60.0, 1_234.0, {"loss": 2.0})
    assert "0:02:00 left, 1,234 images/s" in capsys.readouterr().out
