"""What of a package index is passed on: hostile addresses, pages, links."""

import json

import pytest

from lakewarden.studio.index import described, files, index_of, is_file, is_project, normalized, origin_of, page

INDEX = index_of("https://reader:p%40ss@Index.example/simple", ("https://files.example", "http://10.0.0.9:8080/x"))
PAGE = "https://index.example/simple/tool/"


def names(body: str, kind: str = "text/html") -> list[str]:
    return list(files(INDEX, PAGE, kind, body.encode()))


def test_an_address_is_taken_apart() -> None:
    assert INDEX.root == "https://index.example/simple/"
    assert INDEX.origins == {"https://index.example", "https://files.example", "http://10.0.0.9:8080"}
    assert INDEX.page("Big_Tool.x") == "https://index.example/simple/big-tool-x/"
    assert INDEX.credentials("https://index.example:443/y") == "Basic cmVhZGVyOnBAc3M="
    assert INDEX.credentials("https://files.example/y") == ""
    assert "p@ss" not in repr(INDEX)
    assert "Basic" not in repr(INDEX)


@pytest.mark.parametrize(
    "address",
    [
        "", "index.example/simple", "ftp://index.example/", "file:///etc", "http://index.example/simple/", "https:///x",
        "http://8.8.8.8/", "http://169.254.169.254/", "http://0.0.0.0/", "https://index.example/?x=1", "https://a b/",
        "https://index.example:x/",
    ],
)  # fmt: skip
def test_an_address_that_anybody_could_stand_in_for_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        index_of(address)
    if not address.endswith("?x=1"):
        with pytest.raises(ValueError, match=r"."):
            index_of("https://index.example/", (address,))


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/s/", "http://localhost/", "http://[::1]:8/", "http://10.1.2.3/"]
)
def test_plain_http_is_for_near_places(address: str) -> None:
    assert index_of(address).root.startswith(origin_of(address))


def test_links_lead_back_to_us_or_nowhere() -> None:
    body = (
        '<a href="../../files/tool-1.whl#sha256='
        + "a" * 64
        + '" data-requires-python="&gt;=3.8" data-yanked="bad">x</a>'
        '<a href="https://files.example/a%2B/tool-1%2B2.whl" data-core-metadata="sha256=ab">x</a>'
        '<a href="https://files.example/q/tool-3.whl?sign=1">x</a>'
        '<a href="https://files.example.evil/tool-4.whl">x</a>'
        '<a href="https://files.example@evil/tool-5.whl">x</a>'
        '<a href="//evil/tool-6.whl">x</a>'
        '<a href="http://files.example/tool-7.whl">x</a>'
        '<a href="https://files.example:8443/tool-8.whl">x</a>'
        '<a href="javascript:alert(1)/tool-9.whl">x</a>'
        '<a href="http://[::1/tool-10.whl">x</a>'
        '<a href="tool-11.whl.metadata">x</a><a href="..">up</a><a>none</a><a href="%00.whl">x</a>'
    )
    found = files(INDEX, PAGE, "text/html; charset=utf-8", body.encode())
    assert list(found) == ["tool-1.whl", "tool-1+2.whl", "tool-3.whl"]
    assert found["tool-1.whl"].address == "https://index.example/files/tool-1.whl"
    assert found["tool-3.whl"].address == "https://files.example/q/tool-3.whl?sign=1"
    shown = page("Tool", found)
    assert '<a href="/_studio/packages/files/tool/tool-1.whl#sha256=aaaa' in shown
    assert 'data-requires-python="&gt;=3.8" data-yanked="bad"' in shown
    assert '/_studio/packages/files/tool/tool-1%2B2.whl" data-core-metadata="sha256=ab"' in shown
    assert "files.example" not in shown


def test_json_pages_say_the_same() -> None:
    listed = [
        {"filename": "tool-1.whl", "url": "https://files.example/1", "hashes": {"sha256": "b" * 64}, "yanked": False,
         "requires-python": ">=3.8", "core-metadata": {"sha256": "cc"}},
        {"filename": "tool-2.whl", "url": "/x/2", "hashes": {"md5": "x"}, "yanked": True, "core-metadata": True},
        {"filename": "../../etc", "url": "/x/3", "hashes": {}},
        {"filename": "tool-4.whl", "url": "http://169.254.169.254/", "hashes": {}},
    ]  # fmt: skip
    found = files(INDEX, PAGE, "application/vnd.pypi.simple.v1+json", json.dumps({"files": listed}).encode())
    assert [(one.name, one.digest, one.yanked, one.metadata) for one in found.values()] == [
        ("tool-1.whl", f"sha256={'b' * 64}", None, "sha256=cc"),
        ("tool-2.whl", "", "", "true"),
    ]


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "{}", '{"files": 1}', '{"files": [1]}', '{"files": [{"url": "x"}]}', "[" * 9999]
)
def test_what_is_no_page_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        names(body, "application/vnd.pypi.simple.v1+json")


@pytest.mark.parametrize("name", ["", ".", "..", "-a", "a-", "a/b", "a%2fb", "a b", "a\x00", "é", "a" * 129, "a\n"])
def test_what_is_no_projects_name(name: str) -> None:
    assert not is_project(name)


def test_names() -> None:
    assert normalized("A._-b") == "a-b"
    assert described("x.whl.metadata") == ("x.whl", True)
    assert described("x.whl") == ("x.whl", False)
    assert is_file("x-1!2.0+local.whl")
    assert not is_file("../x.whl")
