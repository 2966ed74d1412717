#!/usr/bin/env bash
# A GPU's results beside the CPU's: tests/gpu.sh REDRESS MODEL [DEVICE]     REDRESS built with --features cuda, MODEL stored in f32
# Predictions and one epoch of training, several trainings side by side so that the GPU is busy; fails where they differ by more than 1e-3.
set -euo pipefail
cd "$(dirname "$0")/.."
redress=$(realpath "$1"); model=$(realpath "$2"); device=${3:-cuda:0}
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
for d in "$device" cpu; do "$redress" predict --model "$model" --device "$d" --kept < sample_data/corpus.jsonl > "$work/${d%%:*}.jsonl"; done
"$redress" import sample_data/corpus.jsonl -w "$work/ws" > /dev/null
"$redress" kb import sample_data/kb/triples.tsv --names sample_data/kb/names.tsv -w "$work/ws" > /dev/null
"$redress" label -w "$work/ws" > /dev/null
# One part a batch, as a GPU has it: parts draw dropout of their own.
printf '[fit]\nshards = 1\n' > "$work/one.toml"
train() { "$redress" train -w "$work/ws" --from "$model" --epochs 1 --config "$work/one.toml" --device "$1" --seed "$2" --out "$work/$3" > "$work/$3.log" 2>&1; }
for seed in 1 2 3; do train "$device" $seed gpu-$seed & done
wait
for seed in 1 2 3; do train cpu $seed cpu-$seed; done
python3 - "$work" "${device%%:*}" <<'P'
import json, sys
work, device = sys.argv[1:]
read = lambda name: [json.loads(line) for line in open(f"{work}/{name}.jsonl")]
worst, other = 0.0, []
def walk(a, b, path):
    global worst
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            walk(a.get(key), b.get(key), f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            walk(x, y, f"{path}[{i}]")
    elif isinstance(a, float) and isinstance(b, (float, int)):
        worst = max(worst, abs(a - b))
    elif a != b:
        other.append(path)
sides = read(device), read("cpu")
assert len(sides[0]) == len(sides[1]) > 0
for i, (a, b) in enumerate(zip(*sides)):
    walk(a, b, f"line {i + 1}")
print(f"predictions: {worst:.1e} apart at most, {len(other)} other differences {other[:5]}")
failed = worst > 1e-3
for seed in (1, 2, 3):
    (loss, score), (cpu_loss, cpu_score) = (json.load(open(f"{work}/{d}-{seed}/card.json"))["curve"]["epochs"][0] for d in ("gpu", "cpu"))
    print(f"seed {seed}: loss {loss:.4f} and {cpu_loss:.4f} (CPU), dev F1 {score:.4f} and {cpu_score:.4f}")
    failed |= abs(loss / cpu_loss - 1) > 1e-3 or abs(score - cpu_score) > 5e-3
sys.exit("the GPU's results are not the CPU's" if failed else 0)
P
