#!/usr/bin/env bash
# Draws the README's pictures: opens the demo in tmux, presses keys, puts what the screen shows between the markers.
# usage: docs/picture.sh REDRESS_BINARY
set -euo pipefail
redress=$(realpath "$1"); cd "$(dirname "$0")/.."
home=$(mktemp -d); session=redress-picture-$$
trap 'tmux kill-session -t $session 2>/dev/null || true; rm -rf "$home"' EXIT
tmux new-session -d -s "$session" -x 132 -y 36 "env -i HOME=$home TERM=tmux-256color LANG=C.UTF-8 USER=curator $redress --demo"
# The demo predicts itself when it is first opened.
for _ in $(seq 240); do
    sleep 1
    tmux capture-pane -p -t "$session" | grep -q "predicted .* sentences in" && break
done
shoot() { sleep 2; tmux capture-pane -p -t "$session" | sed 's/[[:space:]]*$//' > "$home/$1"; }
shoot list
tmux send-keys -t "$session" Enter; sleep 1
tmux send-keys -t "$session" j
shoot sentence
python3 - "$home" <<'P'
import re, sys
home, text = sys.argv[1], open("README.md", encoding="utf-8").read()
for name in ("list", "sentence"):
    shot = open(f"{home}/{name}", encoding="utf-8").read().rstrip("\n")
    block = f"<!-- {name} -->\n```text\n{shot}\n```\n<!-- /{name} -->"
    text = re.sub(f"<!-- {name} -->.*?<!-- /{name} -->", lambda _: block, text, flags=re.S)
open("README.md", "w", encoding="utf-8").write(text)
P
