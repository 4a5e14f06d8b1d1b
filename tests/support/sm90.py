"""Compile a Triton kernel for sm_90a without a GPU, and read what the assembler says of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

TARGET = GPUTarget("cuda", 90, 32)
MAX_SHARED_BYTES = 227 * 1024


@dataclass(frozen=True)
class Compiled:
    """Resources of one compiled variant; spills in bytes, `wgmma` counts instructions."""

    registers: int
    shared_bytes: int
    spill_stores: int
    spill_loads: int
    wgmma: int


def compile_for_sm90(
    kernel: Any,
    pointers: Mapping[str, str],
    numbers: Mapping[str, str],
    constants: Mapping[str, Any],
    aligned: Sequence[str],
    num_warps: int,
    num_stages: int,
) -> Compiled:
    """Compile one variant.

    Args:
        pointers, numbers: argument name to type, such as `*bf16` or `i32`.
        constants: constexpr arguments.
        aligned: arguments that are multiples of 16, as the launcher would find them.
    """
    names = list(kernel.arg_names)
    signature = {**pointers, **numbers, **dict.fromkeys(constants, "constexpr")}
    source = ASTSource(
        fn=kernel,
        signature={name: signature[name] for name in names},
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in aligned},
    )
    options = {"num_warps": num_warps, "num_stages": num_stages}
    compiled = triton.compile(source, target=TARGET, options=options)
    ptx = compiled.asm["ptx"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(ptx)
        command = [get_ptxas(90).path, "-v", "--gpu-name=sm_90a", "-o", "/dev/null", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", said)
    registers = re.search(r"Used (\d+) registers", said)
    if spills is None or registers is None:
        raise RuntimeError(f"the assembler did not report resources: {said[:500]}")
    return Compiled(
        registers=int(registers[1]),
        shared_bytes=int(compiled.metadata.shared),
        spill_stores=int(spills[1]),
        spill_loads=int(spills[2]),
        wgmma=ptx.count("wgmma.mma_async"),
    )
