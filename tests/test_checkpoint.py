"""A run that was cut off goes on as if nothing had happened, and no run swallows another."""

import contextlib
import functools
import os
import random

import numpy as np
import pytest
import torch
from torch import nn

from genmnist.data import Batches, Images
from genmnist.training import Checkpoint, fit, run_folder, set_seed

factor, sizes = 1.0, (1, 2)


def some_batches(n=10, size=4, name="MNIST", **options):
    x = torch.randint(0, 256, (n, 1, 4, 4), generator=torch.Generator().manual_seed(9)).byte()
    return Batches(Images(x, torch.arange(n) % 10, name, tuple("0123456789")), size, **options)


class Run:
    """A network with dropout, Adam, a schedule, and a step that draws from every generator."""

    def __init__(self, folder=None, seed=0, stop_at=0, error=KeyboardInterrupt, compiled=False):
        set_seed(seed)
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Dropout(), nn.Linear(4, 16))
        self.adam = torch.optim.Adam(self.net.parameters(), weight_decay=np.float64(0.01))
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.adam, 0.1, total_steps=99)
        net = torch.compile(self.net, backend="eager") if compiled else self.net
        self.parts = net, self.adam, self.schedule
        self.folder, self.steps, self._stop = folder, 0, (stop_at, error)

    def step(self, x):
        self.steps += 1
        if self.steps == self._stop[0]:
            raise self._stop[1]
        noisy = x + torch.randn_like(x) * random.random() * np.random.rand()
        loss = (self.net(noisy) - x.flatten(1)).square().mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        self.schedule.step()
        return {"loss": loss}

    def fit(self, epochs=4, **options):
        checkpoint = Checkpoint("run", *self.parts, folder=self.folder) if self.folder else None
        options = {"checkpoint": checkpoint, "samples": lambda: torch.rand(3, 1, 2, 2), **options}
        self.history = fit(self.step, some_batches(shuffle=True), epochs=epochs, **options)
        return self

    def outcome(self):
        """All that must not depend on a cut, and the next numbers of every generator."""
        drawn = torch.rand(2), random.random(), np.random.randn()
        weights, adam = self.net.state_dict(), self.adam.state_dict()["state"]
        return str((weights, adam, self.history.curves, self.history.frames, drawn))


@pytest.fixture(scope="module")
def expected():
    torch.set_printoptions(precision=9)
    yield Run().fit().outcome()
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize("at, error", [(5, SystemExit), (12, SystemExit), (6, KeyboardInterrupt)])
def test_a_resumed_run_equals_an_uninterrupted_one(at, error, expected, tmp_path):
    with contextlib.suppress(SystemExit):  # a power cut; the stop button ends in `fit`
        assert len(Run(tmp_path, stop_at=at, error=error).fit().history) == 1
    resumed = Run(tmp_path, seed=99).fit()
    assert resumed.outcome() == expected and resumed.steps == 12 - 3 * ((at - 1) // 3)


def test_more_epochs_go_on_even_with_the_objects_that_were_trained(expected, tmp_path):
    run = Run(tmp_path).fit(2)  # which changed the optimizer's numbers
    assert run.fit(4).outcome() == expected and run.steps == 12


def test_a_finished_run_is_not_trained_again(expected, tmp_path):
    Run(tmp_path).fit()
    again = Run(tmp_path, seed=99).fit(3)  # fewer than there are
    assert again.outcome() == expected and again.steps == 0


def test_a_compiled_network_shares_the_run_of_the_plain_one(expected, tmp_path):
    Run(tmp_path, compiled=True).fit(2)
    assert Run(tmp_path, seed=99).fit().outcome() == expected
    (file,) = tmp_path.iterdir()
    torch.load(file, weights_only=True)  # in spite of the NumPy number


def test_watching_does_not_change_training():
    alone = Run().fit(samples=None).outcome()
    seen = Run().fit(validate=lambda: {"n": torch.rand(()) + random.random() + np.random.rand()})
    assert len(set(seen.history.curves.pop("n"))) == len(seen.history.frames) == 4
    seen.history.frames.clear()
    assert seen.outcome() == alone


def helper(x):
    return x * factor


def endless(x, depth=0):
    return endless(x, depth + 1) if depth < 2 else helper(x)


def step(x):
    return {"loss": sizes[0] * endless(x).mean()}


class Step:
    def __init__(self, weight=1):
        self.weight = weight

    def __call__(self, x):
        return step(x)


class Net(nn.Module):
    def __init__(self, width=2, slope=1.0):
        super().__init__()
        self.weight, self.slope = nn.Parameter(torch.zeros(width)), slope

    def forward(self, x):
        return helper(x) * self.slope


class OtherAdam(torch.optim.Adam):
    pass


class Mended(Net):
    def forward(self, x):
        return helper(x) - self.slope


Mended.__qualname__ = "Net"


def step_with(number):
    return lambda x: {"loss": x.mean() * number}


def without_source(text):
    exec(text, names := {"__name__": __name__})
    return names["step"]


def rate(lr, kind=torch.optim.Adam):
    optimizer = kind([torch.zeros(1)], lr=lr)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))


def file_of(step=step, *parts, batches=None, name="A run", **settings):
    checkpoint = Checkpoint(name, *parts, settings=settings, folder="nowhere")
    checkpoint.restore(step, batches or some_batches(), run_folder)
    return checkpoint.path.name


def test_the_same_run_has_the_same_file():
    assert file_of() == file_of()
    assert file_of(a=np.float64(0.1), b=np.int64(3)) == file_of(b=3, a=0.1)
    assert file_of(step, *rate(np.float64(0.1))) == file_of(step, *rate(0.1))
    assert file_of(step_with(np.int64(2))) == file_of(step_with(2))
    assert file_of(step, nn.Linear(2, 2)) == file_of(step, nn.Linear(2, 2).eval())
    assert file_of(step, torch.compile(Net())) == file_of(step, Net())


def test_every_other_run_has_a_file_of_its_own():
    files = [
        *(file_of(), file_of(name="A-run"), file_of(a=1), file_of(a=2), file_of(b=1)),
        *(file_of(batches=some_batches(9)), file_of(batches=some_batches(size=5))),
        file_of(batches=some_batches(name="FashionMNIST")),
        *(file_of(step_with(1)), file_of(step_with(2)), file_of(step_with("1"))),
        *(file_of(functools.partial(step, y=1)), file_of(functools.partial(step, y=2))),
        *(file_of(Step()), file_of(Step(2))),
        file_of(without_source("def step(x): return x * 2.5")),
        file_of(without_source("def step(x): return x * 3.5")),
        *(file_of(step, Net()), file_of(step, Net(3)), file_of(step, Net(slope=2.0))),
        file_of(step, Mended()),
        *(file_of(step, nn.Dropout(0.1)), file_of(step, nn.Dropout(0.2))),
        *(file_of(step, *rate(0.1)), file_of(step, *rate(0.2))),
        file_of(step, *rate(0.1, OtherAdam)),
    ]
    assert len(set(files)) == len(files)


WRAPS = [functools.partial, torch.no_grad(), torch.compile, lambda f: f, lambda f: Step()]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name, value", [("factor", 2), ("sizes", (3, 2)), ("helper", abs)])
def test_a_number_or_helper_that_was_changed_makes_another_run(wrap, name, value, monkeypatch):
    before = file_of(wrap(step))
    monkeypatch.setitem(globals(), name, value)
    assert file_of(wrap(step)) != before


def test_another_run_is_said_and_keeps_its_file(tmp_path, capsys):
    first, second = (Checkpoint("c", folder=tmp_path, settings={"a": a}) for a in (1, 2))
    fit(step, some_batches(), epochs=1, checkpoint=first)
    content, said = first.path.read_bytes(), capsys.readouterr().out
    fit(step, some_batches(), epochs=1, checkpoint=second)
    assert "anew" in capsys.readouterr().out and "anew" not in said
    assert first.path.read_bytes() == content and second.path.exists()


@pytest.mark.parametrize("content", [b"", b"a text\n", bytes(999), "cut", "other"])
@pytest.mark.filterwarnings("ignore")
def test_a_foreign_or_cut_file_is_refused_by_name_and_kept(content, tmp_path):
    run = Run(tmp_path).fit(1)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1000] if isinstance(content, str) else content)
    if content == "other":
        torch.save(run.net.state_dict(), file)
    content, again = file.read_bytes(), Run(tmp_path, seed=1)
    with pytest.raises(ValueError, match="another name") as caught:
        again.fit()
    assert str(file) in str(caught.value) and again.steps == 0 and file.read_bytes() == content


def full(*args, **options):
    raise OSError(28, "No space left on device")


def test_a_full_disk_is_said_once_and_costs_nothing(expected, tmp_path, monkeypatch, capsys):
    run = Run(tmp_path).fit(1)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    assert run.fit().outcome() == expected
    assert capsys.readouterr().out.count("No space left") == 1
    assert list(tmp_path.iterdir()) == [file] and file.read_bytes() == content
