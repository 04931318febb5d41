"""Fast by default: `COURSE_FAST=0 pytest` runs everything in full.

It stands at the root, because a notebook named on pytest's command line sees no conftest.py below.
"""

import os
import tempfile

collect_ignore_glob = ["*.run.ipynb", "*-checkpoint.ipynb"]  # results of a headless run

os.environ.setdefault("COURSE_FAST", "1")
# one thread for each notebook's kernel, so that a busy machine does not multiply the time
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Checkpoints of an earlier run would be resumed instead of training: start with an empty folder.
RUNS = tempfile.TemporaryDirectory(prefix="course-runs-")
os.environ.setdefault("COURSE_RUNS", RUNS.name)
