"""The frozen package of notebooks 2 and 3, in a process of its own: its name is genmnist too."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_frozen_package_passes_its_own_tests():
    # confcutdir keeps tests/conftest.py out, which leaves the folder out of every other run
    options = "-q -p no:cacheprovider --confcutdir tests/old -o pythonpath=src/old -o addopts="
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/old", *options.split()],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COURSE_FAST": "1", "PYTHONPATH": "src/old"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
