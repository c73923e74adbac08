"""XML to members and back, by shape: the part that query and rest-xml share.

Reading refuses document types, so there are no entities to expand; writing knows nothing but elements,
attributes and text.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from botocore.model import ListShape, MapShape, Shape, StructureShape

from lakewarden.wire.codecs import scalars
from lakewarden.wire.codecs.scalars import Malformed

_MAX_DEPTH = 64
_MAX_ELEMENTS = 120_000  # the largest real body names 10,000 parts with a number, an ETag and checksums
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(slots=True)
class Element:
    """An element: ``tag`` without its prefix, attributes as written."""

    tag: str
    attributes: Mapping[str, str]
    children: list["Element"] = field(default_factory=list)
    text: str = ""


def read(body: bytes) -> Element:
    """The root element of ``body``; raises :class:`Malformed`."""
    stack: list[Element] = [Element("", {})]
    texts: list[list[str]] = [[]]
    count = 0
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > _MAX_DEPTH or count > _MAX_ELEMENTS:
            raise Malformed("the XML is nested too deeply or too long")
        texts.append([])
        element = Element(tag.rpartition(":")[2], attributes)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_tag: str) -> None:
        stack.pop().text = "".join(texts.pop())

    def text(data: str) -> None:
        texts[-1].append(data)

    def doctype(*_: object) -> None:
        # INVARIANT: no document type means no entities: neither files nor a billion laughs.
        raise Malformed("document types are not accepted")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    parser.buffer_text = True
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise Malformed("the XML is not well-formed") from error
    return stack[0].children[0]


def parse(shape: Shape, element: Element) -> Any:
    """The value of ``shape`` that ``element`` holds; raises :class:`Malformed`."""
    if isinstance(shape, StructureShape):
        return _structure(shape, element)
    if isinstance(shape, ListShape):
        name = shape.member.serialization.get("name", "member")
        return [parse(shape.member, child) for child in element.children if child.tag == name]
    if isinstance(shape, MapShape):
        return dict(_entry(shape, child) for child in element.children if child.tag == "entry")
    return scalars.parse_text(shape, element.text, "iso8601")


def _structure(shape: StructureShape, element: Element) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, member in shape.members.items():
        serialization = member.serialization
        if "location" in serialization:
            continue
        tag = _tag(name, member)
        if serialization.get("xmlAttribute"):
            if tag in element.attributes:
                members[name] = scalars.parse_text(member, element.attributes[tag], "iso8601")
            continue
        found = [child for child in element.children if child.tag == tag]
        if not found:
            continue
        if isinstance(member, ListShape) and serialization.get("flattened"):
            members[name] = [parse(member.member, child) for child in found]
        elif isinstance(member, MapShape) and serialization.get("flattened"):
            members[name] = dict(_entry(member, child) for child in found)
        else:
            members[name] = parse(member, found[0])
    return members


def _tag(name: str, member: Shape) -> str:
    """The element name of a member; a flattened list may rename it on its items (botocore's ``_member_key_name``)."""
    if isinstance(member, ListShape) and member.serialization.get("flattened"):
        item_name = member.member.serialization.get("name")
        if item_name is not None:
            return str(item_name)
    return str(member.serialization.get("name", name))


def _entry(shape: MapShape, element: Element) -> tuple[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    key = next((child.text for child in element.children if child.tag == key_name), "")
    value = next((child for child in element.children if child.tag == value_name), Element("", {}))
    return key, parse(shape.value, value)


class Writer:
    """Builds an XML document from the outside in."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def open(self, tag: str, attributes: Iterable[tuple[str, str]] = ()) -> None:
        """Begin an element; empty attribute values are left out."""
        written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes if value)
        self._parts.append(f"<{tag}{written}>")

    def close(self, tag: str) -> None:
        """End the element."""
        self._parts.append(f"</{tag}>")

    def leaf(self, tag: str, text: str) -> None:
        """An element that holds text only. What XML 1.0 cannot carry becomes U+FFFD."""
        self._parts.append(f"<{tag}>{escape(_NOT_XML.sub('�', text), {chr(13): '&#13;'})}</{tag}>")

    def document(self, *, declaration: bool = True) -> bytes:
        """All that was written."""
        head = '<?xml version="1.0" encoding="UTF-8"?>\n' if declaration else ""
        return (head + "".join(self._parts)).encode()


def write(out: Writer, shape: Shape, tag: str, value: Any) -> None:
    """Write ``value`` of ``shape`` as element ``tag``."""
    if isinstance(shape, StructureShape):
        attributes = list(_namespace(shape))
        for name, member in shape.members.items():
            if member.serialization.get("xmlAttribute") and value.get(name) is not None:
                attributes.append((member.serialization.get("name", name), str(value[name])))
        out.open(tag, attributes)
        write_members(out, shape, value)
        out.close(tag)
    elif isinstance(shape, ListShape):
        out.open(tag)
        for item in value:
            write(out, shape.member, shape.member.serialization.get("name", "member"), item)
        out.close(tag)
    elif isinstance(shape, MapShape):
        out.open(tag)
        _write_entries(out, shape, "entry", value)
        out.close(tag)
    else:
        out.leaf(tag, scalars.format_text(shape, value, "iso8601"))


def write_members(out: Writer, shape: StructureShape, value: Mapping[str, Any]) -> None:
    """Write the members of a structure that travel in the body."""
    for name, member in shape.members.items():
        item = value.get(name)
        serialization = member.serialization
        if item is None or "location" in serialization or serialization.get("xmlAttribute"):
            continue
        tag = _tag(name, member)
        if isinstance(member, ListShape) and serialization.get("flattened"):
            for one in item:
                write(out, member.member, tag, one)
        elif isinstance(member, MapShape) and serialization.get("flattened"):
            _write_entries(out, member, tag, item)
        else:
            write(out, member, tag, item)


def _write_entries(out: Writer, shape: MapShape, tag: str, value: Mapping[str, Any]) -> None:
    for key, item in value.items():
        out.open(tag)
        out.leaf(shape.key.serialization.get("name", "key"), key)
        write(out, shape.value, shape.value.serialization.get("name", "value"), item)
        out.close(tag)


def _namespace(shape: Shape) -> Iterable[tuple[str, str]]:
    namespace = shape.serialization.get("xmlNamespace")
    if isinstance(namespace, Mapping):
        prefix = namespace.get("prefix")
        yield (f"xmlns:{prefix}" if prefix else "xmlns", namespace["uri"])
