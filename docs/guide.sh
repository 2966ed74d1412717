#!/usr/bin/env bash
# Draws the pictures of docs/guide.md: runs its commands on the demo's sentences as on a corpus of one's own, opens the workspace in tmux, presses its keys, and puts
# what the terminal shows between the markers.
# usage: docs/guide.sh REDRESS_BINARY
set -euo pipefail
redress=$(realpath "$1"); cd "$(dirname "$0")/.."; root=$PWD
home=$(mktemp -d); session=redress-guide-$$
trap 'tmux kill-session -t $session 2>/dev/null || true; rm -rf "$home"' EXIT
run() { env -i HOME="$home" PATH="$PATH" LANG=C.UTF-8 USER=curator COLUMNS=100 "$redress" "$@"; }
cd "$home"
cp "$root/sample_data/corpus.jsonl" news.jsonl
run import news.jsonl -w news > import.shot 2>&1
{ run kb import "$root/sample_data/kb/triples.tsv" --names "$root/sample_data/kb/names.tsv" -w news; run label -w news; } > label.shot 2>&1
run predict -w news > predict.shot 2>&1
tmux new-session -d -s "$session" -x 110 -y 30 "env -i HOME=$home TERM=tmux-256color LANG=C.UTF-8 USER=curator $redress -w $home/news"
look() { tmux capture-pane -p -t "$session"; }
shoot() { sleep 1.5; look | sed 's/[[:space:]]*$//' > "$home/$1.shot"; }
press() { for key in "$@"; do tmux send-keys -t "$session" "$key"; sleep 0.4; done; }
until_shows() { for _ in $(seq 400); do look | grep -q "$1" && return; sleep 1; done; echo "never shown: $1" >&2; look >&2; exit 1; }
until_shows "is now"; shoot list
press g e; until_shows " F1"; shoot errors
press Tab; shoot confusions
press Tab Tab j L; shoot thresholds; press x
press g c; press g f; sleep 1; press Enter; until_shows "finished"; press g w; until_shows "queue:wrong"; shoot queue
press Enter; shoot why
press x; sleep 1; shoot judged
press B; shoot pattern
press / C-u; tmux send-keys -t "$session" -l 'rel:contains head:France'; press Enter; sleep 1; press V a; shoot bulk; press Escape
press g w; press g a; until_shows "queue:missing"; press Enter; shoot missing
press R; until_shows "of [0-9]* facts"; shoot rules; press Escape
press F; shoot finetune; press Escape
press g x; shoot export; press Escape
tmux kill-session -t "$session"
# An hour of verdicts, by the demo's truth, as a curator works through the list.
verdicts() {
    python3 - "$root/sample_data" "$home/rows.jsonl" <<'P'
import json, sys
folder, rows = sys.argv[1:]
lines = lambda path: map(json.loads, open(path, encoding="utf-8"))
spans = {r["native_id"]: {e["id"]: (e["start"], e["end"]) for e in r["entities"]} for r in lines(folder + "/corpus.jsonl")}
truth = {(r["id"], spans[r["id"]][t["head"]], t["type"], spans[r["id"]][t["tail"]]) for r in lines(folder + "/truth.jsonl") for t in r["relations"]}
place = lambda m: (m["start"], m["end"])
for r in lines(rows):
    right = (r["id"], place(r["head"]), r["relation"], place(r["tail"])) in truth
    print(json.dumps({k: r[k] for k in ("sentence", "head", "relation", "tail")} | {"verdict": "accept" if right else "reject"}))
P
}
for kind in wrong wrong missing wrong wrong missing wrong wrong missing; do
    run queue -w news --kind $kind --control 0.1 -n 40 --json > rows.jsonl 2>/dev/null; verdicts > verdicts.jsonl; run apply verdicts.jsonl -w news > /dev/null
done
# And the dev sentences finished by it.
run export -w news --format redress -o all.jsonl 2> /dev/null
python3 - "$root/sample_data" all.jsonl > finished.jsonl <<'P'
import json, sys
folder, exported = sys.argv[1:]
lines = lambda path: map(json.loads, open(path, encoding="utf-8"))
spans = {r["native_id"]: {e["id"]: (e["start"], e["end"]) for e in r["entities"]} for r in lines(folder + "/corpus.jsonl")}
truth = {r["id"]: {(spans[r["id"]][t["head"]], t["type"], spans[r["id"]][t["tail"]]) for t in r["relations"]} for r in lines(folder + "/truth.jsonl")}
for r in [r for r in lines(exported) if r["split"] == "dev"]:
    place = {e["id"]: (e["start"], e["end"]) for e in r["entities"]}
    labels, true = {(place[t["head"]], t["type"], place[t["tail"]]) for t in r["relations"]}, truth.get(r["native_id"], set())
    said = lambda t, **more: print(json.dumps({"id": r["native_id"], "head": t[0], "relation": t[1], "tail": t[2], **more}))
    for t in sorted(labels):
        said(t, verdict="accept" if t in true else "reject")
    for t in sorted(true - labels):
        said(t, edit="add")
    print(json.dumps({"id": r["native_id"], "edit": "done"}))
P
run apply finished.jsonl -w news > /dev/null
tmux new-session -d -s "$session" -x 110 -y 30 "env -i HOME=$home TERM=tmux-256color LANG=C.UTF-8 USER=curator $redress -w $home/news"
until_shows "is now\|of 716"; press g w; until_shows "random rows:"; shoot later
press F; sleep 1; press Enter; until_shows "waits"; look | grep -q "model waits" || press F; shoot tuned
press Enter; sleep 1; press Enter; sleep 2
tmux kill-session -t "$session"
run report -w news > report.shot 2>&1
python3 - "$home" "$root/docs/guide.md" <<'P'
import re, sys
home, page = sys.argv[1:]
text = open(page, encoding="utf-8").read()
for name in re.findall(r"<!-- (\w+) -->", text):
    shot = open(f"{home}/{name}.shot", encoding="utf-8").read().strip("\n").replace(home + "/", "")
    block = f"<!-- {name} -->\n```text\n{shot}\n```\n<!-- /{name} -->"
    text = re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _: block, text, flags=re.S)
open(page, "w", encoding="utf-8").write(text)
P
