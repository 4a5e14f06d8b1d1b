"""Products and rounding that mean the same on a GPU and in Triton's interpreter.

The interpreter multiplies the bit patterns of bfloat16 as integers and truncates where it should
round to nearest even; both would be silent. Kernels load bfloat16, widen at once, and come here for
every product and every narrowing.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def dot(a, b, acc, NARROW: tl.constexpr, INTERPRET: tl.constexpr):
    """Add the matrix product of fp32 tiles to `acc`, in the precision of `NARROW` inputs.

    Tiles hold values that `NARROW` can represent, so narrowing them for the tensor core is exact.
    fp32 inputs are multiplied in full precision, never as TF32.
    """
    if INTERPRET:
        return tl.dot(a, b, acc, input_precision="ieee")
    if NARROW == tl.float32:
        return tl.dot(a, b, acc, input_precision="ieee")
    return tl.dot(a.to(NARROW), b.to(NARROW), acc)


@triton.jit
def narrow(x, NARROW: tl.constexpr, INTERPRET: tl.constexpr):
    """Round finite fp32 values to nearest even in `NARROW`, for storing."""
    if INTERPRET and NARROW == tl.bfloat16:
        bits = x.to(tl.uint32, bitcast=True)
        bits = bits + 0x7FFF + ((bits >> 16) & 1)
        return (bits >> 16).to(tl.uint16).to(tl.bfloat16, bitcast=True)
    return x.to(NARROW)


@triton.jit
def rounded(x, NARROW: tl.constexpr, INTERPRET: tl.constexpr):
    """Round finite fp32 values as `narrow` does, and keep them in fp32."""
    if NARROW == tl.float32:
        return x
    if INTERPRET and NARROW == tl.bfloat16:
        bits = x.to(tl.uint32, bitcast=True)
        bits = bits + 0x7FFF + ((bits >> 16) & 1)
        return (bits & 0xFFFF0000).to(tl.float32, bitcast=True)
    return x.to(NARROW).to(tl.float32)


@triton.jit
def round_half_even(x):
    """Round fp32 values below 2^22 in magnitude to the nearest integer, halves to the even one."""
    # Where a float's last bit is worth one, adding is rounding; neither target has `rint`.
    return (x + 12582912.0) - 12582912.0
