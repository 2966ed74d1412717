#!/usr/bin/env python3
"""How each cost grows with the corpus: imports, opens and searches workspaces of several sizes and draws the growth.

    benches/scale.py target/release/redress [--sizes 10000,100000,1000000] [--keep DIR] [--plot docs/scale.svg]

The sentences are those of sample_data, each repetition with other names of the same type in the places of its entities and a number of its own, so that the
vocabulary and the pairs grow with the corpus. Import is one `redress import` of one file, indexed; memory is the most that the process ever held
(ru_maxrss); disk is what the workspace occupies; a search is a whole `redress search` process, p99 over 120 queries; the screen is benches/screen.py
--idle on the same workspace. --keep leaves corpora and workspaces in DIR and uses what it finds there. Standard library only.
"""

import argparse
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def sample():
    return [json.loads(line) for line in open(ROOT / "sample_data/corpus.jsonl", encoding="utf-8")]


def names_of(lines):
    """{type: [tokens of a name]}"""
    found = {}
    for line in lines:
        for entity in line["entities"]:
            found.setdefault(entity["type"], set()).add(tuple(line["tokens"][entity["start"] : entity["end"]]))
    return {kind: sorted(names) for kind, names in found.items()}


def renamed(line, names, dice, i):
    """The sentence with other names for its entities and a number at its end."""
    tokens, entities, at = [], [], 0
    for entity in sorted(line["entities"], key=lambda e: e["start"]):
        if entity["start"] < at:
            return None
        tokens += line["tokens"][at : entity["start"]]
        # A first name of one and a last name of another: most pairs are new, some come back.
        one, other = dice.choice(names[entity["type"]]), dice.choice(names[entity["type"]])
        name = list(one[:1] + other[-1:]) if len(one) > 1 and len(other) > 1 else list(one)
        entities.append(entity | {"start": len(tokens), "end": len(tokens) + len(name)})
        tokens += name
        at = entity["end"]
    tokens += [*line["tokens"][at:], f"№{i}"]
    return line | {"native_id": f"scale-{i}", "text": " ".join(tokens), "tokens": tokens, "entities": entities}


def write_corpus(path, n):
    lines, dice = sample(), random.Random(1)
    names = names_of(lines)
    with open(path, "w", encoding="utf-8") as f:
        written = 0
        while written < n:
            line = renamed(lines[written % len(lines)], names, dice, written) or lines[written % len(lines)] | {"native_id": f"scale-{written}"}
            f.write(json.dumps(line, ensure_ascii=False) + "\n")
            written += 1


def run(command):
    """Seconds and most resident MiB of a process; stops the bench where it fails."""
    began = time.monotonic()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command}: {error}")
    return time.monotonic() - began, usage.ru_maxrss / 1024


def queries():
    """Words, names, phrases and combinations, as a curator types them."""
    lines, dice = sample(), random.Random(2)
    words = sorted({t for line in lines for t in line["tokens"] if len(t) > 3 and t.isalpha()})
    out = []
    for _ in range(40):
        line = dice.choice(lines)
        i = dice.randrange(len(line["tokens"]) - 2)
        phrase = " ".join(t for t in line["tokens"][i : i + 3] if t.isalnum())
        out += [dice.choice(words), f"{dice.choice(words)} {dice.choice(words)}", f'"{phrase}"' if phrase else dice.choice(words)]
    return out


def size_of(directory):
    return sum(f.stat().st_size for f in pathlib.Path(directory).rglob("*") if f.is_file())


def measure(binary, n, directory):
    corpus, workspace = directory / f"{n}.jsonl", directory / f"workspace-{n}"
    if not corpus.exists():
        write_corpus(corpus, n)
    out = {"sentences": n, "corpus_mb": corpus.stat().st_size / 1e6}
    if not workspace.exists():
        out["import_s"], out["import_mib"] = run([binary, "import", corpus, "-w", workspace])
    out["disk_bytes"] = size_of(workspace) / n
    times = []
    for query in queries():
        seconds, _ = run([binary, "search", query, "-w", workspace])
        times.append(1000 * seconds)
    times.sort()
    out["search_median_ms"], out["search_p99_ms"] = times[len(times) // 2], times[math.ceil(0.99 * len(times)) - 1]
    screen = subprocess.run(
        [sys.executable, ROOT / "benches/screen.py", binary, "--sentences", str(n), "--workspace", workspace, "--idle", "--keys", "300"],
        stdout=subprocess.PIPE, text=True, check=True).stdout
    figure = lambda pattern: float(m[1]) if (m := re.search(pattern, screen)) else None
    out["open_ms"] = figure(r"first rows painted: (\d+) ms")
    out["key_p99_ms"] = figure(r"key to painted frame.*?p99 ([\d.]+) ms")
    out["screen_mib"] = figure(r"resident: (\d+) MiB")
    return out


COLUMNS = [
    ("import_s", "import and index, s", "{:.1f}"),
    ("import_mib", "most memory while importing, MiB", "{:.0f}"),
    ("disk_bytes", "disk, bytes a sentence", "{:.0f}"),
    ("search_median_ms", "search, median ms", "{:.0f}"),
    ("search_p99_ms", "search, p99 ms", "{:.0f}"),
    ("open_ms", "opening to first rows, ms", "{:.0f}"),
    ("key_p99_ms", "key to paint, p99 ms", "{:.1f}"),
    ("screen_mib", "memory of the screen, MiB", "{:.0f}"),
]


def table(rows):
    print("| sentences | " + " | ".join(title for _, title, _ in COLUMNS) + " |\n|" + "---|" * (len(COLUMNS) + 1))
    for row in rows:
        cells = [form.format(row[key]) if row.get(key) is not None else "" for key, _, form in COLUMNS]
        print(f"| {row['sentences']:,} | " + " | ".join(cells) + " |")


def plot(rows, path):
    """Cost against size, both in logarithms, each cost relative to that of the smallest workspace."""
    lines = [("import_s", "import", "#0072b2"), ("import_mib", "memory of import", "#e69f00"), ("search_p99_ms", "search p99", "#009e73"),
             ("open_ms", "opening", "#cc79a7"), ("key_p99_ms", "key to paint", "#d55e00")]
    width, height, left, top = 640, 380, 60, 20
    xs = [math.log10(r["sentences"]) for r in rows]
    most = max(math.log10(rows[-1]["sentences"] / rows[0]["sentences"]), 1)
    x = lambda v: left + (v - xs[0]) / max(xs[-1] - xs[0], 1e-9) * (width - left - 150)
    y = lambda v: height - 40 - (v + 0.5) / (most + 0.7) * (height - 60 - top)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for power in range(0, math.ceil(most) + 1):
        out.append(f'<line x1="{left}" x2="{x(xs[-1]):.0f}" y1="{y(power):.1f}" y2="{y(power):.1f}" stroke="#ddd"/><text x="{left - 8}" y="{y(power) + 4:.1f}" text-anchor="end">×{10**power}</text>')
    for row, at in zip(rows, xs):
        out.append(f'<text x="{x(at):.0f}" y="{height - 18}" text-anchor="middle">{row["sentences"]:,}</text>')
    out.append(f'<text x="{x(xs[-1]) / 2 + left / 2:.0f}" y="{height - 2}" text-anchor="middle">sentences</text>')
    labels = []
    for key, title, colour in lines:
        points = [(at, math.log10(max(r[key] / rows[0][key], 0.35))) for r, at in zip(rows, xs) if r.get(key) and rows[0].get(key)]
        if len(points) < 2:
            continue
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)}"/>')
        labels.append([y(points[-1][1]), title, colour])
    labels.sort()
    for i in range(1, len(labels)):
        labels[i][0] = max(labels[i][0], labels[i - 1][0] + 14)
    out += [f'<text x="{x(xs[-1]) + 8:.0f}" y="{at + 4:.1f}" fill="{colour}">{title}</text>' for at, title, colour in labels]
    path.write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    options = parser.parse_args()
    binary = options.binary.resolve()
    with tempfile.TemporaryDirectory() as own:
        directory = options.keep or pathlib.Path(own)
        directory.mkdir(parents=True, exist_ok=True)
        rows = []
        for size in options.sizes.split(","):
            rows.append(measure(binary, int(size), directory))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    table(rows)
    if options.plot and len(rows) > 1:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
