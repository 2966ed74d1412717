#!/usr/bin/env bash
# Checks on real corpora that are not part of the project: usage tests/real_data.sh SHARED_DIR
# Imports, labels, predicts with the embedded model, evaluates, exports, re-imports; trains a small model without touching code.
set -euo pipefail
data=$(cd "$1/data" && pwd)
cd "$(dirname "$0")/.."
cargo build --locked --release
redress=${CARGO_TARGET_DIR:-target}/release/redress
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export HOME=$work/home XDG_DATA_HOME= XDG_CONFIG_HOME= XDG_STATE_HOME= XDG_CACHE_HOME=
mkdir -p "$HOME"

fail() { echo "FAILED: $*"; exit 1; }
# json FILE EXPRESSION: a Python expression over the parsed file `j`.
json() { python3 -c "import json,sys; j=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))" "$1" "$2"; }

echo "-- import: counts of data/README.md, twice"
"$redress" import "$data/nyt/train.json" "$data/nyt/dev.json" -w "$work/nyt" --json > "$work/1.json"
[ "$(json "$work/1.json" '[f["added"] for f in j]')" = "[5142, 586]" ] || fail "NYT counts: $(cat "$work/1.json")"
"$redress" import "$data/nyt/train.json" "$data/nyt/dev.json" -w "$work/nyt" --json > "$work/2.json"
[ "$(json "$work/2.json" 'sum(f["added"] for f in j)')" = 0 ] || fail "the second import added sentences"

echo "-- knowledge base and distant labels"
"$redress" kb import "$data/kb/fb15k-237/train.tsv.gz" --names "$data/kb/fb15k-237/entity2text.txt" -w "$work/nyt" --json > "$work/kb.json"
[ "$(json "$work/kb.json" 'j["facts"]')" = 272115 ] || fail "facts: $(cat "$work/kb.json")"

echo "-- evaluate the embedded model on dev"
"$redress" import "$data/nyt/dev.json" -w "$work/dev" > /dev/null
"$redress" predict -w "$work/dev"
"$redress" evaluate -w "$work/dev" --json > "$work/eval.json"
f1=$(json "$work/eval.json" 'j["protocols"][0]["micro"]["f1"]')
echo "   $(json "$work/eval.json" 'j["protocols"][0]["protocol"]'): F1 $f1"
python3 -c "import sys; sys.exit(float('$f1') < 0.55)" || fail "dev F1 $f1 is below 0.55"

echo "-- export and import again: the same labels"
"$redress" export -w "$work/dev" --format redress -o "$work/dev.jsonl"
"$redress" import "$work/dev.jsonl" -w "$work/again" > /dev/null
"$redress" export -w "$work/dev" --format spert -o "$work/a.json"
"$redress" export -w "$work/again" --format spert -o "$work/b.json"
python3 - "$work/a.json" "$work/b.json" <<'P'
import json, sys
key = lambda s: (s["tokens"], sorted((e["start"], e["end"]) for e in s["entities"]), sorted((r["type"], s["entities"][r["head"]]["start"], s["entities"][r["tail"]]["start"]) for r in s["relations"]))
a, b = (sorted(map(key, json.load(open(f)))) for f in sys.argv[1:])
sys.exit(f"FAILED: {sum(x != y for x, y in zip(a, b))} sentences differ" if a != b else 0)
P

echo "-- the filter: one line out for each line in, in order"
python3 - "$data/nyt/mentions.jsonl" > "$work/in.jsonl" <<'P'
import itertools, json, sys
for line in itertools.islice(open(sys.argv[1], encoding="utf-8"), 50):
    print(json.dumps({"text": json.loads(line)["sentText"]}))
P
"$redress" predict < "$work/in.jsonl" > "$work/out.jsonl"
[ "$(wc -l < "$work/in.jsonl")" = "$(wc -l < "$work/out.jsonl")" ] || fail "the filter lost lines"

echo "-- the queue of wrong labels, against what a crowd says"
python3 docs/noise.py "$redress" "$data/noise/crowdtruth_dev.jsonl" --seeds 1 --static > "$work/noise.txt"
auprc=$(awk -F' *[|] *' '$2 == "wrong" && $3 == "static" { print $4 }' "$work/noise.txt")
echo "   AUPRC without verdicts: $auprc"
python3 -c "import sys; sys.exit(float('$auprc') < 0.86)" || fail "AUPRC $auprc is below 0.86"

echo "-- other corpora train without touching code"
"$redress" import "$data/conll04/conll04_train.json" "$data/conll04/conll04_dev.json" -w "$work/conll" > /dev/null
"$redress" train -w "$work/conll" --out "$work/model" --encoder bilstm --epochs 1 --json > "$work/train.json"
"$redress" evaluate -w "$work/conll" --model "$work/model" --split dev --json > "$work/conll.json"
[ "$(json "$work/conll.json" 'j["sentences"]')" = 231 ] || fail "conll04 dev: $(head -c 300 "$work/conll.json")"
echo "real-data checks passed"
