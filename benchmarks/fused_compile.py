"""Compile the fused kernels for several generations of cards without a card, and print what a program takes.

    python benchmarks/fused_compile.py [--targets 80 86 89 90 100 120] [--all-shapes]

Needs Triton, which brings its own ptxas. Rows with "boxes" are of keys that come by tensor descriptors, which
no card chooses yet. Ends with the table as Markdown and one JSON line.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sfc_cli.core.propagation import fused
from sfc_cli.core.propagation import fused_kernels as kernels
from sfc_cli.settings.propagation import PropagationSettings


class Multiprocessor(NamedTuple):
    """What programs share; all have 65,536 registers.

    Args:
        shared: Shared memory in KB, of which each program costs 1 KB more, and may take no more itself.
        warps: At most.
        programs: At most.
    """

    shared: int
    warps: int
    programs: int


REGISTERS = 65536
TARGETS = {
    80: Multiprocessor(164, 64, 32),
    86: Multiprocessor(100, 48, 16),
    89: Multiprocessor(100, 48, 24),
    90: Multiprocessor(228, 64, 32),
    100: Multiprocessor(228, 64, 32),
    120: Multiprocessor(100, 48, 24),
}
TYPES = {
    "features": "*fp16",
    "bias": "*fp32",
    "reachable": "*i32",
    "counts": "*i32",
    "affinities": "*fp32",
    "candidates": "*i32",
    "weights": "*fp32",
    "sources": "*i64",
    "inverse_temperature": "fp32",
}
SIZE = (60, 107)
# channels, top_k, radius
SHAPES = [(256, 10, 12.0), (1280, 15, 15.0), (1280, 32, 15.0)]
MORE_SHAPES = [(1024, 10, 12.0), (256, 32, 12.0), (2048, 15, 15.0)]


class Launch:
    """Stands in for a kernel and keeps the options that it is launched with."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    def __getitem__(self, _grid: tuple[int, int]) -> Callable[..., None]:
        return lambda *_, **options: self.options.update(options)


def launches(
    channels: int, top_k: int, radius: float, precision: str, target: int, *, boxes: bool = False
) -> list[dict[str, Any]]:
    """Return the compile-time arguments with which the matcher launches the two kernels on a card."""
    stands = [Launch(), Launch()]
    originals = kernels.select_kernel, kernels.vote_kernel, fused.why_not_fused, fused.choose_blocks
    kernels.select_kernel, kernels.vote_kernel = stands
    fused.why_not_fused = lambda *_: None

    def choose(*sizes: int, **_: int) -> fused.Blocks:
        return replace(originals[3](*sizes, generation=target // 10), boxes=boxes)

    fused.choose_blocks = choose
    try:
        settings = PropagationSettings(top_k=top_k, radius=radius, context_frames=1)
        first = torch.ones(channels, *SIZE)
        fused.FusedMatcher(first, settings, precision).advance(first[None])
    finally:
        kernels.select_kernel, kernels.vote_kernel, fused.why_not_fused, fused.choose_blocks = originals
    return [stand.options for stand in stands]


def compiled(kernel: Any, options: dict[str, Any], target: int) -> dict[str, Any]:
    """Compile a kernel for a compute capability and return what a program of it takes."""
    names = list(kernel.arg_names)
    signature = {n: "constexpr" if n in options else TYPES.get(n, "i32") for n in names}
    if options.get("EXACT"):
        signature["features"] = "*fp32"
    if "boxes" in names:
        shape = [1, options["TILE_H"], options["TILE_W"], options["BLOCK_C"]]
        signature["boxes"] = f"tensordesc<fp16{shape}>" if options["BOXES"] else "*fp16"
    # As at run time: all tensors but the votes', of which a batch may be any part, begin at multiples of 16.
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, n in enumerate(names)
        if signature[n].startswith("*") and n not in ("weights", "sources")
    }
    constants = {(names.index(n),): value for n, value in options.items() if n in names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    launch = {n: value for n, value in options.items() if n not in names}
    result = triton.compile(source, target=GPUTarget("cuda", target, 32), options=launch)
    usage, assembly = inspect(result.asm["cubin"])
    warps = launch["num_warps"]
    registers = int(re.search(r"REG:(\d+)", usage)[1])
    shared = result.metadata.shared / 1024
    card = TARGETS[target]
    return {
        "registers": registers,
        "stack bytes": int(re.search(r"STACK:(\d+)", usage)[1]),
        "spill stores": len(re.findall(r"\bSTL\b", assembly)),
        "shared KB": round(shared, 1),
        "warps": warps,
        # Registers are given to a warp in portions of 256.
        "programs per SM": min(
            REGISTERS // (-(-registers * 32 // 256) * 256 * warps),
            int(card.shared / (shared + 1)),
            card.warps // warps,
            card.programs,
        ),
        "instructions": len(re.findall(r"^\s+/\*[0-9a-f]{4,}\*/", assembly, re.MULTILINE)),
        "tensor core": len(re.findall(r"\b(?:HGMMA|HMMA|UTC\w*MMA)\b", assembly)),
        "async copies": assembly.count("LDGSTS"),
        "box copies": assembly.count("UTMALDG"),
    }


def inspect(cubin: bytes) -> tuple[str, str]:
    """Return the resource usage and the assembly of a compiled kernel."""
    tools = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        calls = (["cuobjdump", "-res-usage"], ["nvdisasm", "-c"])
        usage, assembly = (
            subprocess.run([tools / name, flag, file], check=True, capture_output=True, text=True).stdout
            for name, flag in calls
        )
    return usage, assembly


def rows_for(target: int, shapes: list[tuple[int, int, float]]) -> Iterator[dict[str, Any]]:
    """Compile both kernels as a card would launch them, and the first with boxes where a card has them."""
    for channels, top_k, radius in shapes:
        for precision in ("exact", "fast"):
            select, vote = launches(channels, top_k, radius, precision, target)
            jobs = [(kernels.select_kernel, select), (kernels.vote_kernel, vote)]
            if target >= 90 and select["BLOCK_K"] == select["TILE_H"] * select["TILE_W"]:
                boxed = launches(channels, top_k, radius, precision, target, boxes=True)
                jobs.append((kernels.select_kernel, boxed[0]))
            for kernel, launch in jobs:
                name = kernel.__name__ + (" boxes" if launch["BOXES"] else "")
                queries = launch.get("BLOCK_Q", launch["TILE_H"] * launch["TILE_W"])
                keys = launch.get("BLOCK_K", launch["SLOTS"])
                row = {"sm": target, "kernel": name, "precision": precision, "channels": channels}
                row |= {"top_k": top_k, "block": f"{queries}×{keys}×{launch['BLOCK_C']}"}
                yield {**row, "slots": launch["SLOTS"], **compiled(kernel, launch, target)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--targets", type=int, nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--all-shapes", action="store_true", help="all of the channels and votes, not half")
    options = parser.parse_args()
    shapes = [*SHAPES, *(MORE_SHAPES if options.all_shapes else ())]
    rows: list[dict[str, Any]] = []
    print(f"Triton {triton.__version__}, map {SIZE[0]}×{SIZE[1]}\n")
    for target in options.targets:
        for row in rows_for(target, shapes):
            if not rows:
                print("| " + " | ".join(row) + " |")
                print("|" + "---|" * len(row))
            print("| " + " | ".join(map(str, row.values())) + " |", flush=True)
            rows.append(row)
    spilling = [row for row in rows if row["stack bytes"]]
    print(f"\n{len(spilling)} of {len(rows)} kernels spill.")
    print(json.dumps({"benchmark": "fused_compile", "triton": triton.__version__, "rows": rows}))


if __name__ == "__main__":
    main()
