"""Where statements stand in a document, and the keys that they ask for."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lakewarden.policy.source import context_keys, statement_spans

DOCUMENT = """{
  "Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::home/${aws:username}/*"},
    {"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/team, 'x'}/${*}",
     "Condition": {"StringEquals": {"aws:SourceVpc": "${aws:userid}"}, "Bool": {"AWS:sourcevpc": "true"}}}
  ]
}"""


def test_spans_count_lines_and_columns_from_one() -> None:
    first, second = statement_spans(DOCUMENT)
    assert (first.line, first.column, first.end_line) == (3, 5, 3)
    assert (second.line, second.column, second.end_line) == (4, 5, 5)
    single = statement_spans('{"Statement": {"Effect": "Allow"}}')
    assert [(span.column, span.end_column) for span in single] == [(15, 34)]


def test_keys_are_those_of_conditions_and_of_variables_without_a_default() -> None:
    assert context_keys(DOCUMENT) == (("aws:username",), ("aws:SourceVpc", "aws:userid"))
    old = '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:username}"}}'
    assert context_keys(old) == ((),)


@given(st.integers(0, 5), st.sampled_from((None, 1, 4)), st.text(max_size=20))
def test_spans_cut_out_exactly_the_statements(count: int, indent: int | None, text: str) -> None:
    statements = [{"Sid": f"s{number}", "x": [text, {"Statement": [text]}]} for number in range(count)]
    document = json.dumps({"Id": text, "Statement": statements, "Version": "2012-10-17"}, indent=indent)
    lines = document.split("\n")

    def offset(line: int, column: int) -> int:
        return sum(len(one) + 1 for one in lines[: line - 1]) + column - 1

    found = [
        json.loads(document[offset(span.line, span.column) : offset(span.end_line, span.end_column)])
        for span in statement_spans(document)
    ]
    assert found == statements
