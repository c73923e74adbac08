"""Statements of CloudTrail Lake: ids become tables where a table stands, and nothing else changes."""

import pytest

from lakewarden.audit import datastores
from lakewarden.audit.datastores import IDS, UnknownStore, stores_in, translated

QUERIES, EVENTS = IDS["queries"], IDS["events"]


@pytest.mark.parametrize(
    ("statement", "stores"),
    [
        (f"SELECT a FROM {QUERIES}", ("queries",)),
        (f'SELECT a FROM "{QUERIES}" q', ("queries",)),
        (f"SELECT a FROM {QUERIES.upper()}", ("queries",)),
        (f"SELECT a FROM {QUERIES} q JOIN {EVENTS} e ON true", ("queries", "events")),
        (f"SELECT a FROM {QUERIES} q JOIN {QUERIES} e ON true", ("queries",)),
        (f"SELECT '{EVENTS}' FROM {QUERIES}", ("queries",)),
        (f"SELECT 'it''s {EVENTS}' FROM {QUERIES}", ("queries",)),
        (f'SELECT a AS "x {EVENTS}" FROM {QUERIES}', ("queries",)),
        (f"SELECT a /* {EVENTS} */ FROM {QUERIES} -- {EVENTS}", ("queries",)),
        ("SELECT 1", ()),
        (f"SELECT '{QUERIES}'", ()),
    ],
)
def test_ids_become_tables_where_tables_stand(statement: str, stores: tuple[str, ...]) -> None:
    made, found = translated(statement)
    assert found == stores
    assert stores_in(statement) == stores
    assert len(made) == len(statement), "errors name a place in the caller's own text"
    for store in stores:
        assert f"lakewarden_audit.{store}" in made
    outside = made.replace(f"'{EVENTS}'", "").replace(f"{EVENTS}'", "").replace(f'{EVENTS}"', "")
    assert QUERIES not in outside or not stores


def test_an_unknown_id_is_named() -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(UnknownStore, match=unknown):
        translated(f"SELECT 1 FROM {unknown}")
    assert stores_in(f"SELECT 1 FROM {unknown}, {QUERIES}") == ("queries",)


@pytest.mark.parametrize("value", [None, 7, ["x"], {"a": QUERIES}, b"x"])
def test_attempts_can_hold_anything(value: object) -> None:
    assert stores_in(value) == ()


def test_a_store_is_named_by_arn_id_or_suffix() -> None:
    arn = datastores.arn_of("events", "111122223333", "us-east-1")
    assert {datastores.named(text) for text in (arn, EVENTS, f"eventdatastore/{EVENTS}")} == {"events"}
    for text in ("", "events", arn[:-1], "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/*"):
        with pytest.raises(UnknownStore):
            datastores.named(text)
