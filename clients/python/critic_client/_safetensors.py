"""Write one uint8 tensor in the safetensors format: a length, a JSON header, then the bytes.

The format: an unsigned 64-bit little-endian header size, that many bytes of JSON with `dtype`,
`shape` and `data_offsets` per tensor and string-to-string `__metadata__`, padded with spaces so
that the data begins at a multiple of eight, then the data in C order.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence

_ALIGNMENT = 8


def write_uint8(name: str, shape: Sequence[int], data: bytes, metadata: Mapping[str, str]) -> bytes:
    """Serialise one uint8 tensor.

    Args:
        name: of the tensor.
        shape: its dimensions; their product is the number of bytes of `data`.
        data: the elements in C order.
        metadata: strings stored beside the tensor.

    Raises:
        ValueError: if `data` does not fill `shape` exactly.
    """
    if math.prod(shape) != len(data):
        raise ValueError(f"shape {tuple(shape)} needs {math.prod(shape)} bytes, not {len(data)}")
    header = json.dumps(
        {
            "__metadata__": dict(metadata),
            name: {"dtype": "U8", "shape": list(shape), "data_offsets": [0, len(data)]},
        },
        separators=(",", ":"),
    ).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    return b"".join((struct.pack("<Q", len(header)), header, data))
