"""Vectors for compiled loops: sixteen numbers that stay in the processor's registers.

Numba turns a loop over channels into vector instructions, but fetches and puts back its
sums at every turn. A filter has little to do but such sums. So kernels hold those of
sixteen channels in a `Lanes` value, which LLVM keeps in registers from the first tap to
the last and maps onto whatever vectors the processor has.

Rows that are worked on so are arrays of shape (block of channels, row, `LANES`) whose last
two axes are contiguous.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.extending import lower_builtin, models, register_model, type_callable

#: Channels that are worked on together. Kernels that numba keeps hold it, and the code below: see
#: `kernels` before changing either.
LANES = 16

#: A function for compiled code alone, whose types a checker cannot follow.
_intrinsic: Any = extending.intrinsic
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
#: Arrays begin anywhere; where they begin with a cache line, that costs nothing.
_ALIGNED = 4


def blocks(channels: int) -> int:
    """Vectors that so many channels fill; the last may be filled in part."""
    return -(-channels // LANES)


class _LanesType(types.Type):
    """The type of such a vector, as numba knows it."""


_LANES = _LanesType(name="Lanes")


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _LanesType):
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _address(context: Any, builder: Any, kind: Any, array: Any, place: list[Any]) -> Any:
    """Address of the vector that begins at an array's element (i, j) or (i, j, 0)."""
    held = context.make_array(kind)(context, builder, array)
    size = ir.IntType(64)
    # A stride that the compiler knows leaves no multiplications in the loops.
    apart = 4 * (LANES if kind.ndim == 3 else 1)
    far = builder.mul(place[0], builder.extract_value(held.strides, 0))
    far = builder.add(far, builder.mul(place[1], ir.Constant(size, apart)))
    first = builder.bitcast(held.data, ir.IntType(8).as_pointer())
    return builder.bitcast(builder.gep(first, [far]), _VECTOR.as_pointer())


def _splat(builder: Any, number: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    index = ir.IntType(32)
    one = builder.insert_element(nothing, number, ir.Constant(index, 0))
    zeros = ir.Constant(ir.VectorType(index, LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, zeros)


@_intrinsic
def load(context: Any, array: Any, i: Any, j: Any) -> Any:
    """Get the `LANES` numbers from an element (i, j) or (i, j, 0) of a float32 array on."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        at = _address(context, builder, signature.args[0], given[0], given[1:])
        return builder.load(at, align=_ALIGNED)

    return _LANES(array, types.intp, types.intp), generate


@_intrinsic
def store(context: Any, array: Any, i: Any, j: Any, lanes: Any) -> Any:
    """Put `LANES` numbers where an element (i, j) or (i, j, 0) of a float32 array begins."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        at = _address(context, builder, signature.args[0], given[0], given[1:3])
        builder.store(given[3], at, align=_ALIGNED)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, _LANES), generate


@_intrinsic
def splat(context: Any, number: Any) -> Any:
    """Give all lanes one number."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return _splat(builder, given[0])

    return _LANES(types.float32), generate


@_intrinsic
def multiply_add(context: Any, first: Any, second: Any, added: Any) -> Any:
    """Give ``first * second + added``, rounded once where the processor can."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)

    return _LANES(_LANES, _LANES, _LANES), generate


@_intrinsic
def take(context: Any, turn: Any, many: Any) -> Any:
    """Add to the only element of an int64 array, and give what it was; no two threads at once."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        held = context.make_array(signature.args[0])(context, builder, given[0])
        return builder.atomic_rmw("add", held.data, given[1], "monotonic")

    return types.int64(turn, types.int64), generate


def _elementwise(operation: Any, emit: str) -> None:
    @type_callable(operation)
    def typed(context: Any) -> Any:
        def typer(left: Any, right: Any) -> Any:
            return _LANES if left == right == _LANES else None

        return typer

    @lower_builtin(operation, _LANES, _LANES)
    def lowered(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return getattr(builder, emit)(*given)


_elementwise(operator.add, "fadd")
_elementwise(operator.sub, "fsub")
_elementwise(operator.mul, "fmul")
