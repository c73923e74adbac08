"""What Athena's operations answer with, in the shapes of botocore's model."""

from datetime import datetime
from typing import Any

from lakewarden.kernel.lake import GovernedTable
from lakewarden.query.model import Execution, NamedQuery, PreparedStatement, WorkGroup
from lakewarden.query.ports import ResultColumn

ENGINE = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


def execution_answer(found: Execution) -> dict[str, Any]:
    """Athena's QueryExecution shape."""
    status: dict[str, Any] = {
        "State": found.state,
        "SubmissionDateTime": datetime.fromisoformat(found.submitted),
        "StateChangeReason": found.reason or None,
        "CompletionDateTime": datetime.fromisoformat(found.completed) if found.completed else None,
    }
    if found.failure is not None:
        status["AthenaError"] = {
            "ErrorCategory": found.failure.category,
            "ErrorType": found.failure.error_type,
            "Retryable": False,
            "ErrorMessage": found.failure.message,
        }
    statistics = found.statistics
    return {
        "QueryExecutionId": found.id,
        "Query": found.sql,
        "StatementType": found.kind,
        "SubstatementType": found.substatement or None,
        "ResultConfiguration": {"OutputLocation": found.output},
        "ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": _reuse(found)},
        "ExecutionParameters": list(found.parameters) or None,
        "QueryExecutionContext": {"Database": found.database, "Catalog": "awsdatacatalog"},
        "Status": status,
        "Statistics": {
            "EngineExecutionTimeInMillis": statistics.engine_ms,
            "DataScannedInBytes": statistics.scanned_bytes,
            "DataManifestLocation": found.manifest or None,
            "TotalExecutionTimeInMillis": statistics.total_ms,
            "QueryQueueTimeInMillis": statistics.queue_ms,
            "QueryPlanningTimeInMillis": statistics.planning_ms,
            "ServiceProcessingTimeInMillis": statistics.service_ms,
            "ResultReuseInformation": {"ReusedPreviousResult": found.reused},
        },
        "WorkGroup": found.workgroup,
        "EngineVersion": ENGINE,
    }


def _reuse(found: Execution) -> dict[str, Any]:
    if not found.reuse_minutes:
        return {"Enabled": False}
    return {"Enabled": True, "MaxAgeInMinutes": found.reuse_minutes}


def statistics_answer(found: Execution) -> dict[str, Any]:
    """Athena's QueryRuntimeStatistics shape. What was read is not counted: it includes what the caller may not see."""
    statistics = found.statistics
    return {
        "Timeline": {
            "QueryQueueTimeInMillis": statistics.queue_ms,
            "QueryPlanningTimeInMillis": statistics.planning_ms,
            "EngineExecutionTimeInMillis": statistics.engine_ms,
            "ServiceProcessingTimeInMillis": statistics.service_ms,
            "TotalExecutionTimeInMillis": statistics.total_ms,
        },
        "Rows": {
            "InputBytes": statistics.scanned_bytes,
            "OutputRows": statistics.rows,
            "OutputBytes": statistics.written_bytes,
        },
    }


def prepared_answer(found: PreparedStatement) -> dict[str, Any]:
    """Athena's PreparedStatement shape."""
    return {
        "StatementName": found.name,
        "QueryStatement": found.text,
        "WorkGroupName": found.workgroup,
        "Description": found.description,
        "LastModifiedTime": datetime.fromisoformat(found.modified),
    }


def named_answer(found: NamedQuery) -> dict[str, Any]:
    """Athena's NamedQuery shape."""
    return {
        "Name": found.name,
        "Description": found.description,
        "Database": found.database,
        "QueryString": found.text,
        "NamedQueryId": found.id,
        "WorkGroup": found.workgroup,
    }


def column_answer(column: ResultColumn) -> dict[str, Any]:
    """Athena's ColumnInfo shape."""
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": column.name,
        "Label": column.name,
        "Type": column.type,
        "Precision": column.precision,
        "Scale": column.scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": column.type == "varchar",
    }


def workgroup_answer(group: WorkGroup) -> dict[str, Any]:
    """Athena's WorkGroup shape."""
    configuration: dict[str, Any] = {
        "ResultConfiguration": {"OutputLocation": group.output} if group.output else {},
        "EnforceWorkGroupConfiguration": group.enforced,
        "PublishCloudWatchMetricsEnabled": group.metrics,
        "RequesterPaysEnabled": False,
        "EngineVersion": ENGINE,
    }
    if group.cutoff_bytes:
        configuration["BytesScannedCutoffPerQuery"] = group.cutoff_bytes
    return {
        "Name": group.name,
        "State": "ENABLED" if group.enabled else "DISABLED",
        "Description": group.description,
        "CreationTime": datetime.fromisoformat(group.created),
        "Configuration": configuration,
    }


def table_answer(governed: GovernedTable) -> dict[str, Any]:
    """Athena's TableMetadata shape, of the columns that may be seen."""
    table, seen = governed.table, set(governed.access.described)
    parameters = {
        **table.parameters,
        "location": table.location.rstrip("/"),
        "inputformat": table.input_format,
        "outputformat": table.output_format,
        "serde.serialization.lib": table.serde,
        **{f"serde.param.{name}": value for name, value in table.serde_parameters.items()},
    }
    if table.comment:
        parameters["comment"] = table.comment

    def columns(several: Any) -> list[dict[str, str]]:
        return [{"Name": one.name, "Type": one.type, "Comment": one.comment} for one in several if one.name in seen]

    return {
        "Name": table.name,
        "TableType": table.table_type,
        "Columns": columns(table.columns),
        "PartitionKeys": columns(table.partition_keys),
        "Parameters": parameters,
    }
