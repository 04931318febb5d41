"""A run that was cut off goes on as if nothing had happened, and no run swallows another."""

import copy
import json
import os
import pickle
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import genmnist
from genmnist.checkpoint import (
    Checkpoint,
    History,
    random_state,
    run_checkpoint,
    set_random_state,
)
from genmnist.data import Batches, Images
from genmnist.training import fit, set_seed

EPOCHS = 5
CONFIG = {"width": 8, "learning rate": 3e-3, "loss": "squares", "noise": True}


class PowerCut(BaseException):
    """Ends a run without any chance to tidy up, as far as `fit` is concerned."""


class Run:
    """Two networks, two optimizers, and a step that uses every source of chance."""

    def __init__(self, path, *, seed=0, width=8, fused=False, config=None, source="MNIST"):
        set_seed(seed)
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(784, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.3),
            nn.Linear(width, 784),
        )  # fmt: skip
        self.critic = nn.Linear(784, 1)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=3e-3, fused=fused)
        self.sgd = torch.optim.SGD(self.critic.parameters(), lr=1e-2, momentum=0.9)
        x = torch.randint(0, 256, (22, 1, 28, 28), generator=torch.Generator().manual_seed(9))
        images = Images(x.to(torch.uint8), torch.zeros(22, dtype=torch.int64), source)
        self.batches = Batches(images, 4, shuffle=True)
        self.steps, self.cut_at, self.cut = 0, None, PowerCut
        self.checkpoint = Checkpoint(
            path,
            source=source,
            config=CONFIG if config is None else config,
            parts={
                "net": self.net, "critic": self.critic, "adam": self.adam, "sgd": self.sgd,
            },
        )  # fmt: skip

    def step(self, x):
        self.steps += 1
        if self.steps == self.cut_at:
            raise self.cut()
        target = x.flatten(1)
        noisy = x + 0.1 * torch.randn_like(x) + 0.1 * random.random() + 0.1 * np.random.randn()
        loss = (self.net(noisy) - target).square().mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        score = (self.critic(target) - self.critic(self.net(noisy).detach())).mean()
        self.sgd.zero_grad()
        score.backward()
        self.sgd.step()
        return {"loss": loss, "score": score}

    def validate(self):
        return {"check": torch.rand(()).item() + random.random() + np.random.rand()}

    def samples(self):
        self.net.eval()
        with torch.no_grad():
            images = self.net(torch.rand(3, 784)).reshape(3, 1, 28, 28)
        self.net.train()
        return images

    def fit(self, epochs=EPOCHS):
        self.history = fit(
            self.step,
            self.batches,
            epochs=epochs,
            checkpoint=self.checkpoint,
            validate=self.validate,
            samples=self.samples,
        )
        return self

    def cut_in(self, epoch, cut=PowerCut):
        """Fit until the third batch of this epoch, and no further."""
        self.cut_at, self.cut = (epoch - 1) * len(self.batches) + 3, cut
        with pytest.raises(PowerCut):
            self.fit()

    def outcome(self):
        """Everything that must not depend on whether the run was cut off."""
        parts = {name: copy.deepcopy(p.state_dict()) for name, p in self.checkpoint.parts.items()}
        frames = getattr(self, "history", History()).frames
        return {
            "parts": parts,
            "curves": getattr(self, "history", History()).curves,
            "frames": [frame.clone() for frame in frames],
            "next": [torch.rand(3), random.random(), float(np.random.randn())],
        }

    def state(self):
        """What a refused file must leave as it was; draws no random number."""
        parts = {name: copy.deepcopy(p.state_dict()) for name, p in self.checkpoint.parts.items()}
        return {"parts": parts, "random": copy.deepcopy(random_state())}


def same(a, b):
    """Equality to the last bit, of nested plain values and tensors."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def stored(path):
    return torch.load(path, weights_only=True)


def epochs_in(path):
    return len(stored(path)["history"]["seconds"])


@pytest.fixture(scope="module", params=[False, True], ids=["adam", "fused adam"])
def uninterrupted(request, tmp_path_factory, one_thread):
    path = tmp_path_factory.mktemp("uninterrupted") / "run.pt"
    return request.param, Run(path, fused=request.param).fit().outcome()


# --- Resuming.


def test_the_oracle_notices_every_source_of_chance(tmp_path):
    """What `same` compares depends on the seed in all its parts: else nothing below means much."""
    one, two = (Run(tmp_path / f"{seed}.pt", seed=seed).fit(1).outcome() for seed in (0, 1))
    for name in one["parts"]:
        assert not same(one["parts"][name], two["parts"][name])
    assert not same(one["curves"]["loss"], two["curves"]["loss"])
    assert not same(one["frames"], two["frames"])
    assert not any(same(a, b) for a, b in zip(one["next"], two["next"], strict=True))


@pytest.mark.parametrize("cut_in", [2, 4, 5])
def test_a_resumed_run_equals_an_uninterrupted_one(cut_in, uninterrupted, tmp_path):
    fused, expected = uninterrupted
    path = tmp_path / "run.pt"
    Run(path, fused=fused).cut_in(cut_in)
    assert epochs_in(path) == cut_in - 1
    resumed = Run(path, fused=fused, seed=99).fit()
    assert resumed.steps == (EPOCHS - cut_in + 1) * len(resumed.batches)
    assert len(resumed.history) == len(resumed.history.frames) == EPOCHS
    assert same(resumed.outcome(), expected)


def test_a_run_cut_off_in_every_epoch_equals_an_uninterrupted_one(uninterrupted, tmp_path):
    fused, expected = uninterrupted
    path = tmp_path / "run.pt"
    Run(path, fused=fused).cut_in(2)
    for seed in range(90, 90 + EPOCHS - 2):
        Run(path, fused=fused, seed=seed).cut_in(2)  # one epoch further each time
    assert same(Run(path, fused=fused, seed=99).fit().outcome(), expected)


def test_a_run_cut_off_in_its_first_epoch_starts_anew(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).cut_in(1)
    assert list(tmp_path.iterdir()) == []
    expected = Run(tmp_path / "whole.pt").fit(2).outcome()
    assert same(Run(path).fit(2).outcome(), expected)


def test_a_finished_run_can_be_extended(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(2)
    extended = Run(path, seed=99).fit(4)
    assert extended.steps == 2 * len(extended.batches)
    assert same(extended.outcome(), Run(tmp_path / "whole.pt").fit(4).outcome())


@pytest.mark.parametrize("epochs", [3, 1, 0])
def test_asking_for_no_more_epochs_than_stored_trains_nothing(epochs, tmp_path):
    path = tmp_path / "run.pt"
    first = Run(path).fit(3)
    content, expected = path.read_bytes(), first.outcome()
    again = Run(path, seed=99).fit(epochs)
    assert again.steps == 0 and path.read_bytes() == content
    assert again.history == first.history and len(again.history) == 3
    assert again.history.seconds == first.history.seconds
    assert same(again.outcome(), expected)


def test_frames_and_curves_grow_across_a_resumption(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(2)
    frames = stored(path)["history"]["frames"]
    resumed = Run(path, seed=99).fit(3).history
    assert len(resumed.frames) == 3 and same(resumed.frames[:2], frames)
    assert all(f.dtype == torch.uint8 and f.shape == (3, 1, 28, 28) for f in resumed.frames)
    assert {len(values) for values in resumed.curves.values()} == {3}
    assert set(resumed.curves) == {"loss", "score", "check"}


def test_a_killed_process_is_resumed_exactly(tmp_path):
    path = tmp_path / "run.pt"
    killed = start_process(path, seed=0, kill_in=3)
    resumed = start_process(path, seed=99)
    assert finish(killed) != 0 and epochs_in(path) == 2
    assert not outcome_of(path).exists()
    assert finish(resumed) == 0 and epochs_in(path) == EPOCHS
    assert same(stored(outcome_of(path)), stored(outcome_of(whole_run_beside(path))))


def test_what_a_killed_save_left_half_written_disturbs_nobody(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).cut_in(3)
    (tmp_path / f"run.pt.{os.getpid()}.tmp").write_bytes(path.read_bytes()[:1000])
    resumed = Run(path, seed=99).fit().outcome()
    assert same(resumed, Run(tmp_path / "whole.pt").fit().outcome())
    assert stored(path)["history"]["curves"] == resumed["curves"]


def outcome_of(path):
    return path.with_suffix(".outcome")


def whole_run_beside(path):
    return path.with_name("whole.pt")


def start_process(path, *, seed, kill_in=0):
    """A process that has imported everything and waits for `finish` before it begins."""
    paths = [str(Path(genmnist.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, __file__, str(path), str(seed), str(kill_in)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate("go\n", timeout=60)
    assert "Traceback" not in output, output
    return process.returncode


def kill_this_process():
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def main(path, seed, kill_in):
    """A run in a process of its own: killed in this epoch, or to its end beside a whole one."""
    torch.set_num_threads(1)
    sys.stdin.readline()
    path, kill_in = Path(path), int(kill_in)
    run = Run(path, seed=int(seed))
    if kill_in:
        run.cut_at, run.cut = (kill_in - 1) * len(run.batches) + 3, kill_this_process
    torch.save(run.fit().outcome(), outcome_of(path))
    whole = whole_run_beside(path)
    torch.save(Run(whole).fit().outcome(), outcome_of(whole))


# --- Refusing.


def own_checkpoint():
    """The bytes of a good checkpoint."""
    path = Path(os.environ["COURSE_RUNS"]) / "test_checkpoint_own.pt"
    Run(path).checkpoint.save(History())
    content = path.read_bytes()
    path.unlink()
    return content


def saved(thing):
    path = Path(os.environ["COURSE_RUNS"]) / "test_checkpoint_saved.pt"
    torch.save(thing, path)
    content = path.read_bytes()
    path.unlink()
    return content


FOREIGN = {
    "empty": lambda: b"",
    "text": lambda: b"Dear diary, today the loss went down.\n",
    "a log of numbers": lambda: b"0.6931\n0.5123\n0.4987\n",
    "a text in brackets": lambda: b"(to be continued)\n",
    "a text in lower case": lambda: b"epoch loss\n1 0.6931\n",
    "a note": lambda: b"this is my best run\n",
    "a name": lambda: b"hinton\n",
    "one letter": lambda: b"G",
    "html": lambda: b"<!DOCTYPE html><html></html>",
    "json": lambda: json.dumps({"loss": [1, 2]}).encode(),
    "png": lambda: b"\x89PNG\r\n\x1a\n" + bytes(200),
    "zeros": lambda: bytes(5000),
    "a pickled dictionary": lambda: pickle.dumps({"a": 1}),
    "a pickled function": lambda: pickle.dumps(print),
    "a pickled array": lambda: pickle.dumps(np.arange(3)),
    "a saved list": lambda: saved([1, 2, 3]),
    "a saved state_dict": lambda: saved(nn.Linear(2, 2).state_dict()),
    "a saved module": lambda: saved(nn.Linear(2, 2)),
    "another version": lambda: saved({"format": "genmnist checkpoint, version 0", "config": {}}),
    "half of its own": lambda: own_checkpoint()[:3000],
    "its own less a byte": lambda: own_checkpoint()[:-1],
    "the start of its own": lambda: own_checkpoint()[:4],
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_foreign_file_is_refused_by_name_and_kept(kind, tmp_path):
    path = tmp_path / "run.pt"
    content = FOREIGN[kind]()
    path.write_bytes(content)
    run = Run(path)
    before = run.state()
    with pytest.raises(ValueError, match=r"another file name") as caught:
        run.fit()
    assert str(path) in str(caught.value)
    assert run.steps == 0 and same(run.state(), before)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


class Trap:
    """Makes a folder when it is unpickled by somebody who trusts it."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_code_in_a_file_is_not_run(tmp_path):
    path, sprung = tmp_path / "run.pt", tmp_path / "sprung"
    run = Run(path).fit(1)
    torch.save(stored(path) | {"more": Trap(sprung)}, path)
    with pytest.raises(ValueError, match="cannot be read") as caught:
        run.fit(2)
    assert str(path) in str(caught.value) and not sprung.exists()
    torch.load(path, weights_only=False)
    assert sprung.exists()  # the trap was in order


def assert_refused(run, *parts):
    """Refused with these parts in the message; nothing loaded, nothing trained, file kept."""
    path, before = run.checkpoint.path, run.state()
    content = path.read_bytes()
    with pytest.raises(ValueError) as caught:
        run.fit()
    text = str(caught.value)
    assert all(part in text for part in (str(path), *parts)), text
    assert run.steps == 0 and same(run.state(), before)
    assert path.read_bytes() == content and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "key, there, here",
    [("width", 8, 16), ("learning rate", 3e-3, 1e-3), ("loss", "squares", "logits"),
     ("noise", True, False)],
)  # fmt: skip
def test_another_configuration_is_refused_with_key_and_both_values(key, there, here, tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    run = Run(path, seed=99, config=CONFIG | {key: here})
    assert_refused(run, key, repr(there), repr(here), "delete it", "another file name")


def test_only_what_differs_is_named(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    with pytest.raises(ValueError) as caught:
        Run(path, config=CONFIG | {"loss": "logits"}).fit()
    assert "width" not in str(caught.value) and "noise" not in str(caught.value)


def test_a_setting_that_one_side_lacks_is_a_difference(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    fewer = {key: value for key, value in CONFIG.items() if key != "loss"}
    assert_refused(Run(path, seed=99, config=fewer), "loss", "'squares'", "not set")
    assert_refused(Run(path, seed=99, config=CONFIG | {"beta": 4}), "beta", "4", "not set")


def test_other_images_are_another_run(tmp_path):
    path = tmp_path / "run.pt"
    Run(path, source="drawn digits").fit(1)
    assert_refused(Run(path, seed=99, source="MNIST"), "'drawn digits'", "'MNIST'", "source")


def test_the_order_of_the_configuration_does_not_matter(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    assert Run(path, config=dict(reversed(CONFIG.items()))).fit(1).steps == 0


def test_a_network_of_other_shapes_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    assert_refused(Run(path, seed=99, width=9), "'net'")


def test_shapes_are_compared_for_every_part_before_any_is_loaded(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    run = Run(path, seed=99)
    run.checkpoint.parts["critic"] = nn.Linear(784, 2)  # the second part; the first one fits
    assert_refused(run, "'critic'")


def test_layers_of_other_names_are_other_shapes(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    run = Run(path, seed=99)
    run.checkpoint.parts["critic"] = nn.Sequential(nn.Linear(784, 1))
    assert_refused(run, "'critic'")


def test_a_part_that_the_file_lacks_is_refused(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    run = Run(path, seed=99)
    run.checkpoint.parts["averaged"] = nn.Linear(2, 2)
    assert_refused(run, "'averaged'")


@pytest.mark.parametrize(
    "other",
    [
        lambda critic: torch.optim.SGD([critic.weight], lr=1e-2, momentum=0.9),
        lambda critic: torch.optim.Adam(critic.parameters(), lr=1e-2),
    ],
    ids=["of fewer parameters", "of another kind"],
)
def test_an_optimizer_that_does_not_fit_is_refused_before_anything_is_loaded(other, tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(1)
    run = Run(path, seed=99)
    run.checkpoint.parts["sgd"] = other(run.critic)
    assert_refused(run, "'sgd'")


# --- The file.


def test_the_file_is_readable_without_running_code_from_it(tmp_path):
    path = tmp_path / "run.pt"
    Run(path).fit(2)
    content = torch.load(path, weights_only=True)
    assert content["config"] == {"data source": "MNIST", **CONFIG}
    assert set(content["parts"]) == {"net", "critic", "adam", "sgd"}


def test_numpy_numbers_in_the_configuration_do_not_make_a_file_unreadable(tmp_path):
    """np.float64 is a float; what cannot be read again must be refused before the training."""
    config = CONFIG | {"learning rate": np.float64(3e-3)}
    try:
        first = Run(tmp_path / "run.pt", config=config)
    except (TypeError, ValueError):
        return
    first.fit(1)
    assert Run(tmp_path / "run.pt", config=config).fit(1).steps == 0


def test_missing_folders_are_made_and_a_path_may_be_text(tmp_path):
    path = tmp_path / "some" / "where" / "run.pt"
    Run(str(path)).fit(1)
    assert list(path.parent.iterdir()) == [path]


def test_without_a_file_nothing_is_restored(tmp_path):
    run = Run(tmp_path / "run.pt")
    before = run.state()
    history = run.checkpoint.restore()
    assert len(history) == 0 and history.curves == {} and history.frames == []
    assert same(run.state(), before) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["replace", "fsync"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_old_file_whole_and_no_other(
    call, error, tmp_path, monkeypatch
):
    path = tmp_path / "run.pt"
    run = Run(path).fit(1)
    content = path.read_bytes()

    def fail(*args, **kwargs):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(type(error)):
            run.checkpoint.save(run.history)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_whole_on_the_disk_before_it_takes_the_old_ones_place(
    tmp_path, monkeypatch
):
    run = Run(tmp_path / "run.pt")
    order, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        fsync(descriptor)
        order.append(("synced", os.fstat(descriptor).st_size))

    def replaced(new, old):
        order.append(("replaced", Path(new).stat().st_size))
        assert len(stored(new)["parts"]) == 4
        replace(new, old)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    run.checkpoint.save(History())
    size = run.checkpoint.path.stat().st_size
    assert order == [("synced", size), ("replaced", size)]


def test_a_save_keeps_what_was_and_not_what_comes(tmp_path):
    """The stored weights are those of the moment, though the networks go on changing."""
    run = Run(tmp_path / "run.pt").fit(1)
    before = run.state()["parts"]
    with torch.no_grad():
        run.critic.weight.zero_()
    assert same(dict(stored(run.checkpoint.path)["parts"]), before)


# --- Random states and the history.


@pytest.mark.parametrize("draw", [
    lambda: torch.rand(5).tolist(), lambda: torch.randperm(9).tolist(),
    lambda: torch.randn(3).tolist(), random.random, lambda: random.gauss(0, 1),
    lambda: random.sample(range(99), 5), lambda: np.random.randn(3).tolist(),
    lambda: np.random.permutation(9).tolist(),
])  # fmt: skip
def test_a_random_state_comes_back_even_through_a_file(draw, tmp_path):
    set_seed(4)
    random.gauss(0, 1), np.random.randn()  # made in pairs: the second of each lies in wait
    torch.save(random_state(), tmp_path / "state.pt")
    expected = [draw() for _ in range(3)]
    set_seed(5)
    assert [draw() for _ in range(3)] != expected
    set_random_state(stored(tmp_path / "state.pt"))
    assert [draw() for _ in range(3)] == expected


def test_a_history_names_its_curves_when_asked_for_another():
    history = History({"loss": [1.0, 0.5], "kl": [0.1, 0.2]}, [1.0, 1.0])
    assert history["loss"] == [1.0, 0.5] and len(history) == 2
    with pytest.raises(KeyError, match=r"'elbo'.*loss, kl"):
        history["elbo"]
    with pytest.raises(KeyError, match="none"):
        History()["loss"]


def test_histories_are_equal_whatever_the_time_they_took():
    assert History({"a": [1.0]}, [1.0]) == History({"a": [1.0]}, [2.0])
    assert History({"a": [1.0]}, [1.0]) != History({"a": [1.5]}, [1.0])


if __name__ == "__main__":
    main(*sys.argv[1:])


class Plain(nn.Module):
    def __init__(self, width=2):
        super().__init__()
        self.layer = nn.Linear(width, 1)

    def forward(self, x):
        return self.layer(x)


def add_noise(x):
    return x + 0.5


def file_name(network, *, factor=1.0, corrupt=add_noise, change=None, source="MNIST", **config):
    def step(x):
        return corrupt(x) * factor

    checkpoint = run_checkpoint(
        Path("runs"), "autoencoder, 2 numbers", change or step, source=source,
        config={"seed": 0, "epochs": 3} | config, parts={"network": network},
    )  # fmt: skip
    return checkpoint.path.name


def test_a_run_has_a_file_of_its_own_and_the_same_one_every_time():
    class Rewritten(Plain):
        def forward(self, x):
            return self.layer(x.tanh())

    class Retuned(Plain):
        def forward(self, x):
            return self.layer(2 * x)

    class RetunedAgain(Plain):
        def forward(self, x):
            return self.layer(3 * x)

    def less_noise(x):
        return x + 0.3

    def own_step(x):
        return x

    for edited in (Rewritten, Retuned, RetunedAgain):  # a learner who edits a class keeps its name
        edited.__name__ = "Plain"
    usual = file_name(Plain())
    assert re.fullmatch(r"autoencoder-2-numbers-MNIST-[0-9a-f]{8}\.pt", usual)
    others = [
        *(file_name(network) for network in (Plain(3), Rewritten(), Retuned(), RetunedAgain())),
        file_name(nn.Sequential(Plain())),
        file_name(nn.Sequential(Rewritten())),
        file_name(Plain(), seed=1),
        file_name(Plain(), epochs=4),
        file_name(Plain(), rate=1e-3),
        file_name(Plain(), source="FashionMNIST"),
        file_name(Plain(), factor=2.0),
        file_name(Plain(), corrupt=less_noise),
        file_name(Plain(), change=own_step),
    ]
    assert len({usual, *others}) == 1 + len(others)
    # weights do not matter: a resumed run starts from fresh ones
    torch.manual_seed(1)
    assert file_name(Plain()) == usual


SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:]
from test_checkpoint import Plain, file_name
def step(x):
    return [(lambda y: y + 1)(x) for _ in range(2)] if x in {"a", "b", "c", "d"} else x
print(file_name(Plain(), change=step))
"""


def test_a_file_name_is_the_same_in_every_process():
    folders = [str(Path(__file__).parent), str(Path(genmnist.__file__).parents[1])]
    names = set()
    for hash_seed in "1", "2":
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, *folders], capture_output=True, text=True, check=True,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        names.add(run.stdout)
    assert len(names) == 1


def test_a_function_found_by_its_global_name_does_not_count(monkeypatch):
    def step(x):
        return add_noise(x)

    before = file_name(Plain(), change=step)
    monkeypatch.setitem(globals(), "add_noise", lambda x: x)
    assert file_name(Plain(), change=step) == before


def test_a_run_goes_on_from_its_own_file(tmp_path):
    def checkpoint(network):
        return run_checkpoint(tmp_path, "run", add_noise, source="x", config={"seed": 0},
                              parts={"network": network})  # fmt: skip

    first, second = Plain(), Plain()
    checkpoint(first).save(History({"loss": [1.0]}, [1.0]))
    assert len(checkpoint(second).restore()) == 1
    assert torch.equal(first.layer.weight, second.layer.weight)
