"""What every test module shares."""

import pytest
import torch

collect_ignore = ["old"]  # another package of the same name: test_old.py runs these by themselves


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Networks this small are slower with several threads, by far where they share a core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
