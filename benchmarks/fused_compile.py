"""Compile the fused kernels for an H100 or H200 without a card, and print what a program of each takes.

    python benchmarks/fused_compile.py

Needs Triton, which brings its own ptxas. Ends with the table as Markdown and one JSON line.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sfc_cli.core.propagation import fused
from sfc_cli.core.propagation import fused_kernels as kernels
from sfc_cli.settings.propagation import PropagationSettings

# Registers of a multiprocessor and its shared memory in bytes, of which each program costs 1 KB more.
REGISTERS, SHARED = 65536, 228 * 1024
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
SHAPES = [
    # channels, top_k, radius
    (256, 10, 12.0),
    (1024, 10, 12.0),
    (1280, 15, 15.0),
    (256, 32, 12.0),
    (1280, 32, 15.0),
    (2048, 15, 15.0),
]


class Launch:
    """Stands in for a kernel and keeps the options that it is launched with."""

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    def __getitem__(self, _grid: tuple[int, int]) -> Callable[..., None]:
        return lambda *_, **options: self.options.update(options)


def launches(
    channels: int, top_k: int, radius: float, precision: str, blocks: fused.Blocks | None = None
) -> list[dict[str, Any]]:
    """Return the compile-time arguments with which the matcher launches the two kernels."""
    stands = [Launch(), Launch()]
    originals = kernels.select_kernel, kernels.vote_kernel, fused.why_not_fused
    kernels.select_kernel, kernels.vote_kernel = stands
    fused.why_not_fused = lambda *_: None
    try:
        settings = PropagationSettings(top_k=top_k, radius=radius, context_frames=1)
        first = torch.ones(channels, *SIZE)
        fused.FusedMatcher(first, settings, precision, blocks=blocks).advance(first[None])
    finally:
        kernels.select_kernel, kernels.vote_kernel, fused.why_not_fused = originals
    return [stand.options for stand in stands]


def compiled(kernel: Any, options: dict[str, Any], capability: int = 90) -> dict[str, Any]:
    """Compile a kernel and return what a program of it takes."""
    names = list(kernel.arg_names)
    signature = {n: "constexpr" if n in options else TYPES.get(n, "i32") for n in names}
    if options.get("EXACT"):
        signature["features"] = "*fp32"
    signature["boxes"] = signature["features"]
    if options["BOXES"] and "boxes" in names:
        shape = (1, options["TILE_H"], options["TILE_W"], options["BLOCK_C"])
        signature["boxes"] = f"tensordesc<fp16{list(shape)}>"
    # As at run time: all tensors but the votes', of which a batch may be any part, begin at multiples of 16.
    aligned = {
        (i,): [["tt.divisibility", 16]]
        for i, n in enumerate(names)
        if signature[n].startswith("*") and n not in ("weights", "sources")
    }
    constants = {(names.index(n),): value for n, value in options.items() if n in names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=aligned)
    launch = {n: value for n, value in options.items() if n not in names}
    result = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=launch)
    usage, assembly = inspect(result.asm["cubin"])
    warps = launch["num_warps"]
    registers = int(re.search(r"REG:(\d+)", usage)[1])
    shared = result.metadata.shared
    return {
        "registers": registers,
        "stack bytes": int(re.search(r"STACK:(\d+)", usage)[1]),
        "spill stores": len(re.findall(r"\bSTL\b", assembly)),
        "shared KB": round(shared / 1024, 1),
        "warps": warps,
        # Registers are given to a warp in portions of 256.
        "programs per SM": min(
            REGISTERS // (-(-registers * 32 // 256) * 256 * warps), SHARED // (shared + 1024), 32, 64 // warps
        ),
        "instructions": len(re.findall(r"^\s+/\*[0-9a-f]{4,}\*/", assembly, re.MULTILINE)),
        "HGMMA": assembly.count("HGMMA"),
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


def main() -> None:
    rows = []
    for channels, top_k, radius in SHAPES:
        for precision in ("exact", "fast"):
            options = launches(channels, top_k, radius, precision)
            for kernel, launch in zip((kernels.select_kernel, kernels.vote_kernel), options, strict=True):
                queries = launch.get("BLOCK_Q", launch["TILE_H"] * launch["TILE_W"])
                keys = launch.get("BLOCK_K", launch["SLOTS"])
                row = {
                    "kernel": kernel.__name__,
                    "precision": precision,
                    "channels": channels,
                    "top_k": top_k,
                }
                row["block"] = f"{queries}×{keys}×{launch['BLOCK_C']}"
                rows.append({**row, "slots": launch["SLOTS"], **compiled(kernel, launch)})
    print(f"Triton {triton.__version__}, sm_90, map {SIZE[0]}×{SIZE[1]}\n")
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    spilling = [row for row in rows if row["stack bytes"]]
    print(f"\n{len(spilling)} of {len(rows)} kernels spill.")
    print(json.dumps({"benchmark": "fused_compile", "triton": triton.__version__, "rows": rows}))


if __name__ == "__main__":
    main()
