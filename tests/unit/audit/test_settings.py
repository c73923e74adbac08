"""``audit.json``: what cannot be meant is refused with the setting's name. Nothing in it can turn the trail off."""

from pathlib import Path

import pytest

from lakewarden.audit.settings import AuditSettings, BadSettings, load


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"retention_days": 0}', "retention_days is at least 1"),
        ('{"digest_minutes": 0}', "digest_minutes"),
        ('{"key_days": -1}', "key_days"),
        ('{"disabled": true}', "disabled"),
        ('{"enabled": false}', "enabled"),
        ('{"timestamps": {"url": "http://127.0.0.1/"}}', "certificates"),
        ('{"timestamps": {"url": "http://127.0.0.1/", "certificates": "a", "minutes": 0}}', "timestamps.minutes"),
        ("{", "audit.json"),
        ("", "audit.json"),
        ("[]", "audit.json"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "audit.json"
    file.write_text(text)
    with pytest.raises(BadSettings, match=reason):
        load(file)


def test_no_file_means_the_defaults_and_records_for_ever(tmp_path: Path) -> None:
    assert load(tmp_path / "audit.json") == AuditSettings()
    assert AuditSettings().retention_days is None
