"""awswrangler, unmodified: queries with CTAS, with UNLOAD and plainly, over the lake that the environment names.

Run by the clients' own Python: ``wrangler.py DATABASE TABLE STAGING``; prints one JSON object.
"""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import awswrangler as wr  # type: ignore[import-not-found]  # noqa: E402 - warnings of its imports are not ours
import boto3  # noqa: E402

database, table, staging = sys.argv[1:4]
endpoint = boto3.client("s3").meta.endpoint_url
for service in ("athena", "s3", "glue", "sts", "lakeformation"):
    setattr(wr.config, f"{service}_endpoint_url", endpoint)
sql = f"SELECT * FROM \"{table}\" WHERE arm = 'b'"
found: dict[str, object] = {}
for way, options in {
    "ctas": {"ctas_approach": True},
    "unload": {"ctas_approach": False, "unload_approach": True},
    "plain": {"ctas_approach": False},
}.items():
    frame = wr.athena.read_sql_query(sql, database=database, s3_output=f"{staging}{way}/", **options)
    found[way] = {"columns": list(frame.columns), "rows": len(frame), "first": [str(one) for one in frame.iloc[0]]}
chunks = wr.athena.read_sql_query(
    sql, database=database, s3_output=f"{staging}chunks/", ctas_approach=False, chunksize=100
)
found["chunks"] = sum(len(chunk) for chunk in chunks)
found["types"] = wr.catalog.get_table_types(database=database, table=table)
found["parameters"] = len(
    wr.athena.read_sql_query(
        f'SELECT * FROM "{table}" WHERE arm = ?',
        database=database,
        s3_output=f"{staging}parameters/",
        ctas_approach=False,
        params=["'b'"],
        paramstyle="qmark",
    )
)
print(json.dumps(found))
