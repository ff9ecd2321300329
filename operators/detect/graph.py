"""Make the graph of an ONNX file take pictures of any size, without the `onnx` package.

Some exporters freeze the input size (CenterFace: 10x3x32x32) and list the weights as inputs, which keeps ONNX Runtime
from folding them. Only the two outer levels of the file (ModelProto, GraphProto) are rewritten here: shapes of inputs
and outputs are dropped, weights leave the list of inputs, node and weight bytes are copied as they are.
Field numbers: onnx.proto3.

`declared` says what the file itself states about input and outputs, for networks that take one size only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import ConfigError

_MODEL_IR, _MODEL_GRAPH = 1, 7
_GRAPH_INITIALIZER, _GRAPH_INPUT, _GRAPH_OUTPUT, _GRAPH_VALUE_INFO = 5, 11, 12, 13
_TENSOR_NAME, _VALUE_NAME, _VALUE_TYPE = 8, 1, 2
_TYPE_TENSOR, _TENSOR_ELEM, _TENSOR_SHAPE = 1, 1, 2
_SHAPE_DIM, _DIM_VALUE = 1, 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIRST_IR_WITH_CONSTANTS = 4


@dataclass(frozen=True, slots=True)
class Declared:
    """Height and width that the network's input is fixed to, None where either is free; the number of its outputs."""

    size: tuple[int, int] | None
    outputs: int


def declared(model: bytes) -> Declared:
    """What the file states about its first input, taken for (n, 3, h, w), and its outputs.

    Raises:
        ConfigError: not an ONNX file.

    """
    graph = _member(memoryview(model), _MODEL_GRAPH)
    fields = list(_fields(memoryview(graph)))
    weights = {_member(value, _TENSOR_NAME) for number, _, value in fields if number == _GRAPH_INITIALIZER}
    inputs = [v for n, _, v in fields if n == _GRAPH_INPUT and _member(v, _VALUE_NAME) not in weights]
    if not inputs:
        raise ConfigError("the model file holds no ONNX graph with an input")
    shape = _member(_member(_member(inputs[0], _VALUE_TYPE), _TYPE_TENSOR), _TENSOR_SHAPE)
    sides = [_number(v, _DIM_VALUE) for n, _, v in _fields(memoryview(shape)) if n == _SHAPE_DIM]
    fixed = (sides[2], sides[3]) if len(sides) == 4 and min(sides[2:]) > 0 else None
    return Declared(fixed, sum(number == _GRAPH_OUTPUT for number, _, _ in fields))


def free_shapes(model: bytes) -> bytes:
    """The same network without fixed input and output shapes, its weights constant.

    Raises:
        ConfigError: not an ONNX file.

    """
    out, seen = bytearray(), False
    for number, kind, value in _fields(memoryview(model)):
        if number == _MODEL_IR and isinstance(value, int):
            value = max(value, _FIRST_IR_WITH_CONSTANTS)
        elif number == _MODEL_GRAPH and not isinstance(value, int):
            value, seen = memoryview(_free_graph(value)), True
        out += _field(number, kind, value)
    if not seen:
        raise ConfigError("the model file holds no ONNX graph")
    return bytes(out)


def _free_graph(graph: memoryview) -> bytes:
    fields = list(_fields(graph))
    weights = {_member(value, _TENSOR_NAME) for number, _, value in fields if number == _GRAPH_INITIALIZER}
    out = bytearray()
    for number, kind, value in fields:
        if number == _GRAPH_VALUE_INFO or (number == _GRAPH_INPUT and _member(value, _VALUE_NAME) in weights):
            continue
        if number in (_GRAPH_INPUT, _GRAPH_OUTPUT):
            value = memoryview(_free_value(value))
        out += _field(number, kind, value)
    return bytes(out)


def _free_value(value: int | memoryview) -> bytes:
    """A ValueInfoProto with name and element type only."""
    tensor = _member(_member(value, _VALUE_TYPE), _TYPE_TENSOR)
    element = _number(tensor, _TENSOR_ELEM)
    bare = _field(_TYPE_TENSOR, _BYTES, _field(_TENSOR_ELEM, _VARINT, element))
    return _field(_VALUE_NAME, _BYTES, _member(value, _VALUE_NAME)) + _field(_VALUE_TYPE, _BYTES, bare)


def _number(message: int | bytes | memoryview, number: int) -> int:
    """The first whole number of this field; 0 where there is none."""
    if isinstance(message, int):
        raise ConfigError("the model file is not ONNX: a number where a message belongs")
    return next((v for n, _, v in _fields(memoryview(message)) if n == number and isinstance(v, int)), 0)


def _member(message: int | bytes | memoryview, number: int) -> bytes:
    """The first length-delimited field of this number; empty where there is none."""
    if isinstance(message, int):
        raise ConfigError("the model file is not ONNX: a number where a message belongs")
    return next((bytes(v) for n, _, v in _fields(memoryview(message)) if n == number and not isinstance(v, int)), b"")


def _fields(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """The fields of one Protobuf message: number, wire type, value."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ConfigError(f"the model file is not ONNX: wire type {kind}")
        if at + size > len(data):
            raise ConfigError("the model file is cut short")
        yield number, kind, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ConfigError("the model file is not ONNX: a number without end")


def _field(number: int, kind: int, value: int | bytes | memoryview) -> bytes:
    head = _encode(number << 3 | kind)
    if isinstance(value, int):
        return head + _encode(value)
    return head + (_encode(len(value)) if kind == _BYTES else b"") + bytes(value)


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
