from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def _small_operations_on_one_core() -> Iterator[None]:
    """Keep tiny operations off the thread pool, whose hand-over costs more than they do."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
