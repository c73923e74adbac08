"""The data directory and its few facts."""

import json
from pathlib import Path

import pytest

from lakewarden.config import Config, ConfigError, DataDirectory, write_private


@pytest.mark.parametrize(
    ("account", "region", "url"),
    [
        ("12", "us-east-1", ""),
        ("１２３４５６７８９０１２", "us-east-1", ""),
        ("123456789012", "US-EAST-1", ""),
        ("123456789012", "us-east-1\n", ""),
        ("123456789012", "us-east-1", "mysql://h/d"),
        ("123456789012", "us-east-1", "sqlite:///x"),
    ],
)
def test_what_cannot_be_is_refused(account: str, region: str, url: str) -> None:
    with pytest.raises(ConfigError):
        Config(account, region, url)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"account_id": "123456789012"}', '{"account_id": 1, "region": 2}'])
def test_a_damaged_config_is_said_to_be_damaged(tmp_path: Path, text: str) -> None:
    directory = DataDirectory.at(tmp_path)
    directory.config_file.write_text(text)
    with pytest.raises(ConfigError):
        directory.load()


def test_a_config_is_given_back(tmp_path: Path) -> None:
    directory = DataDirectory.at(tmp_path / "data")
    config = Config("123456789012", "eu-west-1", "postgresql://u@h/d")
    directory.create()
    directory.save(config)
    assert directory.load() == config
    assert not directory.unfinished_file.exists()
    assert directory.config_file.stat().st_mode & 0o077 == 0
    assert json.loads(directory.config_file.read_text())["region"] == "eu-west-1"


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(ConfigError, match=r"not empty \(thesis.tex"):
        DataDirectory.at(tmp_path).create()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_file_system_is_taken(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    DataDirectory.at(tmp_path).create()


def test_a_private_file_is_never_readable_by_others_or_half_written(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    write_private(target, b"first")
    write_private(target, b"second")
    assert target.read_bytes() == b"second"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
