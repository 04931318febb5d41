"""Fast and offline by default: `COURSE_FAST=0 pytest` runs everything in full.

It stands at the root, because a notebook named on pytest's command line sees no conftest.py below.
"""

import os
import tempfile
from pathlib import Path

collect_ignore_glob = ["notebooks/*.run.ipynb"]  # results of a headless run

os.environ.setdefault("COURSE_FAST", "1")
# Checkpoints of an earlier run would be resumed instead of training: start with an empty folder.
RUNS = tempfile.TemporaryDirectory(prefix="course-runs-")
os.environ.setdefault("COURSE_RUNS", RUNS.name)
# Real images where they are at hand; otherwise drawn ones, without waiting for a network.
if not list(Path(__file__).parent.glob("data/MNIST/raw/*-ubyte*")):
    os.environ.setdefault("COURSE_DATA", "drawn")
