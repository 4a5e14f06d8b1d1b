"""Compile kernels for sm_90a without a GPU, and keep a record of what the assembler says of them.

A file `tests/kernels/test_*.py` lists the kernels that it is about in a function `variants()`, as
instances of `Variant`. The record is rewritten, for the installed version of Triton, by

    PYTHONPATH=tests/support python -m sm90 --write
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.util
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "benchmarks" / "results" / "sm90a.jsonl"
MAX_SHARED_BYTES = 227 * 1024
MAX_WORKERS = 2


@dataclass(frozen=True)
class Variant:
    """One way to compile a kernel.

    Attributes:
        name: unique among the kernel's variants, such as `bf16-d128-causal`.
        kernel: the function under `@triton.jit`.
        signature: argument name to type, such as `*bf16`, `i32` or `fp32`; not the constexprs.
        constexprs: values of the compile-time arguments; an argument that is always 1 may be here
            too, since a launch specialises it.
        options: `num_warps`, `num_stages`.
        aligned: arguments that are multiples of 16, as a launch would find them.
        needs_wgmma: whether a variant without Hopper's matrix instructions is a failure.
    """

    name: str
    kernel: Any
    signature: Mapping[str, str]
    constexprs: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, int] = field(default_factory=dict)
    aligned: Sequence[str] = ()
    needs_wgmma: bool = False


@dataclass(frozen=True, order=True)
class Record:
    """Resources of a compiled variant: registers of a thread, bytes of a block's shared memory.

    `wgmma` counts instructions in the text, not how often they run.
    """

    triton: str
    kernel: str
    variant: str
    registers: int
    spill_store_bytes: int
    spill_load_bytes: int
    shared_bytes: int
    wgmma: int

    @property
    def spills(self) -> bool:
        return self.spill_store_bytes + self.spill_load_bytes > 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def compile_variant(variant: Variant) -> Record:
    """Compile one variant with Triton's own options. Needs a process without TRITON_INTERPRET.

    Raises:
        RuntimeError: where it does not compile, could not be launched for want of shared memory, or
            lacks the matrix instructions that it needs.
    """
    import triton

    try:
        ptx, shared_bytes, said = _compile(variant)
    except Exception as error:
        # Triton's errors cannot travel between processes.
        raise RuntimeError(f"{variant.name} does not compile: {error}") from None
    # One kernel, and the functions that it calls: each reports its own.
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", said)
    registers = re.findall(r"Used (\d+) registers", said)
    if not spills or not registers:
        raise RuntimeError(f"the assembler did not report resources: {said[:500]}")
    record = Record(
        triton=triton.__version__,
        kernel=variant.kernel.__name__,
        variant=variant.name,
        registers=max(map(int, registers)),
        spill_store_bytes=sum(int(stores) for stores, _ in spills),
        spill_load_bytes=sum(int(loads) for _, loads in spills),
        shared_bytes=shared_bytes,
        wgmma=ptx.count("wgmma.mma_async"),
    )
    if record.shared_bytes > MAX_SHARED_BYTES:
        raise RuntimeError(f"more than {MAX_SHARED_BYTES} bytes of shared memory: {record}")
    if variant.needs_wgmma and not record.wgmma:
        raise RuntimeError(f"no matrix instructions: {record}")
    return record


def compile_all(variants: Sequence[Variant]) -> list[Record]:
    """Compile variants on at most two cores; sorted records."""
    global _inherited
    _inherited = variants
    workers = min(MAX_WORKERS, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        return sorted(pool.map(_compile_inherited, range(len(variants))))


def find_variants(folder: Path = ROOT / "tests" / "kernels") -> list[Variant]:
    """Collect what the test files of a folder list.

    Raises:
        ValueError: where two variants of one kernel have the same name.
    """
    found: list[Variant] = []
    for path in sorted(folder.glob("test_*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if not any(isinstance(node, ast.FunctionDef) and node.name == "variants" for node in body):
            continue
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        found += module.variants()
    names = [(v.kernel.__name__, v.name) for v in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"variants with the same name: {sorted(twice)}")
    return found


def read_record(path: Path = RECORD) -> list[Record]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Record(**json.loads(line)) for line in lines]


def write_record(records: Iterable[Record], path: Path = RECORD) -> None:
    """Replace the records of the Triton versions at hand; keep those of others."""
    new = list(records)
    versions = {record.triton for record in new}
    kept = [record for record in read_record(path) if record.triton not in versions]
    text = "".join(f"{record.to_json()}\n" for record in sorted(kept + new))
    path.write_text(text, encoding="utf-8")


def main() -> None:
    """Compile all variants; print their records as JSON lines, or write them to the record."""
    parser = argparse.ArgumentParser("sm90", description=main.__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the record")
    parser.add_argument("--only", help="print those whose `kernel/variant` matches this glob")
    options = parser.parse_args()
    if options.write and options.only:
        parser.error("the record is written whole: --write goes without --only")
    os.environ.pop("TRITON_INTERPRET", None)
    os.environ["TRITON_DEFAULT_FP_FUSION"] = "1"
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TRITON_CACHE_DIR"] = cache
        variants = [
            v
            for v in find_variants()
            if fnmatchcase(f"{v.kernel.__name__}/{v.name}", options.only or "*")
        ]
        records = compile_all(variants)
    if options.write:
        write_record(records)
    else:
        print("\n".join(record.to_json() for record in records))


_inherited: Sequence[Variant] = ()


def _compile_inherited(index: int) -> Record:
    return compile_variant(_inherited[index])


def _compile(variant: Variant) -> tuple[str, int, str]:
    """Return the PTX, the bytes of shared memory, and the assembler's report."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(variant.kernel.arg_names)
    signature = {**variant.signature, **dict.fromkeys(variant.constexprs, "constexpr")}
    source = ASTSource(
        fn=variant.kernel,
        signature={name: signature[name] for name in names},
        constexprs={(names.index(name),): value for name, value in variant.constexprs.items()},
        attrs={(names.index(name),): [["tt.divisibility", 16]] for name in variant.aligned},
    )
    # What comes from a cache was not seen by the assembler.
    triton.knobs.compilation.always_compile = True
    triton.knobs.nvidia.dump_ptxas_log = True
    with contextlib.redirect_stdout(io.StringIO()) as said:
        compiled = triton.compile(
            source, target=GPUTarget("cuda", 90, 32), options=dict(variant.options)
        )
    return compiled.asm["ptx"], int(compiled.metadata.shared), said.getvalue()


if __name__ == "__main__":
    main()
