#!/usr/bin/env bash
# Every figure that needs a card, within four minutes, and one table of them.
#
#     benchmarks/card.sh [FOLDER]
#
# The lines of JSON stay in FOLDER (default: a temporary one). PYTHON names the interpreter. What fails or does
# not fit into the time is named at the end; the rest is in the table.
set -u
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
folder=${1:-$(mktemp -d)}
mkdir -p "$folder"
deadline=$((SECONDS + 230))
failed=()

measure() { # NAME SECONDS COMMAND…: run within that time and what is left of the four minutes
    local name=$1 most=$2 left=$((deadline - SECONDS))
    shift 2
    if ((left < 10)); then
        failed+=("$name: no time left")
        return
    fi
    echo "$name …" >&2
    if ! timeout $((most < left ? most : left)) "$python" "$@" >"$folder/$name.json" 2>"$folder/$name.log"; then
        failed+=("$name: $(tail -n 1 "$folder/$name.log")")
    fi
}

if ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "PyTorch finds no CUDA device." >&2
    exit 1
fi
precisions=$("$python" -c 'from typing import get_args
from sfc_cli.settings.propagation import Precision
print(*get_args(Precision))')

measure propagation-1 60 benchmarks/propagation.py --device cuda --channels 256
measure propagation-2 60 benchmarks/propagation.py --device cuda --channels 1280
for precision in $precisions; do
    measure "one-network-$precision" 40 benchmarks/pipeline.py \
        --device cuda --frames 200 --networks random18 --precision "$precision"
    measure "both-networks-$precision" 40 benchmarks/pipeline.py \
        --device cuda --frames 200 --networks random18 random50 --precision "$precision"
done
measure small-frames 30 benchmarks/pipeline.py --device cuda --frames 200 --networks random18 --size 0.375
# Last, as it may be left out: which blocks the table in core/propagation/fused.py should have.
measure blocks-1 50 benchmarks/propagation.py --device cuda --channels 256 --oracle-frames 0 --sweep
measure blocks-2 50 benchmarks/propagation.py --device cuda --channels 1280 --oracle-frames 0 --sweep

"$python" benchmarks/card_table.py "$folder"/*.json
echo "$SECONDS s in all; lines of JSON and messages in $folder" >&2
if ((${#failed[@]})); then
    printf 'NOT MEASURED: %s\n' "${failed[@]}" >&2
    exit 1
fi
