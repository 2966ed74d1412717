#!/usr/bin/env bash
# Encoder speed of redress and other engines in turn, five rounds: benches/encoder.sh ENCODER_DIR [PYTHON] [ENGINE..]
# Medians over the rounds: benches/medians.sh < its output
set -euo pipefail
cd "$(dirname "$0")/.."
encoder=$(cd "$1" && pwd); python=${2:-python3}; shift; shift || true
engines=("$@"); [ ${#engines[@]} -gt 0 ] || engines=(torch ort ort8 openvino)
cargo build --release --benches 2>/dev/null
for round in 1 2 3 4 5; do
    for batch in 1 8 32; do
        cargo bench --quiet --bench encoder -- "$encoder" "$batch" 1
        cargo bench --quiet --bench encoder -- "$encoder" "$batch" 1 int8
        for engine in "${engines[@]}"; do "$python" benches/encoder_peers.py "$engine" "$encoder" "$batch" 1; done
    done
done
