"""Handlers of the data catalog: there is one, Glue's, as the caller may see it."""

from collections.abc import Mapping
from typing import Any

from lakewarden.guard import AuthorizedCall
from lakewarden.query.answers import table_answer
from lakewarden.query.errors import InvalidRequestException, MetadataException, QueryFailed
from lakewarden.query.pages import page
from lakewarden.query.ports import Lake

Params = Mapping[str, Any]
CATALOG = "AwsDataCatalog"


class CatalogHandlers:
    """Databases and tables through Athena's own operations."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def get_catalog(self, call: AuthorizedCall) -> Params:
        """GetDataCatalog."""
        _check(call.params["Name"])
        return {"DataCatalog": {"Name": CATALOG, "Type": "GLUE", "Description": "The Glue catalog"}}

    def list_catalogs(self, call: AuthorizedCall) -> Params:
        """ListDataCatalogs."""
        return page([{"CatalogName": CATALOG, "Type": "GLUE"}], call.params, "DataCatalogsSummary")

    def list_databases(self, call: AuthorizedCall) -> Params:
        """ListDatabases: those that the caller may see."""
        _check(call.params["CatalogName"])
        names = self._lake.database_names(call.call)
        return page([{"Name": name} for name in names], call.params, "DatabaseList")

    def get_database(self, call: AuthorizedCall) -> Params:
        """GetDatabase."""
        _check(call.params["CatalogName"])
        name = call.params["DatabaseName"].lower()
        if name not in self._lake.database_names(call.call):
            raise MetadataException(f"Database {name} not found.")
        return {"Database": {"Name": name}}

    def list_tables(self, call: AuthorizedCall) -> Params:
        """ListTableMetadata: the tables and columns that the caller may see."""
        _check(call.params["CatalogName"])
        wanted = call.params.get("Expression") or ""
        try:
            found = self._lake.tables(call.call, call.params["DatabaseName"])
        except QueryFailed as error:
            raise MetadataException(error.text) from error
        tables = [one for one in found if _like(one.table.name, wanted)]
        return page([table_answer(one) for one in tables], call.params, "TableMetadataList")

    def get_table(self, call: AuthorizedCall) -> Params:
        """GetTableMetadata."""
        _check(call.params["CatalogName"])
        database, name = call.params["DatabaseName"].lower(), call.params["TableName"].lower()
        found = self._lake.table(call.call, database, name)
        if found is None:
            raise MetadataException(f"Entity Not Found: {database}.{name}")
        return {"TableMetadata": table_answer(found)}


def _check(name: str) -> None:
    if name.lower() != CATALOG.lower():
        raise InvalidRequestException(f"DataCatalog {name} was not found.")


def _like(name: str, expression: str) -> bool:
    """Athena's filter: text with ``*`` for any other text, ``|`` between alternatives. No pattern takes long."""
    if not expression:
        return True
    return any(_matches(name, _parts(one.lower())) for one in expression.split("|"))


def _parts(pattern: str) -> list[str]:
    """The texts between the stars; ``.*`` is a star, too, and a backslash takes the next character as it is."""
    parts = [""]
    letters = iter(pattern.replace(".*", "*"))
    for letter in letters:
        if letter == "*":
            parts.append("")
        else:
            parts[-1] += next(letters, "") if letter == "\\" else letter
    return parts


def _matches(name: str, parts: list[str]) -> bool:
    if len(parts) == 1:
        return name == parts[0]
    position = len(parts[0])
    end = len(name) - len(parts[-1])
    if not name.startswith(parts[0]) or not name.endswith(parts[-1]) or end < position:
        return False
    for part in parts[1:-1]:
        found = name.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True
