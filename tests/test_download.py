"""`load` against servers on this machine that refuse, lie, break off and fall silent."""

import _thread
import contextlib
import gzip
import hashlib
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets

from genmnist import data, download
from genmnist.data import load

PATIENCE = 0.5
COUNTS = {"train": 100, "t10k": 10}

TRUE_MIRRORS = {name: tuple(mirrors) for name, mirrors in download.MIRRORS.items()}
TRUE_SIZES = dict(download.SIZES)
TRUE_PATIENCE = download.PATIENCE


def idx_images(pixels):
    n = len(pixels)
    header = b"".join(number.to_bytes(4, "big") for number in (2051, n, 28, 28))
    return header + pixels.tobytes()


def idx_labels(labels):
    return b"".join(number.to_bytes(4, "big") for number in (2049, len(labels))) + labels.tobytes()


_rng = np.random.default_rng(5)
PIXELS = {s: _rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for s, n in COUNTS.items()}
LABELS = {s: _rng.integers(0, 10, n, dtype=np.uint8) for s, n in COUNTS.items()}
RAW = {
    "train-images-idx3-ubyte": idx_images(PIXELS["train"]),
    "train-labels-idx1-ubyte": idx_labels(LABELS["train"]),
    "t10k-images-idx3-ubyte": idx_images(PIXELS["t10k"]),
    "t10k-labels-idx1-ubyte": idx_labels(LABELS["t10k"]),
}
ARCHIVES = {f"{file}.gz": gzip.compress(content) for file, content in RAW.items()}


# --- Servers: each answer takes the handler and the archive that was asked for.


def send(handler, content, *, length=None, kind="application/gzip"):
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)
    handler.wfile.flush()


def whole(handler, content):
    send(handler, content)


def silent(handler, content):
    handler.server.woken.wait(8)


def silent_after_the_headers(handler, content):
    send(handler, b"", length=len(content))
    handler.server.woken.wait(8)


def silent_after_half_the_body(handler, content):
    send(handler, content[: len(content) // 2], length=len(content))
    handler.server.woken.wait(8)


def late(handler, content):
    """Silent for longer than anybody waits, then as if nothing had happened."""
    handler.server.woken.wait(8)
    send(handler, content)


def late_with_the_second_half(handler, content):
    silent_after_half_the_body(handler, content)
    handler.wfile.write(content[len(content) // 2 :])


def slow_but_alive(handler, content):
    send(handler, b"", length=len(content))
    for start in range(0, len(content), 40_000):
        time.sleep(0.3 * PATIENCE)
        handler.wfile.write(content[start : start + 40_000])


def truncated(handler, content):
    send(handler, content[: len(content) // 2], length=len(content))


def truncated_without_a_word(handler, content):
    send(handler, content[: len(content) // 2])


def corrupt(handler, content):
    middle = len(content) // 2
    send(handler, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def missing(handler, content):
    handler.send_error(404)


def unavailable(handler, content):
    handler.send_error(503)


def sign_in_page(handler, content):
    send(
        handler,
        b"<html><body>Welcome to the hotel. Please sign in.</body></html>",
        kind="text/html",
    )


def redirect_to_a_sign_in_page(handler, content):
    if handler.path.endswith(".gz"):
        handler.send_response(302)
        handler.send_header("Location", "/sign-in")
        handler.end_headers()
    else:
        sign_in_page(handler, content)


def no_http(handler, content):
    handler.wfile.write(b"220 mail.example.org ESMTP\r\n")


def empty_answer(handler, content):
    pass


def refused():
    """The address of a port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


QUICK_FAILURES = [
    truncated, truncated_without_a_word, corrupt, missing, unavailable, sign_in_page,
    redirect_to_a_sign_in_page, no_http, empty_answer,
]  # fmt: skip
SILENCES = [silent, silent_after_the_headers, silent_after_half_the_body]


class Host(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.requests = []
        self.woken = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request, client_address):
        pass  # clients that hang up are the point


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path.lstrip("/"))
        self.server.answer(self, ARCHIVES.get(self.path.lstrip("/"), b""))

    def log_message(self, *args):
        pass


# --- Fixtures and helpers.


def fake_draw(name, n, *, seed):
    return torch.zeros(n, 1, 28, 28, dtype=torch.uint8), torch.zeros(n, dtype=torch.int64)


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """A data set of 110 images, its archives' checksums, a short patience, and no memory."""
    monkeypatch.setattr(download, "SIZES", {file: len(content) for file, content in RAW.items()})
    resources = [(file, hashlib.md5(content).hexdigest()) for file, content in ARCHIVES.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    monkeypatch.setattr(download, "PATIENCE", PATIENCE)
    monkeypatch.setattr(data, "_drawn_instead", {})
    monkeypatch.setattr(data.drawn, "draw", fake_draw)
    monkeypatch.delenv("COURSE_DATA", raising=False)
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "*")
    for name in download.MIRRORS:
        monkeypatch.setitem(download.MIRRORS, name, ())


@pytest.fixture
def serve(monkeypatch):
    """serve(answer, ...): one host for each answer, in this order; `refused` opens none."""
    hosts = []
    threads = set(threading.enumerate())

    def start(*answers, name="MNIST"):
        mirrors, own = [], []
        for answer in answers:
            if answer is refused:
                mirrors.append(refused())
                continue
            host = Host(answer)
            threading.Thread(target=host.serve_forever, args=(0.01,), daemon=True).start()
            hosts.append(host)
            own.append(host)
            mirrors.append(host.url)
        monkeypatch.setitem(download.MIRRORS, name, tuple(mirrors))
        return own

    yield start
    for host in hosts:
        host.woken.set()
        host.shutdown()
        host.server_close()
    # downloads that were given up end now, and not in the middle of another test
    wait_for(lambda: set(threading.enumerate()) <= threads)


def wait_for(condition):
    deadline = time.monotonic() + 3
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def forbid_network(monkeypatch):
    """Any attempt to open a socket or an address fails the test; returns the attempts."""
    attempts = []

    def touched(*args, **kwargs):
        attempts.append(args)
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "socket", touched)
    monkeypatch.setattr(socket, "create_connection", touched)
    monkeypatch.setattr(socket, "getaddrinfo", touched)
    monkeypatch.setattr(urllib.request, "urlopen", touched)
    return attempts


def put(root, files, name="MNIST"):
    raw = root / name / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (raw / file).write_bytes(content)
    return raw


def tree(root):
    """Every file below with its bytes."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def assert_only(root, files, name="MNIST"):
    """Exactly these files in raw/, and nothing else, hidden or not, file or folder, anywhere."""
    assert tree(root) == {str(Path(name, "raw", file)): c for file, c in files.items()}
    assert {str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir()} <= {
        name,
        str(Path(name, "raw")),
    }


def assert_real(images, split, name="MNIST"):
    part = "train" if split == "train" else "t10k"
    assert images.source == name
    assert images.x.dtype == torch.uint8 and images.y.dtype == torch.int64
    assert images.x.shape == (COUNTS[part], 1, 28, 28)
    assert np.array_equal(images.x[:, 0].numpy(), PIXELS[part])
    assert np.array_equal(images.y.numpy(), LABELS[part])


def flat(text):
    """Text without the border and the line breaks of a message."""
    return re.sub(r"[\s|+]", "", text)


def assert_only_a_bordered_message(captured, *parts):
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert len(lines) > 2 and set(lines[0]) == set(lines[-1]) == {"+", "-"}
    assert all(re.fullmatch(r"\+-+\+|\| .* \|", line) for line in lines)
    assert len({len(line) for line in lines}) == 1
    for part in parts:
        assert flat(part) in flat(captured.out)


# --- What is promised about the real data sets.


def test_the_wait_is_at_most_twenty_seconds_and_every_data_set_has_two_hosts():
    assert 1 <= TRUE_PATIENCE <= 20
    for name in ("MNIST", "FashionMNIST"):
        hosts = [re.match(r"https?://([^/]+)/", mirror)[1] for mirror in TRUE_MIRRORS[name]]
        assert len(set(hosts)) >= 2
        assert all(mirror.endswith("/") for mirror in TRUE_MIRRORS[name])


def test_the_sizes_are_those_of_the_published_files():
    assert TRUE_SIZES == {
        "train-images-idx3-ubyte": 47_040_016,
        "train-labels-idx1-ubyte": 60_008,
        "t10k-images-idx3-ubyte": 7_840_016,
        "t10k-labels-idx1-ubyte": 10_008,
    }


# --- The good ways.


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_a_first_load_fetches_everything_and_says_nothing(name, serve, tmp_path, capfd):
    (host,) = serve(whole, name=name)
    assert_real(load(name, "train", root=tmp_path), "train", name)
    assert_real(load(name, "test", root=tmp_path), "test", name)
    assert_only(tmp_path, RAW | ARCHIVES, name)
    assert set(host.requests) == set(ARCHIVES)
    assert capfd.readouterr() == ("", "")


def test_complete_files_are_read_without_network(tmp_path, monkeypatch, capfd):
    put(tmp_path, RAW)
    attempts = forbid_network(monkeypatch)
    assert_real(load("MNIST", "train", root=tmp_path), "train")
    assert_real(load("MNIST", "test", root=tmp_path, device="cpu"), "test")
    assert_only(tmp_path, RAW)
    assert attempts == [] and capfd.readouterr() == ("", "")


def test_without_a_root_the_default_folder_is_used(tmp_path, monkeypatch):
    put(tmp_path, RAW)
    monkeypatch.setattr(data, "DEFAULT_ROOT", tmp_path)
    assert_real(load("MNIST", "test"), "test")


def test_no_file_appears_before_it_is_whole(serve, tmp_path):
    raw, seen = put(tmp_path, {}), []

    def watched(handler, content):
        seen.append(set(os.listdir(raw)) & set(RAW | ARCHIVES))
        whole(handler, content)

    serve(watched)
    load("MNIST", "train", root=tmp_path)
    assert len(seen) >= 4 and not any(seen)


def test_a_slow_host_is_not_taken_for_a_silent_one(serve, tmp_path):
    slow_for = max(map(len, ARCHIVES.values())) // 40_000 * 0.3 * PATIENCE
    (host,) = serve(slow_but_alive)
    started = time.monotonic()
    assert_real(load("MNIST", "train", root=tmp_path), "train")
    assert time.monotonic() - started > max(PATIENCE, slow_for)
    assert set(host.requests) == set(ARCHIVES)


# --- Silence.


@pytest.mark.parametrize("silence", SILENCES)
def test_silent_hosts_cost_their_patience_once_each(silence, serve, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    hosts = serve(silence, silence)
    started = time.monotonic()
    with pytest.raises(OSError, match="no answer") as caught:
        load("MNIST", "train", root=tmp_path)
    waited = time.monotonic() - started
    assert 2 * PATIENCE <= waited < 2 * PATIENCE + 2
    assert all(host.url in str(caught.value) for host in hosts)
    assert all(host.requests for host in hosts)
    assert_only(tmp_path, {})


def test_silence_after_some_whole_files_is_not_waited_for_longer(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "mnist")

    def silent_in_the_end(handler, content):
        (silent if "t10k" in handler.path else whole)(handler, content)

    serve(silent_in_the_end)
    started = time.monotonic()
    with pytest.raises(OSError, match="no answer"):
        load("MNIST", "train", root=tmp_path)
    assert time.monotonic() - started < PATIENCE + 2
    assert_only(tmp_path, {})


@pytest.mark.parametrize("answer", [late, late_with_the_second_half])
def test_a_host_that_wakes_too_late_leaves_and_says_nothing(
    answer, serve, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    threads = set(threading.enumerate())
    (host,) = serve(answer)
    with pytest.raises(OSError, match="no answer"):
        load("MNIST", "train", root=tmp_path)
    host.woken.set()
    wait_for(lambda: len(set(threading.enumerate()) - threads) == 1)  # the host's own
    assert_only(tmp_path, {})
    assert capfd.readouterr() == ("", "")


def test_the_stop_button_ends_a_download_and_leaves_nothing(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 5.0)
    serve(silent_after_half_the_body)
    # a shell starts background jobs with SIGINT ignored; a notebook's kernel listens to it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, _thread.interrupt_main)
    timer.start()
    started = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            load("MNIST", "train", root=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - started < 3
    assert_only(tmp_path, {})


# --- The other mirror, after any kind of failure.


@pytest.mark.parametrize("failure", [refused, *QUICK_FAILURES, *SILENCES])
def test_the_second_mirror_helps_after_any_failure_of_the_first(failure, serve, tmp_path, capfd):
    good = serve(failure, whole)[-1]
    assert_real(load("MNIST", "test", root=tmp_path), "test")
    assert set(good.requests) == set(ARCHIVES)
    assert_only(tmp_path, RAW | ARCHIVES)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("failure", [refused, *QUICK_FAILURES])
def test_after_failure_of_both_nothing_is_left(failure, serve, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    serve(failure, failure)
    with pytest.raises(OSError) as caught:
        load("MNIST", "train", root=tmp_path)
    assert all(mirror in str(caught.value) for mirror in download.MIRRORS["MNIST"])
    assert_only(tmp_path, {})
    assert capfd.readouterr() == ("", "")


def test_two_mirrors_that_have_half_of_the_files_each_are_enough(serve, tmp_path):
    def only_train(handler, content):
        (whole if "train" in handler.path else missing)(handler, content)

    def only_test(handler, content):
        (whole if "t10k" in handler.path else missing)(handler, content)

    _, second = serve(only_train, only_test)
    assert_real(load("MNIST", "train", root=tmp_path), "train")
    assert all("t10k" in request for request in second.requests)
    assert_only(tmp_path, RAW | ARCHIVES)


def test_archives_of_the_right_checksum_but_the_wrong_size_are_refused(
    serve, tmp_path, monkeypatch
):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    sizes = download.SIZES | {"t10k-labels-idx1-ubyte": 10_008}
    monkeypatch.setattr(download, "SIZES", sizes)
    hosts = serve(whole, whole)
    with pytest.raises(OSError, match="size"):
        load("MNIST", "train", root=tmp_path)
    assert hosts[0].requests
    assert_only(tmp_path, {})


# --- Half-written files.


def spoil(content, how):
    return {
        "empty": b"",
        "half": content[: len(content) // 2],
        "a byte short": content[:-1],
        "a byte long": content + b"\0",
    }[how]


@pytest.mark.parametrize("how", ["empty", "half", "a byte short", "a byte long"])
@pytest.mark.parametrize("file", RAW)
def test_a_spoiled_file_is_repaired_from_its_archive_without_network(
    file, how, tmp_path, monkeypatch, capfd
):
    put(tmp_path, RAW | ARCHIVES | {file: spoil(RAW[file], how)})
    monkeypatch.setitem(download.MIRRORS, "MNIST", ("http://nowhere.invalid/",))
    attempts = forbid_network(monkeypatch)
    assert_real(load("MNIST", "train", root=tmp_path), "train")
    assert_only(tmp_path, RAW | ARCHIVES)
    assert attempts == [] and capfd.readouterr() == ("", "")


def test_missing_files_are_unpacked_from_their_archives_without_network(tmp_path, monkeypatch):
    put(tmp_path, ARCHIVES)
    monkeypatch.setitem(download.MIRRORS, "MNIST", ("http://nowhere.invalid/",))
    attempts = forbid_network(monkeypatch)
    assert_real(load("MNIST", "test", root=tmp_path), "test")
    assert_only(tmp_path, RAW | ARCHIVES)
    assert attempts == []


@pytest.mark.parametrize("file", RAW)
@pytest.mark.parametrize("archive", ["missing", "half", "empty"])
def test_a_spoiled_file_without_a_good_archive_is_fetched_again(file, archive, serve, tmp_path):
    (host,) = serve(whole)
    files = RAW | ARCHIVES | {file: spoil(RAW[file], "half")}
    del files[f"{file}.gz"]
    if archive != "missing":
        files[f"{file}.gz"] = spoil(ARCHIVES[f"{file}.gz"], archive)
    put(tmp_path, files)
    assert_real(load("MNIST", "train", root=tmp_path), "train")
    assert set(host.requests) == {f"{file}.gz"}  # the other three archives are good
    assert_only(tmp_path, RAW | ARCHIVES)


@pytest.mark.parametrize(
    "files",
    [
        {file: RAW[file] for file in list(RAW)[:3]},
        RAW | {"train-images-idx3-ubyte": RAW["train-images-idx3-ubyte"][:999]},
        {file: ARCHIVES[file] for file in list(ARCHIVES)[:3]},
        RAW | dict(list(ARCHIVES.items())[1:3]) | {"t10k-images-idx3-ubyte": b""},
        RAW | {"t10k-labels-idx1-ubyte": b"", "notes.txt": b"mine"},
    ],
    ids=["three files", "half a file", "three archives", "some of both", "another file"],
)
@pytest.mark.parametrize("failure", [refused, corrupt])
def test_a_failure_changes_nothing_that_was_there(failure, files, serve, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    put(tmp_path, files)
    serve(failure)
    with pytest.raises(OSError):
        load("MNIST", "train", root=tmp_path)
    assert_only(tmp_path, files)


def test_a_failure_for_one_data_set_leaves_the_other_alone(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    put(tmp_path, RAW, "MNIST")
    serve(corrupt, name="FashionMNIST")
    with pytest.raises(OSError, match=r"127\.0\.0\.1"):
        load("FashionMNIST", "train", root=tmp_path)
    assert_real(load("MNIST", "train", root=tmp_path), "train")
    shutil.rmtree(tmp_path / "FashionMNIST")
    assert_only(tmp_path, RAW, "MNIST")


# --- COURSE_DATA, and drawn images in the place of real ones.


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_drawn_images_on_request_need_no_network_and_no_folder(name, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    monkeypatch.setitem(download.MIRRORS, name, ("http://nowhere.invalid/",))
    attempts = forbid_network(monkeypatch)
    for split in ("train", "test"):
        images = load(name, split, root=tmp_path / "data")
        assert images.source == {"MNIST": "drawn digits", "FashionMNIST": "drawn garments"}[name]
    assert attempts == [] and list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_drawn_images_on_request_come_even_where_real_ones_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    put(tmp_path, RAW)
    assert load("MNIST", "train", root=tmp_path).source == "drawn digits"


@pytest.mark.parametrize(
    "failure, reason, name, source",
    [
        (refused, "refused", "MNIST", "drawn digits"),
        (silent, "no answer", "MNIST", "drawn digits"),
        (missing, "404", "FashionMNIST", "drawn garments"),
    ],
)
def test_a_failure_falls_back_to_drawn_images_loudly(
    failure, reason, name, source, serve, tmp_path, capfd
):
    serve(failure, failure, name=name)
    images = load(name, "train", root=tmp_path)
    assert images.source == source and len(images) > 1000
    way_back = (f"To use {name}: go online and run this cell again", str(tmp_path / name / "raw"))
    hosts = download.MIRRORS[name]
    assert_only_a_bordered_message(capfd.readouterr(), name, source, reason, *way_back, *hosts)
    assert_only(tmp_path, {}, name)


def test_with_course_data_mnist_a_failure_is_raised_every_time(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "mnist")
    (host,) = serve(missing)
    for split in ("train", "test", "train"):
        before = len(host.requests)
        with pytest.raises(OSError, match="404"):
            load("MNIST", split, root=tmp_path)
        assert len(host.requests) > before


@pytest.mark.parametrize("first, other", [("train", "test"), ("test", "train")])
def test_the_other_split_follows_without_a_second_wait(first, other, serve, tmp_path, capfd):
    (host,) = serve(missing)
    load("MNIST", first, root=tmp_path)
    assert_only_a_bordered_message(capfd.readouterr())
    asked = len(host.requests)
    host.answer = whole  # even if it would work by now: both splits of a run come from one source
    assert load("MNIST", other, root=tmp_path).source == "drawn digits"
    assert len(host.requests) == asked
    assert_real(load("MNIST", first, root=tmp_path), first)
    assert_real(load("MNIST", other, root=tmp_path), other)


def test_asking_again_for_the_same_split_is_a_new_attempt_and_a_new_message(serve, tmp_path, capfd):
    (host,) = serve(missing)
    for _ in range(2):  # as often as all cells are run again
        for split, tries in (("train", True), ("test", False)):
            asked = len(host.requests)
            assert load("MNIST", split, root=tmp_path).source == "drawn digits"
            assert (len(host.requests) > asked) is tries
            assert bool(capfd.readouterr().out) is tries


def test_drawn_digits_in_one_place_decide_nothing_elsewhere(serve, tmp_path):
    serve(missing)
    load("MNIST", "train", root=tmp_path / "a")
    serve(whole, name="FashionMNIST")
    assert_real(load("FashionMNIST", "test", root=tmp_path / "a"), "test", "FashionMNIST")
    put(tmp_path / "b", RAW)
    assert_real(load("MNIST", "test", root=tmp_path / "b"), "test")


def test_course_data_mnist_does_not_follow_an_earlier_fallback(serve, tmp_path, monkeypatch):
    (host,) = serve(missing)
    load("MNIST", "train", root=tmp_path)
    monkeypatch.setenv("COURSE_DATA", "mnist")
    host.answer = whole
    assert_real(load("MNIST", "test", root=tmp_path), "test")


# --- A folder that cannot be written.


@pytest.fixture
def shared():
    """A folder that everybody may read, outside pytest's private one."""
    folder = Path(tempfile.mkdtemp(prefix="genmnist-test-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


@contextlib.contextmanager
def read_only(*folders):
    """Without the right to write to these folders; the superuser becomes nobody for a while."""
    if os.name == "nt":
        pytest.skip("permission bits of folders mean nothing on Windows")
    superuser = os.geteuid() == 0
    for folder in folders:
        folder.chmod(0o555)
    try:
        if superuser:
            os.seteuid(65534)
        if any(can_be_written(folder) for folder in folders):
            pytest.skip("these folders can be written by anybody here")
        yield
    finally:
        if superuser:
            os.seteuid(0)
        for folder in folders:
            folder.chmod(0o755)


def can_be_written(folder):
    try:
        (folder / "probe").touch()
    except OSError:
        return False
    (folder / "probe").unlink()
    return True


def test_a_read_only_folder_with_complete_files_is_fine(shared, monkeypatch):
    raw = put(shared, RAW)
    attempts = forbid_network(monkeypatch)
    with read_only(raw, raw.parent, shared):
        assert_real(load("MNIST", "train", root=shared), "train")
        assert_real(load("MNIST", "test", root=shared), "test")
    assert attempts == []


@pytest.mark.parametrize("wanted", [None, "mnist"])
@pytest.mark.parametrize("files", [{}, RAW | {"t10k-images-idx3-ubyte": b"half"}, ARCHIVES])
def test_a_read_only_folder_without_them_is_a_clear_error(
    files, wanted, shared, serve, monkeypatch
):
    if wanted:
        monkeypatch.setenv("COURSE_DATA", wanted)
    serve(whole)
    raw = put(shared, files)
    for _ in range(2):
        with read_only(raw, raw.parent, shared), pytest.raises(OSError) as caught:
            load("MNIST", "train", root=shared)
        text = str(caught.value)
        assert str(shared) in text and "writ" in text and str(raw) in text and "root" in text
    assert_only(shared, files)


def test_a_root_that_does_not_exist_in_a_read_only_folder_is_a_clear_error(shared, serve):
    serve(whole)
    with read_only(shared), pytest.raises(OSError) as caught:
        load("MNIST", "train", root=shared / "data")
    assert str(shared / "data") in str(caught.value) and "writ" in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permission bits")
def test_a_read_only_raw_folder_alone_is_a_clear_error_too(shared, serve, capfd):
    serve(whole)
    raw = put(shared, {})
    if os.geteuid() == 0:
        shared.chmod(0o777)
        raw.parent.chmod(0o777)
    with read_only(raw), pytest.raises(OSError) as caught:
        load("MNIST", "train", root=shared)
    assert str(raw) in str(caught.value) and "writ" in str(caught.value)
    assert capfd.readouterr().out == ""


def test_drawn_images_on_request_come_in_a_read_only_folder(shared, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "drawn")
    with read_only(shared):
        assert load("MNIST", "train", root=shared).source == "drawn digits"


def test_a_file_in_the_place_of_the_folder_is_a_clear_error(serve, tmp_path):
    serve(whole)
    (tmp_path / "MNIST").write_text("a file")
    with pytest.raises(OSError) as caught:
        load("MNIST", "train", root=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert (tmp_path / "MNIST").read_text() == "a file"
