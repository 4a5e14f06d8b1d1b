"""Read the multipart body of a call back into its parts, for recordings and for fake services."""

from __future__ import annotations

import json
from email import message_from_bytes
from typing import Any

from ._errors import ProtocolError
from ._parts import Part


def read_parts(content_type: str, body: bytes) -> tuple[Part, ...]:
    """Split a `multipart/form-data` body, as this client sends it, into its parts.

    Raises:
        ProtocolError: if it is not one.
    """
    media_type, _, parameters = content_type.partition(";")
    boundary = parameters.partition("boundary=")[2].strip().strip('"').encode()
    if media_type.strip().lower() != "multipart/form-data" or not boundary:
        raise ProtocolError(f"the body is not multipart/form-data but {content_type!r:.80}")
    delimiter = b"\r\n--" + boundary
    pieces = (b"\r\n" + body).split(delimiter)
    if len(pieces) < 2 or pieces[0] or not pieces[-1].startswith(b"--"):
        raise ProtocolError("the multipart body does not begin or does not end with its boundary")
    return tuple(_read_part(piece) for piece in pieces[1:-1])


def split_request(parts: tuple[Part, ...]) -> tuple[dict[str, Any], dict[str, Part]]:
    """Return the JSON of a call and its clips by the name of their part.

    Raises:
        ProtocolError: if there is no part `request`, or it is no JSON object.
    """
    by_name = {part.name: part for part in parts}
    head = by_name.pop("request", None)
    try:
        request = json.loads(head.content) if head is not None else None
    except ValueError:
        request = None
    if not isinstance(request, dict):
        raise ProtocolError("the call has no part `request` with a JSON object")
    return request, by_name


def _read_part(piece: bytes) -> Part:
    head, separator, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    fields = message_from_bytes(head)
    name = fields.get_param("name", header="content-disposition")
    if not separator or not isinstance(name, str):
        raise ProtocolError("a part of the multipart body has no name")
    return Part(name, content, fields.get_content_type())
