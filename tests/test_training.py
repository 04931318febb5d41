"""fit, evaluate, budgets, seeds, devices and folders."""

import copy
import math
import os
import random
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from genmnist import training
from genmnist.checkpoint import Checkpoint
from genmnist.data import Batches, Images, binarize
from genmnist.training import (
    budget,
    default_device,
    evaluate,
    fast_mode,
    fit,
    go_further,
    in_parts,
    one_cycle,
    run_folder,
    set_seed,
    wait_and_fade,
)


def some_batches(n=10, size=4, **options):
    x = torch.randint(0, 256, (n, 1, 28, 28), generator=torch.Generator().manual_seed(n))
    return Batches(Images(x.to(torch.uint8), torch.arange(n) % 10, "MNIST"), size, **options)


class Run:
    """A small network with dropout, its step, and a checkpoint in this file, if any."""

    def __init__(self, path=None, seed=0):
        set_seed(seed)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.Dropout(0.5), nn.Linear(4, 1))
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.01)
        self.batches = some_batches(shuffle=True)
        self.steps = 0
        self.before_step = {}  # number of a step -> what happens instead of it
        parts = {"net": self.net, "optimizer": self.optimizer}
        self.checkpoint = Checkpoint(path, source="MNIST", config={}, parts=parts) if path else None

    def step(self, x):
        self.steps += 1
        if self.steps in self.before_step:
            return self.before_step[self.steps]()
        loss = (self.net(x) - random.random() - np.random.rand()).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": loss}

    def fit(self, epochs=3, **options):
        options = {"checkpoint": self.checkpoint} | options
        try:
            return fit(self.step, self.batches, epochs=epochs, **options)
        except KeyboardInterrupt:
            pytest.fail("the stop button went further than fit")

    def state(self):
        return copy.deepcopy(self.net.state_dict())


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def stored(path):
    return torch.load(path, weights_only=True)


def no_step(*args):
    raise AssertionError("there is nothing to train")


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def full_disk(*args, **kwargs):
    raise OSError(28, "No space left on device")


# --- What fit returns.


@pytest.mark.parametrize("n, size", [(10, 4), (12, 4), (9, 8), (3, 8), (5, 1)])
def test_a_mean_is_over_images_and_not_over_batches(n, size):
    batches = some_batches(n, size, labels=True)
    history = fit(
        lambda x, y: {"x": x.mean(), "label": y.float().square().mean()}, batches, epochs=2
    )
    pixels = torch.cat([x for x, _ in batches]).double()
    squares = sum((i % 10) ** 2 for i in range(n)) / n
    assert history["x"] == pytest.approx([pixels.mean().item()] * 2, rel=1e-6)
    assert history["label"] == pytest.approx([squares] * 2, rel=1e-6)
    assert set(history.curves) == {"x", "label"}
    assert len(history) == len(history.seconds) == 2 and history.frames == []
    assert all(isinstance(value, float) for value in history["x"])


def test_every_epoch_has_a_mean_of_its_own():
    counter = iter(range(1, 100))
    history = fit(lambda x: {"n": torch.tensor(float(next(counter)))}, some_batches(), epochs=2)
    first, second = (4 * 1 + 4 * 2 + 2 * 3) / 10, (4 * 4 + 4 * 5 + 2 * 6) / 10
    assert history["n"] == pytest.approx([first, second])


def test_the_step_sees_every_batch_with_gradients_on_and_may_return_a_loss_with_its_graph():
    sizes = []
    weight = torch.ones((), requires_grad=True)

    def step(x):
        sizes.append(len(x))
        loss = weight * x.mean()
        assert loss.requires_grad
        return {"loss": loss}

    history = fit(step, some_batches(), epochs=2)
    assert sizes == [4, 4, 2] * 2 and weight.grad is None
    assert history["loss"][0] == pytest.approx(history["loss"][1])


@pytest.mark.parametrize(
    "dtype, value", [(torch.float16, 600.0), (torch.bfloat16, 100.0), (torch.int64, 7)]
)
def test_the_mean_of_a_constant_is_that_constant_in_any_precision(dtype, value):
    """Half precision holds single losses, but not their sum over many images."""
    batches = [torch.zeros(128, 1)] * 50
    history = fit(lambda x: {"loss": torch.tensor(value, dtype=dtype)}, batches, epochs=1)
    assert history["loss"] == pytest.approx([value], rel=1e-3)


def test_no_epochs_make_an_empty_history():
    history = fit(no_step, some_batches(), epochs=0, validate=no_step, samples=no_step)
    assert len(history) == 0 and history.curves == {} and history.frames == []


@pytest.mark.parametrize("epochs", [-1, 2.5, 2.0, "3", None])
def test_epochs_that_are_no_count_are_refused_by_value(epochs):
    with pytest.raises(ValueError, match="whole number") as caught:
        fit(no_step, some_batches(), epochs=epochs)
    assert repr(epochs) in str(caught.value)


def test_no_batches_are_refused_before_the_checkpoint_is_touched(tmp_path):
    run = Run(tmp_path / "run.pt")
    run.batches = []
    with pytest.raises(ValueError, match="no batches"):
        run.fit()
    assert list(tmp_path.iterdir()) == []


# --- validate and samples.


def noisy_validate():
    return {"check": torch.rand(()).item() + random.random() + np.random.rand()}


def noisy_samples():
    random.random(), np.random.rand()
    return torch.rand(3, 1, 28, 28)


@pytest.mark.parametrize(
    "options",
    [
        {"validate": noisy_validate},
        {"samples": noisy_samples},
        {"validate": noisy_validate, "samples": noisy_samples},
    ],
)
def test_training_does_not_notice_that_it_is_watched(options):
    alone = Run()
    history = alone.fit()
    next_numbers = torch.rand(2).tolist(), random.random(), np.random.rand()
    watched = Run()
    watched_history = watched.fit(**options)
    assert (torch.rand(2).tolist(), random.random(), np.random.rand()) == next_numbers
    assert equal(alone.state(), watched.state())
    assert watched_history["loss"] == history["loss"]


def test_a_failing_validate_leaves_the_random_numbers_as_they_were():
    run = Run()

    def failing():
        noisy_validate()
        raise RuntimeError("a mistake in validate")

    with pytest.raises(RuntimeError, match="a mistake in validate"):
        run.fit(epochs=1, validate=failing)
    drawn = torch.rand(2).tolist(), random.random(), np.random.rand()
    Run().fit(epochs=1)
    assert (torch.rand(2).tolist(), random.random(), np.random.rand()) == drawn


def test_validate_is_asked_once_after_each_epoch_and_joins_the_history():
    run, seen = Run(), []

    def validate():
        seen.append(run.steps)
        return {"weight": run.net[1].weight.sum().item(), "steps": torch.tensor(run.steps)}

    history = run.fit(validate=validate)
    assert seen == [3, 6, 9] and history["steps"] == [3.0, 6.0, 9.0]
    assert history["weight"][-1] == run.net[1].weight.sum().item()
    assert list(history.curves) == ["loss", "weight", "steps"]
    assert all(type(value) is float for value in history["steps"])


def test_samples_are_kept_as_bytes_for_every_epoch():
    grey = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]).reshape(5, 1, 1, 1).expand(5, 1, 2, 3)
    history = fit(
        lambda x: {"loss": x.mean()},
        some_batches(),
        epochs=3,
        samples=lambda: grey.clone().requires_grad_(),
    )
    assert len(history.frames) == 3
    for frame in history.frames:
        assert frame.dtype == torch.uint8 and frame.shape == (5, 1, 2, 3)
        assert frame[:, 0, 0, 0].tolist() == [0, 0, 128, 255, 255]
        assert not frame.requires_grad


def test_a_step_with_two_networks_and_two_optimizers_trains_both_by_their_own_loss():
    set_seed(0)
    generator, critic = nn.Linear(2, 784), nn.Linear(784, 1)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.01) for net in (generator, critic)]
    criterion = nn.functional.softplus
    copies = copy.deepcopy((generator, critic))
    own = [torch.optim.SGD(net.parameters(), lr=0.01) for net in copies]

    def step_of(generator, critic, optimizers):
        def step(x):
            fake = generator(torch.randn(len(x), 2))
            critic_loss = (
                criterion(-critic(x.flatten(1))) + criterion(critic(fake.detach()))
            ).mean()
            optimizers[1].zero_grad()
            critic_loss.backward()
            optimizers[1].step()
            generator_loss = criterion(-critic(fake)).mean()
            optimizers[0].zero_grad()
            generator_loss.backward()
            optimizers[0].step()
            return {"critic": critic_loss, "generator": generator_loss}

        return step

    set_seed(1)
    history = fit(step_of(generator, critic, optimizers), some_batches(shuffle=True), epochs=2)
    set_seed(1)
    step, batches, means = step_of(*copies, own), some_batches(shuffle=True), []
    for _ in range(2):  # the plain loop
        values = [(len(x), step(x)) for x in batches]
        means.append(sum(b * v["generator"].item() for b, v in values) / 10)
    assert equal(generator.state_dict(), copies[0].state_dict())
    assert equal(critic.state_dict(), copies[1].state_dict())
    assert history["generator"] == pytest.approx(means, rel=1e-6)
    assert list(history.curves) == ["critic", "generator"]


# --- Steps that return something else.


@pytest.mark.parametrize(
    "returned, got",
    [
        (None, "NoneType"),
        (0.5, "float"),
        (torch.tensor(0.5), "Tensor"),
        ([torch.tensor(0.5)], "list"),
        ({"loss": 0.5}, "0.5"),
        ({"loss": None}, "None"),
        ({"loss": torch.zeros(4)}, "(4,)"),
        ({"loss": torch.zeros(1)}, "(1,)"),
        ({"good": torch.tensor(0.5), "loss": torch.zeros(4, 1)}, "(4, 1)"),
    ],
)
def test_a_step_that_returns_something_else_is_told_what_to_return(returned, got):
    calls = []
    with pytest.raises(TypeError) as caught:
        fit(lambda x: calls.append(x) or returned, some_batches(), epochs=2)
    text = str(caught.value)
    assert got in text and "return" in text and len(calls) == 1
    if isinstance(returned, dict):
        assert "'loss'" in text and "loss.mean()" in text
    else:
        assert '{"loss": loss}' in text


# --- Values that are not finite.


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [1, 2, 3, 5, 6])
def test_a_value_that_is_not_finite_stops_the_training_at_once(bad, at, tmp_path):
    path = tmp_path / "run.pt"
    run = Run(path)
    run.before_step[at] = lambda: {"fine": torch.tensor(1.0), "evidence": torch.tensor(bad)}
    step = run.step
    run.step = lambda x: {"fine": torch.tensor(1.0), "evidence": torch.tensor(1.0)} | step(x)
    epoch = (at - 1) // 3 + 1
    with pytest.raises(FloatingPointError) as caught:
        run.fit(validate=noisy_validate)
    text = str(caught.value)
    assert run.steps == at
    assert f"evidence became {bad}" in text and f"epoch {epoch}" in text and "fine" not in text
    assert "learning rate" in text and "logits" in text and "logvar" in text and "[0, 1]" in text
    assert path.exists() == (epoch > 1)
    if epoch > 1:
        content = stored(path)
        assert len(content["history"]["seconds"]) == epoch - 1
        assert all(t.isfinite().all() for t in content["parts"]["net"].values())


@pytest.mark.parametrize("bad", [math.nan, math.inf, torch.tensor(math.nan)])
def test_a_validation_value_that_is_not_finite_stops_it_too(bad, tmp_path):
    path = tmp_path / "run.pt"
    run, values = Run(path), iter([0.5, bad])
    with pytest.raises(FloatingPointError, match=r"check became (nan|inf).*epoch 2.*learning rate"):
        run.fit(validate=lambda: {"check": next(values)})
    assert run.steps == 6
    assert stored(path)["history"]["curves"]["check"] == [0.5]


class FarAway(torch.Tensor):
    """Says that it lies on a GPU, and counts how often its value is read from there."""

    reads = 0

    @property
    def device(self):
        return torch.device("cuda")

    def __float__(self):
        FarAway.reads += 1
        return self.as_subclass(torch.Tensor).item()


def far_away(value):
    return torch.tensor(value).as_subclass(FarAway)


def test_values_on_a_gpu_are_read_once_an_epoch_and_not_once_a_batch():
    FarAway.reads = 0
    history = fit(lambda x: {"loss": far_away(0.25)}, some_batches(100, 2), epochs=3)
    assert history["loss"] == [0.25] * 3
    assert FarAway.reads <= 6


def test_values_on_a_gpu_that_are_not_finite_are_explained_before_validate_meets_them():
    def validate():
        binarize(torch.tensor([math.nan]))  # what a spoiled network gives
        return {"check": 0.0}

    with pytest.raises(FloatingPointError, match="loss became nan"):
        fit(lambda x: {"loss": far_away(math.nan)}, some_batches(), epochs=2, validate=validate)


# --- The stop button.


def test_the_stop_button_in_an_epoch_gives_the_history_so_far(tmp_path, capsys):
    path = tmp_path / "run.pt"
    run = Run(path)
    run.before_step[8] = interrupt
    history = run.fit(epochs=4, validate=noisy_validate, samples=noisy_samples)
    assert len(history) == 2 and len(history.frames) == 2
    assert {len(curve) for curve in history.curves.values()} == {2}
    assert "stopped by hand after 2 of 4" in capsys.readouterr().out
    assert_goes_on_exactly(path, history)


@pytest.mark.parametrize("option", ["validate", "samples"])
def test_the_stop_button_after_an_epoch_does_not_count_that_epoch(option, tmp_path):
    path = tmp_path / "run.pt"
    run = Run(path)
    options = {"validate": noisy_validate, "samples": noisy_samples}
    original = options[option]
    options[option] = lambda: interrupt() if run.steps == 6 else original()
    history = run.fit(epochs=4, **options)
    assert len(history) == len(history.frames) == 1
    assert {len(curve) for curve in history.curves.values()} == {1}
    assert_goes_on_exactly(path, history)


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_the_stop_button_during_a_save_leaves_the_last_whole_file(call, tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    run, original = Run(path), getattr(os, call)

    def stop(*args):
        return interrupt() if run.steps == 6 else original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, stop)
        history = run.fit(epochs=4, validate=noisy_validate, samples=noisy_samples)
    assert len(history) == len(history.frames) == 2  # trained, though not saved
    assert {len(curve) for curve in history.curves.values()} == {2}
    assert len(stored(path)["history"]["seconds"]) == 1
    history.seconds.pop(), history.frames.pop()
    for curve in history.curves.values():
        curve.pop()
    assert_goes_on_exactly(path, history)


def assert_goes_on_exactly(path, history):
    """The file holds this history, and goes on from it to where an uninterrupted run ends."""
    assert list(path.parent.iterdir()) == [path]
    assert stored(path)["history"]["curves"] == history.curves
    options = {"epochs": 4, "validate": noisy_validate, "samples": noisy_samples}
    whole = Run(path.with_name("whole.pt"))
    expected, whole_state = whole.fit(**options), whole.state()
    resumed = Run(path, seed=9)
    assert resumed.fit(**options) == expected
    assert equal(resumed.state(), whole_state)


def test_the_stop_button_without_a_checkpoint_keeps_the_history_too():
    run = Run()
    run.before_step[5] = interrupt
    assert len(run.fit()) == 1


def test_mistakes_in_the_step_are_not_swallowed():
    run = Run()
    run.before_step[5] = lambda: [][0]
    with pytest.raises(IndexError):
        run.fit()


# --- A disk that is full.


@pytest.mark.parametrize("where", ["replace", "fsync", "open"])
def test_a_full_disk_is_reported_and_training_goes_on(where, tmp_path, monkeypatch, capsys):
    path = tmp_path / "run.pt"
    run = Run(path)
    target = Path if where == "open" else os
    original, full_at = getattr(target, where), {3, 6}

    def sometimes(*args, **kwargs):
        return full_disk() if run.steps in full_at else original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(target, where, sometimes)
        history = run.fit(epochs=4)
    out = " ".join(capsys.readouterr().out.replace("|", " ").split())
    assert out.count("could not be saved") == out.count("Training goes on") == 2
    assert "Epoch 1 could" in out and "Epoch 2 could" in out
    assert out.count("No space left on device") == 2
    assert len(history) == 4 and run.steps == 12
    assert stored(path)["history"]["curves"] == history.curves
    assert list(tmp_path.iterdir()) == [path]
    alone = Run()
    alone.fit(epochs=4)
    assert equal(run.state(), alone.state())


# --- What a terminal shows.


def test_a_terminal_shows_one_line_per_epoch(capsys):
    run = Run()
    history = run.fit(title="A small net", validate=lambda: {"check": 0.125})
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == "" and len(lines) == 3
    for epoch, line in enumerate(lines, start=1):
        assert line.startswith("A small net") and f"epoch {epoch} of 3" in line
        assert f"loss {history['loss'][epoch - 1]:.4g}" in line and "check 0.125" in line
        assert "images/s" in line and "left" in line


def test_a_resumed_run_says_where_it_goes_on_and_a_finished_one_that_it_is(tmp_path, capsys):
    Run(tmp_path / "run.pt").fit(epochs=2)
    capsys.readouterr()
    Run(tmp_path / "run.pt").fit(epochs=3)
    first, second = capsys.readouterr().out.splitlines()
    assert "resumed after epoch 2" in first and "epoch 3 of 3" in second
    Run(tmp_path / "run.pt").fit(epochs=3)
    assert "all from the checkpoint" in capsys.readouterr().out


# --- evaluate.


def test_evaluate_is_a_mean_over_images_without_gradients():
    net = nn.Linear(784, 1)
    batches = some_batches(11, 4, labels=True)

    def values(x, y):
        assert not torch.is_grad_enabled()
        score = net(x.flatten(1))[:, 0]
        assert not score.requires_grad
        return {"score": score, "label": y}

    means = evaluate(values, batches)
    x = torch.cat([x for x, _ in batches]).flatten(1).double()
    weight, bias = (p.detach().double() for p in net.parameters())
    assert means["score"] == pytest.approx((x @ weight.T + bias).mean().item(), rel=1e-5)
    assert means["label"] == pytest.approx((sum(range(10)) + 0) / 11)
    assert all(type(value) is float for value in means.values()) and torch.is_grad_enabled()


def test_evaluate_adds_in_more_than_single_precision():
    """10,000 values near 1e4 in float32 lose digits when they are added one batch after another."""
    batches = [torch.full((1000, 1), 16777217.0 / 16 + i / 8) for i in range(10)]
    means = evaluate(lambda x: {"x": x[:, 0]}, batches)
    expected = sum(b[0, 0].double().item() for b in batches) / 10
    assert means["x"] == pytest.approx(expected, rel=1e-12)


def test_evaluate_draws_what_it_draws_and_takes_plain_batches():
    assert evaluate(lambda x: {"one": torch.ones(len(x))}, some_batches()) == {"one": 1.0}


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4, 1), (1, 4), (4, 784)])
def test_evaluate_refuses_anything_but_one_value_per_image(shape):
    with pytest.raises(ValueError, match=r"one value for each of the 4 images") as caught:
        evaluate(lambda x: {"loss": torch.zeros(shape)}, some_batches())
    assert "'loss'" in str(caught.value) and str(tuple(shape)) in str(caught.value)


def test_evaluate_refuses_a_wrong_shape_in_the_last_batch_too():
    with pytest.raises(ValueError, match=r"\(4,\).*the 2 images"):
        evaluate(lambda x: {"loss": torch.zeros(4)}, some_batches())


class WithoutDoubles(torch.Tensor):
    """As on Apple's GPUs: float64 is an error there, and .cpu() is the way out."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        if function is torch.Tensor.cpu:
            return args[0].as_subclass(torch.Tensor)
        out = super().__torch_function__(function, types, args, kwargs or {})
        if isinstance(out, cls) and out.as_subclass(torch.Tensor).dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return out


def test_evaluate_works_on_a_device_without_double_precision():
    def values(x):
        return {"loss": torch.arange(float(len(x))).as_subclass(WithoutDoubles)}

    assert evaluate(values, some_batches()) == {"loss": pytest.approx((6 + 6 + 1) / 10)}


# --- Budgets and modes.


@pytest.mark.parametrize("device, size, word", [("cuda", 30, "GPU"), ("mps", 30, "GPU"),
                                                ("cpu", 3, "No GPU")])  # fmt: skip
def test_a_budget_goes_by_device_and_says_so(device, size, word, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_FAST", "0")
    monkeypatch.setattr(training, "default_device", lambda: torch.device(device))
    assert budget(gpu=30, cpu=3, fast=1) == size
    out = capsys.readouterr().out
    assert out.startswith(word) and f"{size} epochs" in out and "FAST" not in out
    assert ("with a GPU: 30" in out) == (device == "cpu")


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_fast_budget_is_the_same_on_every_device_and_says_so(device, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_FAST", "1")
    monkeypatch.setattr(training, "default_device", lambda: torch.device(device))
    assert budget(gpu=60_000, cpu=20_000, fast=2_000, unit="images") == 2_000
    out = capsys.readouterr().out
    assert "FAST MODE" in out and "2,000 images" in out


def test_a_budget_keeps_numbers_as_they_are(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_FAST", "0")
    monkeypatch.setattr(training, "default_device", lambda: torch.device("cpu"))
    assert budget(gpu=0.5, cpu=0.25, fast=0.1, unit="passes") == 0.25
    assert type(budget(gpu=4, cpu=4, fast=1)) is int
    lines = capsys.readouterr().out.splitlines()
    assert "0.25 passes" in lines[0] and "with a GPU" not in lines[1]


@pytest.mark.parametrize("value, fast", [("1", True), ("yes", True), ("0", False), ("", False)])
def test_fast_mode_goes_by_its_variable(value, fast, monkeypatch):
    monkeypatch.setenv("COURSE_FAST", value)
    assert fast_mode() is fast


def test_fast_mode_without_the_variable_is_for_tests_only(monkeypatch):
    monkeypatch.delenv("COURSE_FAST", raising=False)
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "a test")
    assert fast_mode() is True
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    assert fast_mode() is False


@pytest.mark.parametrize(
    "fast, further, runs",
    [("0", None, False), ("0", "0", False), ("0", "", False), ("0", "1", True), ("1", "0", True)],
)
def test_the_last_sections_run_in_fast_mode_or_where_asked_for(fast, further, runs, monkeypatch):
    monkeypatch.setenv("COURSE_FAST", fast)
    monkeypatch.delenv("COURSE_FURTHER", raising=False)
    if further is not None:
        monkeypatch.setenv("COURSE_FURTHER", further)
    assert go_further() is runs


@pytest.mark.parametrize(
    "cuda, mps, expected",
    [(True, False, "cuda"), (False, True, "mps"), (True, True, "cuda"), (False, False, "cpu")],
)
def test_the_device_is_cuda_then_apples_then_the_cpu(cuda, mps, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert default_device() == torch.device(expected)


# --- Where runs are kept.


def test_runs_are_kept_in_the_repository_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "REPOSITORY_ROOT", tmp_path / "repository")
    monkeypatch.setenv("COURSE_FAST", "0")
    for unset in (None, ""):
        monkeypatch.delenv("COURSE_RUNS", raising=False)
        if unset is not None:
            monkeypatch.setenv("COURSE_RUNS", unset)
        assert run_folder() == tmp_path / "repository" / "runs" and run_folder().is_dir()
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path / "else" / "where"))
    assert run_folder() == tmp_path / "else" / "where" and run_folder().is_dir()


def test_fast_runs_keep_to_a_folder_of_theirs(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setenv("COURSE_FAST", "0")
    full = run_folder()
    monkeypatch.setenv("COURSE_FAST", "1")
    fast = run_folder()
    assert fast != full and fast.is_dir() and fast.parent == tmp_path


def test_without_colab_drive_is_refused_with_the_folder_in_its_place(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    monkeypatch.setenv("COURSE_FAST", "0")
    monkeypatch.setitem(sys.modules, "google.colab", None)
    assert run_folder(save_to_drive=True) == tmp_path
    out = capsys.readouterr().out
    assert "Colab" in out and out.startswith("+--")


def test_in_colab_drive_is_mounted_only_on_request(tmp_path, monkeypatch):
    mounted, made = [], []
    colab = types.ModuleType("google.colab")
    colab.drive = types.SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google", types.ModuleType("google"))
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setenv("COURSE_FAST", "0")
    monkeypatch.setenv("COURSE_RUNS", str(tmp_path))
    assert run_folder() == tmp_path and mounted == []
    monkeypatch.setattr(Path, "mkdir", lambda self, **options: made.append(self))
    folder = run_folder(save_to_drive=True)
    assert mounted == ["/content/drive"] and made == [folder]
    assert folder.is_relative_to("/content/drive/MyDrive")


# --- Seeds.


def test_a_seed_repeats_all_three_generators():
    def draws(seed):
        set_seed(seed)
        return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()

    first, other = draws(0), draws(1)
    assert draws(0) == first
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_the_same_seed_gives_the_same_curves_and_another_seed_others():
    first = Run(seed=0).fit()
    assert Run(seed=0).fit() == first
    assert Run(seed=1).fit() != first


def test_a_function_in_parts_is_the_function():
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 3))
    x = torch.rand(10, 1, 28, 28)
    sizes = []

    def noted(part):
        sizes.append(len(part))
        return net(part)

    out = in_parts(noted, x, size=4)
    assert sizes == [4, 4, 2]
    assert not out.requires_grad and torch.is_grad_enabled()
    torch.testing.assert_close(out, net(x).detach())
    assert in_parts(noted, x).shape == (10, 3) and sizes[-1] == 10


@pytest.mark.parametrize("steps", [1, 2, 7, 200])
def test_the_rate_rises_to_the_optimizers_own_and_falls_to_nothing(steps):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.3)
    schedule, rates = one_cycle(optimizer, steps), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) <= 0.3 + 1e-12
    if steps < 200:
        return
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(0.3, rel=0.01) and top in (18, 19, 20, 21)
    assert rates[0] < 0.02 and rates[-1] < 1e-4
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:])[::-1]
    # a cosine on the way down: half of the largest in the middle
    assert rates[(top + steps) // 2] == pytest.approx(0.15, rel=0.05)


def test_a_schedule_for_no_steps_can_be_made_and_two_groups_keep_their_rates():
    layers = nn.Linear(1, 1), nn.Linear(1, 1)
    optimizer = torch.optim.Adam(
        [{"params": layers[0].parameters(), "lr": 0.1}, {"params": layers[1].parameters()}], lr=0.2
    )
    one_cycle(optimizer, 0)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates[1] == pytest.approx(2 * rates[0])


@pytest.mark.parametrize("wait", [0, 3])
@pytest.mark.parametrize("fade", [False, True])
def test_a_rate_waits_and_then_fades_to_a_fiftieth_in_the_second_half(wait, fade):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.3)
    schedule, rates = wait_and_fade(optimizer, 100, wait=wait, fade=fade), []
    for _ in range(101):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:wait] == [0.0] * wait
    assert rates[wait:51] == pytest.approx([0.3] * (51 - wait))
    if fade:
        assert rates[75] == pytest.approx(0.3 * 0.52) and rates[100] == pytest.approx(0.3 / 50)
        assert rates[51:] == sorted(rates[51:])[::-1]
    else:
        assert rates[51:] == pytest.approx([0.3] * 50)
    wait_and_fade(optimizer, 0, fade=True)  # a run of no epochs


def test_a_live_picture_shows_the_curves_that_it_is_asked_for(monkeypatch):
    from genmnist import live

    drawn = []
    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live, "as_png", lambda fig, alt: drawn.append(fig) or ({}, {}))
    monkeypatch.setattr("IPython.display.display", lambda *given, **named: None)
    run = Run()

    def step(x):
        return run.step(x) | {"size": torch.tensor(7.0)}

    names = [*fit(run.step, run.batches, epochs=1, live=False).curves]
    fit(step, run.batches, epochs=2, shown=names)
    fit(step, run.batches, epochs=2)
    labels = [[line.get_label() for line in fig.axes[0].lines] for fig in (drawn[-2], drawn[-1])]
    assert labels == [names, [*names, "size"]]


def test_a_run_without_pictures_shows_one_line_in_a_notebook(monkeypatch, capsys):
    """`display` would fail here: there is no notebook."""
    from genmnist import live

    monkeypatch.setattr(live, "in_notebook", lambda: True)
    monkeypatch.setattr(live.LiveDisplay, "_draw", lambda *given, **named: pytest.fail("a picture"))
    run = Run()
    fit(run.step, run.batches, epochs=3, title="A short run", live=False)
    assert capsys.readouterr().out.startswith("A short run: 3 epochs in ")
