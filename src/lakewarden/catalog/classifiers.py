"""Classifiers: what files are taken for before the server's own judgement is asked."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lakewarden.catalog.crawler_store import ClassifierRecord, CrawlerStore
from lakewarden.catalog.errors import AlreadyExistsException, EntityNotFoundException, InvalidInputException
from lakewarden.kernel.clock import Clock

CSV, JSON = "CsvClassifier", "JsonClassifier"
_CSV_MEMBERS = frozenset({"Name", "Delimiter", "QuoteSymbol", "ContainsHeader", "Header", "AllowSingleColumn", "Serde"})
_CSV_REFUSED = ("DisableValueTrimming", "CustomDatatypeConfigured", "CustomDatatypes")
_JSON_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]{0,99}|\[\*\]){0,20}")
_MOST_HEADERS = 1000
Document = Mapping[str, Any]


class Classifiers:
    """CreateClassifier and its kind: CSV and JSON classifiers."""

    def __init__(self, store: CrawlerStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(self, document: Document) -> None:
        """CreateClassifier; raises AlreadyExists or InvalidInput."""
        kind, body = _checked(document)
        now = self._clock().isoformat()
        with self._store.write() as crawlers:
            if crawlers.classifier(body["Name"]) is not None:
                raise AlreadyExistsException(f"Classifier {body['Name']} already exists.")
            crawlers.put_classifier(ClassifierRecord(body["Name"], {kind: body}, 1, now, now))

    def update(self, document: Document) -> None:
        """UpdateClassifier: the members that are given are replaced; its kind stays."""
        kind, given = _only(document)
        with self._store.write() as crawlers:
            present = crawlers.classifier(str(given.get("Name")))
            if present is None or kind not in present.document:
                raise _absent(str(given.get("Name")))
            _, body = _checked({kind: {**present.document[kind], **given}})
            now = self._clock().isoformat()
            crawlers.put_classifier(replace(present, document={kind: body}, version=present.version + 1, updated=now))

    def delete(self, name: str) -> None:
        """DeleteClassifier; crawlers that name it go on without it."""
        with self._store.write() as crawlers:
            if crawlers.classifier(name) is None:
                raise _absent(name)
            crawlers.remove_classifier(name)

    def get(self, name: str) -> ClassifierRecord:
        """GetClassifier; raises EntityNotFound."""
        with self._store.read() as crawlers:
            found = crawlers.classifier(name)
        if found is None:
            raise _absent(name)
        return found

    def all(self) -> list[ClassifierRecord]:
        """GetClassifiers."""
        with self._store.read() as crawlers:
            return crawlers.classifiers()


def _only(document: Document) -> tuple[str, Document]:
    given = {name: value for name, value in document.items() if value}
    if len(given) != 1:
        raise InvalidInputException("Exactly one classifier must be given.")
    return next(iter(given.items()))


def _checked(document: Document) -> tuple[str, Document]:
    """The kind and its members; refused by name, never ignored."""
    kind, body = _only(document)
    if kind == CSV:
        _check_csv(body)
    elif kind == JSON:
        if not _JSON_PATH.fullmatch(body["JsonPath"]):
            raise InvalidInputException("JsonPath: Lakewarden offers $, .name and [*].")
    else:
        raise InvalidInputException(f"Lakewarden does not offer {kind}.")
    return kind, body


def _check_csv(body: Document) -> None:
    odd = [name for name in _CSV_REFUSED if body.get(name)]
    odd += [name for name in body if name not in _CSV_MEMBERS and name not in _CSV_REFUSED]
    if odd:
        raise InvalidInputException(f"Lakewarden does not offer {', '.join(odd)} of CsvClassifier.")
    for name in ("Delimiter", "QuoteSymbol"):
        if body.get(name) is not None and (len(body[name]) != 1 or body[name] in "\r\n\0" or ord(body[name]) > 127):
            raise InvalidInputException(f"{name} is one letter.")
    if body.get("Delimiter") and body.get("Delimiter") == body.get("QuoteSymbol"):
        raise InvalidInputException("Delimiter and QuoteSymbol must differ.")
    header = [one.lower() for one in body.get("Header") or ()]
    if len(header) > _MOST_HEADERS or len(set(header)) != len(header) or not all(header):
        raise InvalidInputException("Header: each column has a name of its own.")


def _absent(name: str) -> EntityNotFoundException:
    return EntityNotFoundException(f"Classifier {name[:255]} not found.")
