"""How fast `sfc download` brings a file over loopback, against curl, and in how much memory.

Each side runs in a process of its own and writes to the same folder; the order alternates. `transfer` is the
time between the request and the last byte inside our process; `process` includes starting Python, which
curl's figure has no counterpart of. Memory is the process's peak.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

FETCH = """
import json, resource, sys, time
from pathlib import Path
from sfc_cli.core.manifest import hash_file
from sfc_cli.commands.displays import open_display
from sfc_cli.download.connection import Patience
from sfc_cli.download.transfer import Part, Transfer
source, folder = sys.argv[1:]
part = Part(Path(folder) / "sfc.bin")
with open_display(each_part=True) as display:
    display.plan(None, "bytes")
    began = time.perf_counter()
    Transfer(name="file", part=part, progress=display, patience=Patience()).fetch(source)
    transfer = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    hash_file(part.path)
    print(json.dumps({"transfer": transfer, "hash": time.perf_counter() - began, "memory": memory / 1024}))
"""


def serve(path: Path) -> str:
    """Serve one file to everyone, from the kernel's cache straight to the socket."""
    server = socket.create_server(("127.0.0.1", 0))
    size = path.stat().st_size

    def answer(connection: socket.socket) -> None:
        with connection, path.open("rb") as file:
            connection.recv(1 << 16)
            head = f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nETag: "1"\r\nConnection: close\r\n\r\n'
            connection.sendall(head.encode())
            connection.sendfile(file)

    def listen() -> None:
        while True:
            threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/file.bin"


def run_curl(source: str, folder: Path) -> float:
    target = folder / "curl.bin"
    began = time.perf_counter()
    subprocess.run(["curl", "-sS", "-o", str(target), source], check=True)
    seconds = time.perf_counter() - began
    target.unlink()
    return seconds


def run_sfc(source: str, folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", FETCH, source, str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    seconds = time.perf_counter() - began
    figures: dict[str, float] = json.loads(done.stdout)
    for path in folder.glob("sfc.bin*"):
        path.unlink()
    return {**figures, "process": seconds - figures["hash"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()), help="where files are written"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        served = folder / "served.bin"
        block = os.urandom(1_000_000)
        with served.open("wb") as file:
            for _ in range(options.megabytes):
                file.write(block)
        source = serve(served)
        curl, ours = [], []
        for repeat in range(options.repeats + 1):
            pair = [
                lambda: curl.append(run_curl(source, folder)),
                lambda: ours.append(run_sfc(source, folder)),
            ]
            for step in pair if repeat % 2 else reversed(pair):
                step()
    # The first round warms caches.
    curl, ours = curl[1:], ours[1:]
    middle = statistics.median(curl)
    figures = {key: statistics.median(run[key] for run in ours) for key in ours[0]}
    print(f"{options.megabytes} MB, median of {options.repeats}, written to {options.folder}")
    print(f"| curl | {middle:.2f} s | {options.megabytes / middle:.0f} MB/s | |")
    for key in ("transfer", "process"):
        seconds = figures[key]
        rate = options.megabytes / seconds
        print(f"| sfc, {key} | {seconds:.2f} s | {rate:.0f} MB/s | {seconds / middle:.2f} × curl |")
    print(
        f"| SHA-256 afterwards | {figures['hash']:.2f} s | {options.megabytes / figures['hash']:.0f} MB/s | |"
    )
    print(f"peak memory of sfc: {figures['memory']:.1f} MiB; curl {min(curl):.2f} to {max(curl):.2f} s")


if __name__ == "__main__":
    main()
