"""One server a directory, unless the state is shared."""

from pathlib import Path

import pytest

from lakewarden import lock
from lakewarden.config import ConfigError, DataDirectory


def test_a_directory_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    directory = DataDirectory.at(tmp_path)
    with lock.held(directory) as first:
        assert first.alone
        for shared in (False, True):
            with pytest.raises(ConfigError, match="at work"), lock.held(directory, shared=shared):
                pass
    with lock.held(directory) as again:
        assert again.alone


def test_servers_on_a_shared_database_stand_beside_each_other(tmp_path: Path) -> None:
    directory = DataDirectory.at(tmp_path)
    with lock.held(directory, shared=True) as first:
        first.admit_others()
        with lock.held(directory, shared=True) as second, lock.held(directory, shared=True) as third:
            assert (first.alone, second.alone, third.alone) == (True, False, False)
            with pytest.raises(ConfigError), lock.held(directory):
                pass
