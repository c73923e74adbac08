"""dbt-athena, unmodified: seeds, tables, views, incremental models and tests, twice over."""

from pathlib import Path

from tests.e2e.conftest import Lake
from tests.e2e.test_clients_athena import CLIENTS, run_client

DBT_PROFILE = """
lake:
  target: dev
  outputs:
    dev:
      type: athena
      s3_staging_dir: s3://{results}/dbt/
      s3_data_dir: s3://{results}/dbt-data/
      region_name: {region}
      schema: {database}
      database: awsdatacatalog
      threads: 2
      num_retries: 0
"""
DBT_PROJECT = """
name: lake
profile: lake
version: "1.0"
config-version: 2
model-paths: [models]
seed-paths: [seeds]
flags: {send_anonymous_usage_stats: false}
"""
DBT_MODELS = {
    "models/as_table.sql": "{{ config(materialized='table') }} "
    "select arm, count(*) as n from {{ source('raw', 'TABLE') }} group by 1",
    "models/as_view.sql": "select arm, n from {{ ref('as_table') }} where n > 0",
    "models/by_day.sql": "{{ config(materialized='incremental', incremental_strategy='append', partitioned_by=['day']) }} "
    "select n, cast('2020-01-01' as date) as day from {{ ref('as_table') }}",
    "models/iced.sql": "{{ config(materialized='table', table_type='iceberg', partitioned_by=['bucket(arm, 2)']) }} "
    "select arm, n from {{ ref('as_table') }}",
    "models/merged.sql": "{{ config(materialized='incremental', table_type='iceberg', incremental_strategy='merge', "
    "unique_key='arm') }} select arm, n + {% if is_incremental() %} 1 {% else %} 0 {% endif %} as n from {{ ref('iced') }}",
    "models/schema.yml": """
version: 2
sources: [{name: raw, schema: DATABASE, tables: [{name: TABLE}]}]
models:
  - name: as_view
    columns: [{name: n, data_tests: [not_null]}]
""",
    "seeds/letters.csv": "letter,number\na,1\nb,2\n",
}


def test_dbt_athena_seeds_models_and_tests(lake: Lake, tmp_path: Path) -> None:
    place = {"results": lake.results, "region": lake.server.administrator["Region"], "database": lake.dataset.database}
    (tmp_path / "profiles.yml").write_text(DBT_PROFILE.format(**place))
    (tmp_path / "dbt_project.yml").write_text(DBT_PROJECT)
    for path, text in DBT_MODELS.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text.replace("TABLE", lake.dataset.table).replace("DATABASE", lake.dataset.database))
    places = ("--profiles-dir", str(tmp_path), "--project-dir", str(tmp_path))
    for _ in range(2):
        done = run_client(lake, "admin", str(CLIENTS / "dbt"), "build", *places, home=str(tmp_path))
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    database = lake.dataset.database
    assert lake.query("admin", f"SELECT sum(n) FROM {database}.as_view").rows[1] == [str(lake.dataset.row_count)]
    assert lake.query("admin", f"SELECT count(*) FROM {database}.letters").rows[1] == ["2"]
    arms = lake.query("admin", f"SELECT count(*), sum(n) FROM {database}.iced").rows[1]
    assert arms[1] == str(lake.dataset.row_count)
    again = lake.query("admin", f"SELECT count(*), sum(n) FROM {database}.merged").rows[1]
    assert again == [arms[0], str(lake.dataset.row_count + int(arms[0] or 0))]
    assert lake.query("admin", f"SHOW PARTITIONS {database}.by_day").rows == [["day=2020-01-01"]]
