"""The rows of Glue's OPERATIONS table for search, tags, the resource policy, and the catalog as a whole."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from lakewarden.catalog import search
from lakewarden.catalog.answers import table_answer
from lakewarden.catalog.attached import ResourcePolicy
from lakewarden.catalog.errors import EntityNotFoundException, InvalidInputException
from lakewarden.catalog.pages import numbered
from lakewarden.catalog.rules import Params, Rules
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import AuthorizedCall, Operation

Make = Callable[..., Operation]


class AccountHandlers:
    """Handlers for what is not about one database or table."""

    def __init__(self, service: CatalogService, account: str, arns: Rules) -> None:
        self._service = service
        self._attached = service.attached
        self._account = account
        self._arns = arns

    def rows(self, arns: Rules, operation: Make) -> Iterable[Operation]:
        """One row an operation."""
        catalog, given = arns.catalog, arns.given_arn
        yield operation("SearchTables", self.search_tables, catalog, read=True)
        yield operation("GetTags", self.get_tags, given, read=True)
        yield operation("TagResource", self.tag, given)
        yield operation("UntagResource", self.untag, given)
        yield operation("GetResourcePolicy", self.get_policy, catalog, read=True)
        yield operation("GetResourcePolicies", self.get_policies, catalog, read=True)
        yield operation("PutResourcePolicy", self.put_policy, catalog)
        yield operation("DeleteResourcePolicy", self.delete_policy, catalog)
        yield operation("GetCatalog", self.get_catalog, catalog, read=True)
        yield operation("GetCatalogs", self.get_catalogs, catalog, read=True)
        yield operation("GetDataCatalogEncryptionSettings", self.encryption, catalog, read=True)
        yield operation("GetCatalogImportStatus", self.import_status, catalog, read=True)
        yield operation("GetUserDefinedFunctions", self.functions, catalog, read=True)
        yield operation("GetUserDefinedFunction", self.function, arns.database("DatabaseName"), read=True)

    def search_tables(self, call: AuthorizedCall) -> Params:
        """SearchTables: in what the caller may see, and nothing else."""
        principal = call.call.principal
        shown = [
            shown
            for database in self._service.databases(principal)
            for shown in self._service.tables(principal, database.name)
        ]
        tables = {(record.database, record.name): governed.table for governed, record in shown}
        answers = [
            table_answer(
                record,
                self._account,
                registered=self._service.is_registered(tables[record.database, record.name].location),
            )
            for record in search.found([record for _, record in shown], call.params)
        ]
        return numbered(answers, call.params, "TableList")

    # Tags

    def get_tags(self, call: AuthorizedCall) -> Params:
        """GetTags."""
        return {"Tags": dict(self._attached.tags(self._existing(call)))}

    def tag(self, call: AuthorizedCall) -> None:
        """TagResource."""
        self._attached.tag(self._existing(call), call.params["TagsToAdd"])

    def untag(self, call: AuthorizedCall) -> None:
        """UntagResource."""
        self._attached.untag(self._existing(call), call.params["TagsToRemove"])

    def _existing(self, call: AuthorizedCall) -> str:
        """The ARN that is asked about; raises unless the caller may see what it names."""
        arn = str(call.params["ResourceArn"])
        kind, _, name = arn.removeprefix(self._arns.arn("")).partition("/")
        database, _, table = name.partition("/")
        if arn == self._arns.arn(f"database/{database.lower()}") and database:
            self._service.database(call.call.principal, database)
        elif arn == self._arns.arn(f"table/{name.lower()}") and table:
            self._service.table(call.call.principal, database, table)
        elif not (arn == self._arns.arn(f"crawler/{name}") and kind == "crawler" and name):
            raise InvalidInputException("Tags are for databases, tables and crawlers.")
        return arn

    # The resource policy

    def get_policy(self, call: AuthorizedCall) -> Params:
        """GetResourcePolicy."""
        self._whole_catalog(call)
        found = self._attached.policy()
        if found is None:
            raise EntityNotFoundException("Policy not found.")
        return _policy_answer(found)

    def get_policies(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """GetResourcePolicies: the one that there is."""
        found = self._attached.policy()
        return {"GetResourcePoliciesResponseList": [] if found is None else [_policy_answer(found)]}

    def put_policy(self, call: AuthorizedCall) -> Params:
        """PutResourcePolicy; it takes part in every decision about Glue from the next call on."""
        self._whole_catalog(call)
        params = call.params
        expected, exists = params.get("PolicyHashCondition") or "", params.get("PolicyExistsCondition") or ""
        return {
            "PolicyHash": self._attached.put_policy(params["PolicyInJson"], call.call.at.isoformat(), expected, exists)
        }

    def delete_policy(self, call: AuthorizedCall) -> None:
        """DeleteResourcePolicy."""
        self._whole_catalog(call)
        self._attached.delete_policy(call.params.get("PolicyHashCondition") or "")

    def _whole_catalog(self, call: AuthorizedCall) -> None:
        if call.params.get("ResourceArn", self._arns.arn("catalog")) != self._arns.arn("catalog"):
            raise InvalidInputException("A resource policy is on the catalog as a whole.")

    # The catalog as a whole

    def get_catalog(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """GetCatalog: the account's own."""
        return {"Catalog": self._catalog()}

    def get_catalogs(self, call: AuthorizedCall) -> Params:
        """GetCatalogs: there are none below the account's own."""
        return {"CatalogList": [self._catalog()] if call.params.get("IncludeRoot") else []}

    def _catalog(self) -> dict[str, Any]:
        return {"CatalogId": self._account, "Name": self._account, "ResourceArn": self._arns.arn("catalog")}

    def encryption(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """GetDataCatalogEncryptionSettings: the catalog is not encrypted by a key of its own."""
        return {
            "DataCatalogEncryptionSettings": {
                "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
                "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False},
            }
        }

    def import_status(self, call: AuthorizedCall) -> Params:  # noqa: ARG002 - a handler's signature
        """GetCatalogImportStatus: there was never another catalog."""
        return {"ImportStatus": {"ImportCompleted": True}}

    def functions(self, call: AuthorizedCall) -> Params:
        """GetUserDefinedFunctions: none can be made."""
        if call.params.get("DatabaseName"):
            self._service.database(call.call.principal, call.params["DatabaseName"])
        return {"UserDefinedFunctions": []}

    def function(self, call: AuthorizedCall) -> Params:
        """GetUserDefinedFunction: none can be made."""
        self._service.database(call.call.principal, call.params["DatabaseName"])
        raise EntityNotFoundException(f"Function {call.params['FunctionName']} not found.")


def _policy_answer(found: ResourcePolicy) -> dict[str, Any]:
    return {
        "PolicyInJson": found.document,
        "PolicyHash": found.hash,
        "CreateTime": datetime.fromisoformat(found.created),
        "UpdateTime": datetime.fromisoformat(found.updated),
    }
