"""Session policies of scoped credentials, judged by the evaluator that the guard uses."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.decision import Layer
from lakewarden.policy import Layers, PolicyKind, Request, compile_policy, context_of, decide
from lakewarden.storage.scoped import Place, Verbs, session_policy

EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
PRINCIPAL = Principal(PrincipalType.ASSUMED_ROLE, "1" * 12, "arn:aws:sts::1:assumed-role/r/s", "AROA:s", "r")
IDENTITY = compile_policy(EVERYTHING, layer=Layer.IDENTITY, name="all")
WORDS = st.text("ab/*?${}:.ü ", max_size=6)


def allowed(document: str, action: str, resource: str, **context: str) -> bool:
    session = compile_policy(document, layer=Layer.SESSION, name="session", kind=PolicyKind.IDENTITY)
    facts = context_of({key.replace("_", ":"): value for key, value in context.items()})
    request = Request(PRINCIPAL, action, resource, facts)
    return decide(request, Layers(identity=(IDENTITY,), session=(session,))).allowed


@settings(max_examples=400, deadline=None)
@given(WORDS, WORDS, st.sampled_from(["lake", "lake2"]))
def test_a_scoped_session_reaches_exactly_its_place(prefix: str, key: str, bucket: str) -> None:
    place = Place("lake", prefix)
    document = session_policy([place], Verbs.READ)
    assert allowed(document, "s3:GetObject", s3(f"{bucket}/{key}")) == place.holds(bucket, key)
    listed = allowed(document, "s3:ListBucket", s3(bucket), s3_prefix=key)
    assert listed == (bucket == "lake" and key.startswith(place.folder))


@settings(max_examples=200, deadline=None)
@given(WORDS, WORDS)
def test_a_key_below_the_prefix_is_reached_and_a_sibling_is_not(prefix: str, rest: str) -> None:
    document = session_policy([Place("lake", prefix)], Verbs.READ_WRITE)
    folder = Place("lake", prefix).folder
    assert allowed(document, "s3:PutObject", s3(f"lake/{folder}{rest}"))
    if folder:
        assert not allowed(document, "s3:PutObject", s3(f"lake/{folder[:-1]}x/{rest}"))
        assert not allowed(document, "s3:ListBucket", s3("lake"))


def test_verbs_and_places() -> None:
    read = session_policy([Place("lake", "a"), Place("other", "")], Verbs.READ)
    assert allowed(read, "s3:GetObject", s3("other/anything"))
    assert allowed(read, "s3:ListBucket", s3("other"))
    for action in (
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:GetObjectTagging",
        "s3:GetObjectVersion",
        "s3:GetBucketPolicy",
    ):
        assert not allowed(read, action, s3("lake/a/1"))
    assert not allowed(read, "sts:AssumeRole", "arn:aws:iam::1:role/r")
    write = session_policy([Place("lake", "a")], Verbs.WRITE)
    assert allowed(write, "s3:PutObject", s3("lake/a/1"))
    assert not allowed(write, "s3:GetObject", s3("lake/a/1"))
    assert not allowed(session_policy([], Verbs.READ_WRITE), "s3:GetObject", s3("lake/a/1"))
