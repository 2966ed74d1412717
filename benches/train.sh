#!/usr/bin/env bash
# Training speed of redress and PyTorch in turn: benches/train.sh ENCODER_DIR [PYTHON] [STEPS] [CORPUS.jsonl]
set -euo pipefail
cd "$(dirname "$0")/.."
encoder=$(cd "$1" && pwd); python=${2:-python3}; steps=${3:-12}; corpus=${4:-sample_data/corpus.jsonl}
cargo build --release --benches 2>/dev/null
for round in 1 2 3 4 5; do
    cargo bench --quiet --bench train -- "$encoder" "$steps" 16 "$corpus"
    "$python" benches/train_torch.py "$encoder" "$steps" 16 "$corpus"
done
