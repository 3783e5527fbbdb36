"""Read a TensorFlow checkpoint (a "tensor bundle") without TensorFlow.

``model.index`` is a table in LevelDB's format: blocks of sorted keys, each stored without the
prefix that it shares with the key before. A key is a variable's name, its value a protobuf message
(BundleEntryProto) that gives the location of its numbers in ``model.data-00000-of-00001``.
Anything that does not follow this format raises ValueError; nothing is used unchecked.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER = 48
"""Bytes at the end of a table: where its index of blocks is, padding, and ``MAGIC``."""
TRAILER = 5
"""Bytes after a block: whether it is compressed, and a checksum."""
FLOAT = 1
"""TensorFlow's DT_FLOAT."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types of the fields of a protobuf message."""


def read(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """The variables of a checkpoint that are 32-bit floats, by name, as views of ``data``."""
    found = {}
    for key, value in _entries(index):
        fields = dict(_fields(value))
        # The entry without a name describes the bundle itself.
        if key and _number(fields, 1) == FLOAT:
            found[key.decode("utf-8")] = _tensor(fields, data)
    return found


def _tensor(fields: dict[int, Any], data: bytes) -> NDArray[np.float32]:
    shape = [
        _number(dict(_fields(_message(size))), 1)
        for field, size in _fields(_message(fields.get(2, b"")))
        if field == 2
    ]
    offset, size = _number(fields, 4), _number(fields, 5)
    if _number(fields, 3) or 7 in fields:
        raise ValueError("a variable is in several files")
    if size != 4 * math.prod(shape) or offset + size > len(data):
        raise ValueError("a variable is not where the index has it")
    return np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)


# ---------------------------------------------------------------- a table


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    if len(table) < FOOTER or table[-8:] != MAGIC:
        raise ValueError("it is not the index of a checkpoint")
    footer = table[-FOOTER:-8]
    _, at = _handle(footer, 0)  # of properties, which TensorFlow writes none of
    place, _ = _handle(footer, at)
    for _, value in _block(table, place):
        where, _ = _handle(value, 0)
        yield from _block(table, where)


def _block(table: bytes, place: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a block, which ends with the offsets of keys that are stored whole."""
    offset, size = place
    if size < 4 or offset + size + TRAILER > len(table):
        raise ValueError("a block is not where the index has it")
    if table[offset + size]:
        raise ValueError("a block is compressed")
    block = table[offset : offset + size]
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")
    if end < 0:
        raise ValueError("a block is damaged")
    at, key = 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("a block is damaged")
        key = key[:shared] + block[at : at + own]
        at += own + length
        yield key, block[at - length : at]


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


# ---------------------------------------------------------------- numbers and messages


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    found = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            raise ValueError("it breaks off inside a number")
        found |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return found, at
    raise ValueError("a number has no end")


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: their numbers, and an int or bytes each."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, kind = divmod(tag, 8)
        if kind == VARINT:
            value, at = _varint(message, at)
            yield field, value
            continue
        if kind == BYTES:
            size, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError("a message is damaged")
        if at + size > len(message):
            raise ValueError("a message breaks off")
        yield field, message[at : at + size]
        at += size


def _number(fields: dict[int, Any], field: int) -> int:
    """A field that is a number, 0 if it is missing (protobuf omits zeros)."""
    value = fields.get(field, 0)
    if not isinstance(value, int):
        raise ValueError("a message has something else where a number belongs")
    return value


def _message(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a message has a number where another message belongs")
    return value
