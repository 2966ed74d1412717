#!/usr/bin/env bash
# Encoder and training step on a GPU, redress and PyTorch in turn, three rounds.
#   benches/gpu.sh ENCODER_DIR ENCODER_BENCH TRAIN_BENCH [PYTHON [DEVICE]]
# The benches are the programs that `cargo bench --no-run --features cuda` names, so that the machine with the GPU needs no Rust.
# The first use of a GPU translates candle's kernels, 20 s once; it is not timed. Medians: benches/medians.sh < its output
set -euo pipefail
cd "$(dirname "$0")/.."
encoder=$1; bench=$2; train=$3; python=${4:-python3}; device=${5:-cuda:0}
corpus=sample_data/corpus.jsonl
"$bench" --bench "$encoder" 32 1 f32 "$device" > /dev/null
for round in 1 2 3; do
    for batch in 1 32 256; do
        for kind in f32 bf16; do "$bench" --bench "$encoder" "$batch" 1 "$kind" "$device"; done
        for engine in torch-cuda torch-cuda-bf16; do
            [ "$device" = cpu ] && engine=torch
            "$python" benches/encoder_peers.py "$engine" "$encoder" "$batch" 1
        done
    done
    for batch in 16 64; do
        "$train" --bench "$encoder" $((960 / batch)) "$batch" "$corpus" "$device"
        "$python" benches/train_torch.py "$encoder" $((960 / batch)) "$batch" "$corpus" "${device%%:*}"
    done
done
