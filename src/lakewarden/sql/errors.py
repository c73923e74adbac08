"""Why a statement is refused, in Athena's words. The query context turns these into a failed execution."""


class SqlError(Exception):
    """``text`` is the StateChangeReason; ``category`` and ``error_type`` are AthenaError's numbers (2 = user)."""

    category = 2
    error_type = 1301

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class SqlSyntaxError(SqlError):
    """The statement does not parse."""

    error_type = 1200

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"SYNTAX_ERROR: line {line}:{column}: {problem}")


class Unsupported(SqlError):
    """A statement, clause or feature that is not known here: refused, never passed on."""

    error_type = 1303

    def __init__(self, what: str) -> None:
        super().__init__(f"NOT_SUPPORTED: {what} is not supported")


class FunctionNotFound(SqlError):
    """A function that is not in the table of known functions."""

    error_type = 1007

    def __init__(self, line: int, column: int, name: str) -> None:
        super().__init__(f"FUNCTION_NOT_FOUND: line {line}:{column}: Function '{name}' not registered")


class TableNotFound(SqlError):
    """An absent or a hidden table: the same text for both."""

    error_type = 1003

    def __init__(self, line: int, column: int, database: str, name: str) -> None:
        super().__init__(
            f"TABLE_NOT_FOUND: line {line}:{column}: Table 'awsdatacatalog.{database}.{name}' does not exist"
        )


class ColumnNotFound(SqlError):
    """An absent or a hidden column: the same text for both."""

    error_type = 1006

    def __init__(self, line: int, column: int, name: str) -> None:
        super().__init__(
            f"COLUMN_NOT_FOUND: line {line}:{column}: Column '{name}' cannot be resolved or requester is not "
            "authorized to access requested resources"
        )


class NoAccessibleColumns(SqlError):
    """A table that may be described, and of which no column may be read."""

    error_type = 1006

    def __init__(self, line: int, column: int) -> None:
        super().__init__(f"COLUMN_NOT_FOUND: line {line}:{column}: Relation contains no accessible columns")


class TypeMismatch(SqlError):
    """Values of kinds that do not meet."""

    error_type = 1305

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"TYPE_MISMATCH: line {line}:{column}: {problem}")


class InvalidRowFilter(SqlError):
    """A table's row filter cannot be enforced; the query fails rather than reading more. Says nothing of the filter."""

    category = 1
    error_type = 401

    def __init__(self) -> None:
        super().__init__("GENERIC_INTERNAL_ERROR: A row filter of a table cannot be enforced")
