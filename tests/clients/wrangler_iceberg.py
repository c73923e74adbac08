"""awswrangler, unmodified: an Iceberg table made, appended to, merged into, widened, and rows deleted from it.

Run by the clients' own Python: ``wrangler_iceberg.py DATABASE TABLE STAGING``; prints one JSON object.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import awswrangler as wr  # type: ignore[import-not-found]  # noqa: E402 - warnings of its imports are not ours
import boto3  # noqa: E402
import pandas as pd  # type: ignore[import-untyped]  # noqa: E402

database, table, staging = sys.argv[1:4]
endpoint = boto3.client("s3").meta.endpoint_url
for service in ("athena", "s3", "glue", "sts", "lakeformation"):
    setattr(wr.config, f"{service}_endpoint_url", endpoint)
place = staging.replace("/admin/", f"/ice-wrangler/{table}/")
options = {
    "database": database, "table": table, "table_location": place, "temp_path": f"{place[:-1]}-staged/", "s3_output": staging,
    "keep_files": False,
}  # fmt: skip


def read(columns: str) -> list[list[object]]:
    frame = wr.athena.read_sql_query(
        f"SELECT {columns} FROM {table} ORDER BY id", database=database, s3_output=staging, ctas_approach=False
    )
    return [[one.item() if hasattr(one, "item") else one for one in row] for row in frame.itertuples(index=False)]


found: dict[str, object] = {}
wr.athena.to_iceberg(pd.DataFrame({"id": [1, 2], "name": ["a", "b"]}), **options)
wr.athena.to_iceberg(pd.DataFrame({"id": [3], "name": ["c"]}), **options)
found["appended"] = read("id, name")
wr.athena.to_iceberg(pd.DataFrame({"id": [2, 4], "name": ["changed", "new"]}), merge_cols=["id"], **options)
found["merged"] = read("id, name")
wr.athena.delete_from_iceberg_table(
    pd.DataFrame({"id": [2], "name": ["changed"]}), database=database, table=table, temp_path=options["temp_path"],
    merge_cols=["id"], s3_output=staging, keep_files=False,
)  # fmt: skip
found["deleted"] = read("id, name")
wr.athena.to_iceberg(
    pd.DataFrame({"id": [5], "name": ["e"], "more": [1.5]}),
    schema_evolution=True,
    fill_missing_columns_in_df=True,
    **options,
)
found["wider"] = list(wr.catalog.get_table_types(database=database, table=table))
print(json.dumps(found))
