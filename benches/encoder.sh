#!/usr/bin/env bash
# Encoder speed of redress and PyTorch in turn: benches/encoder.sh ENCODER_DIR [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/.."
encoder=$(cd "$1" && pwd); python=${2:-python3}
cargo build --release --benches 2>/dev/null
for round in 1 2 3; do
    for batch in 1 8 32; do
        cargo bench --quiet --bench encoder -- "$encoder" "$batch" 1
        "$python" benches/encoder_torch.py "$encoder" "$batch" 1
    done
done
