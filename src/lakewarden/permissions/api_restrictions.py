"""The rows of Lake Formation's OPERATIONS table for data cells filters, LF-tags and named LF-tag expressions."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lakewarden.guard import AuthorizedCall, Operation, on
from lakewarden.kernel.errors import AwsError
from lakewarden.permissions.model import FilterResource, TagExpression, TagResource
from lakewarden.permissions.service import PermissionService
from lakewarden.permissions.shapes import (
    Params,
    expression_answer,
    expression_of,
    filter_answer,
    filter_of,
    own_account,
    page,
    resource_of,
)
from lakewarden.permissions.tagging import Tagged
from lakewarden.permissions.tags import Values


class RestrictionHandlers:
    """Handlers over a :class:`PermissionService`."""

    def __init__(self, service: PermissionService, account: str) -> None:
        self._filters = service.filters
        self._tags = service.tags
        self._account = account

    def operations(self) -> Iterable[Operation]:
        """One row an operation; each asks IAM for the action of its name."""
        for do, read in (
            (self.create_data_cells_filter, False),
            (self.update_data_cells_filter, False),
            (self.delete_data_cells_filter, False),
            (self.get_data_cells_filter, True),
            (self.list_data_cells_filter, True),
            (self.create_lf_tag, False),
            (self.update_lf_tag, False),
            (self.delete_lf_tag, False),
            (self.get_lf_tag, True),
            (self.list_lf_tags, True),
            (self.add_lf_tags_to_resource, False),
            (self.remove_lf_tags_from_resource, False),
            (self.get_resource_lf_tags, True),
            (self.search_databases_by_lf_tags, True),
            (self.search_tables_by_lf_tags, True),
            (self.create_lf_tag_expression, False),
            (self.update_lf_tag_expression, False),
            (self.delete_lf_tag_expression, False),
            (self.get_lf_tag_expression, True),
            (self.list_lf_tag_expressions, True),
        ):
            yield self._operation(do, read=read)

    def _operation(self, do: Callable[[AuthorizedCall], Params | None], *, read: bool) -> Operation:
        name = "".join(part.capitalize() for part in do.__name__.split("_")).replace("Lf", "LF")

        def handler(call: AuthorizedCall) -> Params:
            own_account(call.params, self._account)
            return do(call) or {}

        return Operation(name, handler, on(f"lakeformation:{name}"), read_only=read)

    # Data cells filters

    def create_data_cells_filter(self, call: AuthorizedCall) -> None:
        """CreateDataCellsFilter."""
        self._filters.create(call.call.principal, filter_of(call.params["TableData"], self._account))

    def update_data_cells_filter(self, call: AuthorizedCall) -> None:
        """UpdateDataCellsFilter."""
        self._filters.update(call.call.principal, filter_of(call.params["TableData"], self._account))

    def delete_data_cells_filter(self, call: AuthorizedCall) -> None:
        """DeleteDataCellsFilter."""
        self._filters.delete(call.call.principal, self._named(call.params))

    def get_data_cells_filter(self, call: AuthorizedCall) -> Params:
        """GetDataCellsFilter."""
        found = self._filters.get(call.call.principal, self._named(call.params))
        return {"DataCellsFilter": filter_answer(found, self._account)}

    def list_data_cells_filter(self, call: AuthorizedCall) -> Params:
        """ListDataCellsFilter."""
        table = call.params.get("Table") or {}
        own_account(table, self._account)
        database, name = str(table.get("DatabaseName", "")).lower(), str(table.get("Name", "")).lower()
        found = self._filters.listed(call.call.principal, database, name)
        return page([filter_answer(one, self._account) for one in found], call.params, "DataCellsFilters")

    def _named(self, params: Params) -> FilterResource:
        found = resource_of({"DataCellsFilter": params}, self._account)
        assert isinstance(found, FilterResource)  # noqa: S101 - that is what the member makes
        return found

    # LF-tags

    def create_lf_tag(self, call: AuthorizedCall) -> None:
        """CreateLFTag; keys and values are kept in lower case."""
        key, values = _pair(call.params)
        self._tags.create(call.call.principal, key, values)

    def update_lf_tag(self, call: AuthorizedCall) -> None:
        """UpdateLFTag."""
        params = call.params
        remove, add = _lower(params.get("TagValuesToDelete")), _lower(params.get("TagValuesToAdd"))
        self._tags.update(call.call.principal, params["TagKey"].lower(), remove, add)

    def delete_lf_tag(self, call: AuthorizedCall) -> None:
        """DeleteLFTag."""
        self._tags.delete(call.call.principal, call.params["TagKey"].lower())

    def get_lf_tag(self, call: AuthorizedCall) -> Params:
        """GetLFTag."""
        key = call.params["TagKey"].lower()
        return self._pair_answer(key, self._tags.get(call.call.principal, key))

    def list_lf_tags(self, call: AuthorizedCall) -> Params:
        """ListLFTags; no other account shares any."""
        found = {} if call.params.get("ResourceShareType") == "FOREIGN" else self._tags.listed(call.call.principal)
        return page([self._pair_answer(key, values) for key, values in found.items()], call.params, "LFTags")

    def add_lf_tags_to_resource(self, call: AuthorizedCall) -> Params:
        """AddLFTagsToResource: each tag stands or fails by itself."""
        return self._each(call, self._tags.assign)

    def remove_lf_tags_from_resource(self, call: AuthorizedCall) -> Params:
        """RemoveLFTagsFromResource: the same."""
        return self._each(call, self._tags.unassign)

    def _each(self, call: AuthorizedCall, do: Callable[..., list[tuple[int, AwsError]]]) -> Params:
        asked = call.params["LFTags"]
        failures = do(
            call.call.principal, resource_of(call.params["Resource"], self._account), [_pair(one) for one in asked]
        )
        return {
            "Failures": [
                {"LFTag": asked[position], "Error": {"ErrorCode": error.code, "ErrorMessage": error.message}}
                for position, error in failures
            ]
        }

    def get_resource_lf_tags(self, call: AuthorizedCall) -> Params:
        """GetResourceLFTags."""
        resource = resource_of(call.params["Resource"], self._account)
        assigned = bool(call.params.get("ShowAssignedLFTags", False))
        return self._tagged(self._tags.on_resource(call.call.principal, resource, assigned_only=assigned))

    def search_databases_by_lf_tags(self, call: AuthorizedCall) -> Params:
        """SearchDatabasesByLFTags."""
        found = self._tags.search_databases(call.call.principal, expression_of(call.params["Expression"]))
        answers = [
            {
                "Database": {"CatalogId": self._account, "Name": one.database},
                "LFTags": self._pairs(one.on_database),
            }
            for one in found
        ]
        return page(answers, call.params, "DatabaseList")

    def search_tables_by_lf_tags(self, call: AuthorizedCall) -> Params:
        """SearchTablesByLFTags."""
        found = self._tags.search_tables(call.call.principal, expression_of(call.params["Expression"]))
        answers = [
            {
                "Table": {"CatalogId": self._account, "DatabaseName": one.database, "Name": one.table},
                **self._tagged(one),
            }
            for one in found
        ]
        return page(answers, call.params, "TableList")

    # Named expressions

    def create_lf_tag_expression(self, call: AuthorizedCall) -> None:
        """CreateLFTagExpression."""
        self._tags.create_expression(call.call.principal, _named_expression(call.params))

    def update_lf_tag_expression(self, call: AuthorizedCall) -> None:
        """UpdateLFTagExpression."""
        self._tags.update_expression(call.call.principal, _named_expression(call.params))

    def delete_lf_tag_expression(self, call: AuthorizedCall) -> None:
        """DeleteLFTagExpression."""
        self._tags.delete_expression(call.call.principal, call.params["Name"])

    def get_lf_tag_expression(self, call: AuthorizedCall) -> Params:
        """GetLFTagExpression."""
        return self._expression_answer(self._tags.expression(call.call.principal, call.params["Name"]))

    def list_lf_tag_expressions(self, call: AuthorizedCall) -> Params:
        """ListLFTagExpressions."""
        found = self._tags.expressions(call.call.principal)
        return page([self._expression_answer(one) for one in found.values()], call.params, "LFTagExpressions")

    # Shapes

    def _pair_answer(self, key: str, values: Sequence[str]) -> dict[str, Any]:
        return {"CatalogId": self._account, "TagKey": key, "TagValues": list(values)}

    def _pairs(self, tags: Values) -> list[dict[str, Any]]:
        return [self._pair_answer(key, (value,)) for key, value in sorted(tags.items())]

    def _tagged(self, found: Tagged) -> dict[str, Any]:
        columns = [{"Name": name, "LFTags": self._pairs(tags)} for name, tags in found.on_columns.items()]
        answer: dict[str, Any] = {"LFTagOnDatabase": self._pairs(found.on_database)}
        if found.table:
            answer |= {"LFTagsOnTable": self._pairs(found.on_table), "LFTagsOnColumns": columns}
        return answer

    def _expression_answer(self, one: TagExpression) -> dict[str, Any]:
        return {
            "Name": one.name,
            "Description": one.description,
            "CatalogId": self._account,
            "Expression": expression_answer(one.expression),
        }


def _pair(members: Params) -> tuple[str, tuple[str, ...]]:
    found = resource_of({"LFTag": {"TagKey": members["TagKey"], "TagValues": members["TagValues"]}}, "")
    assert isinstance(found, TagResource)  # noqa: S101 - that is what the member makes
    return found.key, found.values


def _lower(values: Sequence[str] | None) -> list[str]:
    return [value.lower() for value in values or ()]


def _named_expression(params: Params) -> TagExpression:
    return TagExpression(params["Name"], expression_of(params["Expression"]), params.get("Description") or "")
