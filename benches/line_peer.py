#!/usr/bin/env python3
"""Cost of one LINE sample (an edge and K = 5 negatives, 100 values a vector): `redress graph build` beside gensim's skip-gram, in turn, processor time.

line_peer.py REDRESS [ROUNDS]      needs gensim

LINE's published program is word2vec's loop over drawn edges and cannot be had from a package registry; gensim's is the same loop (skip-gram with negative
sampling, compiled, BLAS) over neighbouring words. Both sides see the same
20,000 pairs of 5,000 names; a sample is one ordered pair of neighbours there, one drawn edge here.
"""
import json, os, random, resource, statistics, subprocess, sys, tempfile, time

N_NAMES, N_PAIRS = 5_000, 20_000


def pairs():
    draw = random.Random(1)
    # Some names are seen often, as in texts.
    name = lambda: min(int(draw.paretovariate(0.7)), N_NAMES) - 1
    found = set()
    while len(found) < N_PAIRS:
        a, b = name(), name()
        if a == b:
            a, b = draw.randrange(N_NAMES), draw.randrange(N_NAMES)
        if a != b:
            found.add((min(a, b), max(a, b)))
    return sorted(found)


def seconds_of(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def ours(redress, workspace, out):
    """Two runs of different lengths: what they differ by is learning alone."""
    few, many = 1_000_000, 6_000_000
    run = lambda n: seconds_of([redress, "graph", "build", "-w", workspace, "-o", out, "--force", "--samples", str(n), "--dim", "100"])
    # Both orders are learned.
    return (run(many) - run(few)) / (2 * (many - few))


def gensims(found, epochs=100):
    from gensim.models import Word2Vec

    # Long lines, so that what a line costs does not count; neighbours of two pairs are one more sample each.
    each = 500
    sentences = [[str(n) for pair in found[i : i + each] for n in pair] for i in range(0, len(found), each)]
    samples = sum(2 * (len(s) - 1) for s in sentences)
    model = Word2Vec(vector_size=100, window=1, min_count=1, sg=1, hs=0, negative=5, sample=0, workers=1, shrink_windows=False, seed=1)
    model.build_vocab(sentences)
    began = time.process_time()
    model.train(sentences, total_examples=len(sentences), epochs=epochs)
    return (time.process_time() - began) / (samples * epochs)


def main():
    redress, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    found = pairs()
    with tempfile.TemporaryDirectory() as folder:
        corpus, workspace = os.path.join(folder, "pairs.jsonl"), os.path.join(folder, "workspace")
        with open(corpus, "w") as f:
            for n, (a, b) in enumerate(found):
                a, b = f"Name{a}", f"Name{b}"
                f.write(json.dumps({"schema": "redress/1", "native_id": str(n), "split": "train", "text": f"{a} met {b} .", "tokens": [a, "met", b, "."],
                                    "entities": [{"id": 0, "start": 0, "end": 1, "type": None}, {"id": 1, "start": 2, "end": 3, "type": None}], "relations": []}) + "\n")
        subprocess.run([redress, "import", corpus, "-w", workspace, "--format", "redress"], check=True, stdout=subprocess.DEVNULL)
        mine, theirs = [], []
        for _ in range(rounds):
            mine.append(ours(redress, workspace, os.path.join(folder, "graph")))
            theirs.append(gensims(found))
            print(f"redress {mine[-1] * 1e6:.2f} us a sample, gensim {theirs[-1] * 1e6:.2f} us", flush=True)
        print(f"medians {statistics.median(mine) * 1e6:.2f} and {statistics.median(theirs) * 1e6:.2f}: {statistics.median(mine) / statistics.median(theirs):.2f} of gensim's")


if __name__ == "__main__":
    main()
