"""Run with the clients' own interpreter: s3fs and polars, unmodified, against AWS_ENDPOINT_URL. Prints what they saw."""

import json
import os
import sys

import polars  # type: ignore[import-not-found]
import s3fs  # type: ignore[import-not-found]


def main(bucket: str) -> dict[str, object]:
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    fs = s3fs.S3FileSystem(endpoint_url=endpoint)
    with fs.open(f"{bucket}/fs/a.txt", "wb") as file:
        file.write(b"hello")
    with fs.open(f"{bucket}/fs/big.bin", "wb", block_size=5 * 2**20) as file:
        for _ in range(12):
            file.write(b"x" * 2**20)
    fs.pipe(f"{bucket}/fs/sub/b.txt", b"b")
    fs.copy(f"{bucket}/fs/a.txt", f"{bucket}/fs/c.txt")
    fs.mv(f"{bucket}/fs/c.txt", f"{bucket}/fs/d.txt")
    fs.invalidate_cache()
    listed = sorted(name.removeprefix(bucket) for name in fs.find(f"{bucket}/fs"))
    size = fs.info(f"{bucket}/fs/big.bin")["size"]
    middle = fs.cat_file(f"{bucket}/fs/a.txt", start=1, end=3).decode()
    fs.rm(f"{bucket}/fs/sub", recursive=True)
    fs.invalidate_cache()
    frame = polars.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    options = {
        "aws_endpoint_url": endpoint,
        "aws_access_key_id": os.environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"],
        "aws_region": os.environ["AWS_DEFAULT_REGION"],
        "aws_allow_http": "true",
    }
    frame.write_parquet(f"s3://{bucket}/polars/t.parquet", storage_options=options)
    seen = polars.scan_parquet(f"s3://{bucket}/polars/*.parquet", storage_options=options)
    return {
        "listed": listed,
        "size": size,
        "middle": middle,
        "gone": not fs.exists(f"{bucket}/fs/sub/b.txt"),
        "sum": seen.select(polars.col("a").sum()).collect().item(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])))
