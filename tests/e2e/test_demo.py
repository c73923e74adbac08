"""``lakewarden demo`` as a new user runs it."""

import csv
import json
import secrets
from pathlib import Path

from tests.e2e.servers import run

REVIEWS = (
    "", "Clothing ID", "Age", "Title", "Review Text", "Rating", "Recommended IND",
    "Positive Feedback Count", "Division Name", "Department Name", "Class Name",
)  # fmt: skip
PERMITTED = [
    "clothing_id", "title", "rating", "recommended_ind", "positive_feedback_count", "division_name",
    "department_name", "class_name",
]  # fmt: skip


def test_the_demo_on_a_file_in_the_form_of_the_reviews(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    token = secrets.token_hex(4)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(REVIEWS)
        for number in range(300):
            writer.writerow(
                (number, 7, 41, f"{token}, ünï", f'said "{token}"\nand left', 5, 1, 0, "General", "Tops", "Knits")
            )
    place = tmp_path / "demo"
    done = run("demo", "--file", str(file), "--directory", str(place), "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert (shown["dataset"]["database"], shown["dataset"]["table"]) == ("ecommerce_reviews_db", "ecommerce_reviews")
    full, limited = (shown["scientists"][f"data-scientist-{who}"] for who in ("full", "limited"))
    assert limited["columns"] == PERMITTED
    assert len(full["columns"]) == 11
    assert full["rows"] == limited["rows"] == 300
    assert limited["sample"][0]["title"] == f"{token}, ünï"
    assert limited["databases"] == ["ecommerce_reviews_db"]
    assert "cannot be resolved or requester is not authorized" in limited["answers"]["id"]
    assert shown["rawObject"].startswith("AccessDenied: ")
    read = {(one["person"], len(one["columns"])) for one in shown["audit"]["accesses"]}
    assert {("data-scientist-full", 11), ("data-scientist-limited", 8)} <= read
    assert "WARNING" not in done.stderr

    assert run("audit", "verify", "--data", str(place / "data")).returncode == 0
    assert run("demo", "--clean", "--directory", str(place)).returncode == 0
    assert not place.exists()


def test_the_demo_says_what_is_wrong_and_leaves_others_directories_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    file = tmp_path / "people.csv"
    file.write_text("name,age\na,1\n")
    (tmp_path / "latin.csv").write_bytes(b"name,age\n\xff\xfe,1\n")
    (tmp_path / "not.parquet").write_bytes(b"PAR1 but no more")
    for arguments, told in (
        (("--file", str(tmp_path / "latin.csv"), "--hide", "age"), "is no CSV file in UTF-8"),
        (("--file", str(tmp_path / "not.parquet"), "--hide", "age"), "is no Parquet file"),
        (("--clean", "--directory", str(tmp_path / "mine")), "was not made by the demo"),
        (("--file", str(file), "--hide", "age", "--directory", str(tmp_path / "mine")), "was not made by the demo"),
        (("--file", str(file)), "say with --hide"),
        (("--file", str(file), "--hide", "salary"), "--hide names no column of the file: salary"),
        (("--file", str(file), "--hide", "name,age"), "leaves the limited scientist no column"),
        (("--file", str(tmp_path / "absent.csv"), "--hide", "a"), "cannot read"),
    ):
        refused = run("demo", *arguments)
        assert refused.returncode == 1
        assert told in refused.stderr
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "precious"
