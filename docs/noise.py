#!/usr/bin/env python3
"""What the noise queues are worth on sentences that people have judged: the queues through the command line, verdicts from the judgements.

noise.py REDRESS CROWD [--model MODEL] [--seeds 1,2,3] [--batch 50] [--share 1]
noise.py REDRESS CROWD --ablation [..]     each signal alone, and left out
noise.py REDRESS CROWD --estimate [..]     what `redress report` says is missing, as verdicts come, beside what is
noise.py REDRESS sample_data --demo        both queues on the demo, against its truth.jsonl, before any verdict and with 50 more at a time

CROWD is a JSON-lines file of {"id", "sentence", "term1", "term2", "span1": [from, to] in characters, "span2", "ds": [relations], "srs": {relation:
score}}; a label is right at a score of .5. Each label or candidate is inspected once, in the order of the queue; AUPRC is the average precision of that
order. "static": one queue. "re-ranked": verdicts of the first --batch rows are applied, the queue is asked again, and so on (to the end, or of the missing
queue to --share of it, the rest in the order it has by then). "random": the expected
value of any order that knows nothing (the base rate); "cap": all that are searched for first.
"""
import argparse, json, os, shutil, statistics, subprocess, sys, tempfile


def average_precision(order):
    found, total = 0, 0.0
    for n, right in enumerate(order, 1):
        if right:
            found += 1
            total += found / n
    return total / max(found, 1)


def recall_at(order, share):
    n = int(len(order) * share)
    return sum(order[:n]) / max(sum(order), 1)


def tokens_of(text):
    """Tokens between white space, cut at the entities' edges later; each (from, to)."""
    out, start = [], None
    for i, c in enumerate(text + " "):
        if c.isspace():
            if start is not None:
                out.append((start, i))
                start = None
        elif start is None:
            start = i
    return out


def convert(record, relations):
    """One line of the program's own format."""
    text, spans = record["sentence"], [tuple(record["span1"]), tuple(record["span2"])]
    edges = sorted({e for s in spans for e in s})
    tokens = []
    for a, b in tokens_of(text):
        for e in [e for e in edges if a < e < b] + [b]:
            tokens.append((a, e))
            a = e
    def place(span):
        inside = [i for i, (a, b) in enumerate(tokens) if a < span[1] and b > span[0]]
        return inside[0], inside[-1] + 1
    entities = [{"id": n, "start": place(s)[0], "end": place(s)[1], "type": None} for n, s in enumerate(spans)]
    labels = [{"id": n, "head": 0, "tail": 1, "type": r, "decision": "unjudged", "origin": "gold"} for n, r in enumerate(record["ds"])]
    return {"schema": "redress/1", "native_id": record["id"], "split": "train", "text": text, "tokens": [text[a:b] for a, b in tokens],
            "entities": entities, "relations": labels}


# Those that judged sentences of one pair and without types, and relations that no model knows, can have.
SIGNALS = ["self_confidence", "class_adjusted", "margin", "one_vs_rest", "one_vs_rest_adjusted", "implied", "labels_on_pair", "token_gap", "pair_frequency", "tail_first", "length",
           "relation_and_other_labels", "text_by_relation"]
# Those that the demo can have beside them.
MODEL_SIGNALS = ["model", "rin", "kernel", "hrere_text", "kb", "mutual", "types"]
# What verdicts alone teach: nothing before there are any.
LEARNED = SIGNALS[-2:]


def ablation(workspace, add, answers_of, re_ranked, static):
    """Each signal alone and left out; re-ranked runs on a copy, since their verdicts stay."""
    def fresh_copy():
        copy = os.path.join(os.path.dirname(workspace), "copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(workspace, copy)
        return copy

    for kind in ("wrong", "missing"):
        add(kind, "all, static", answers_of(workspace, kind))
        if not static:
            add(kind, "all, re-ranked", re_ranked(fresh_copy(), kind))
        for signal in SIGNALS:
            if signal not in LEARNED:
                add(kind, f"{signal} alone, static", answers_of(workspace, kind, "--only", signal))
                add(kind, f"without {signal}, static", answers_of(workspace, kind, "--without", signal))
            if not static:
                add(kind, f"without {signal}, re-ranked", re_ranked(fresh_copy(), kind, "--without", signal))


def demo(folder, call, directory, seeds):
    """The demo's distant labels as `redress label` gives them, each right if truth.jsonl has it, and the relations that it has and they lack."""
    workspace, path = os.path.join(directory, "workspace"), lambda *parts: os.path.join(folder, *parts)
    records = [json.loads(line) for line in open(path("corpus.jsonl"))]
    spans = {r["native_id"]: {e["id"]: (e["start"], e["end"]) for e in r["entities"]} for r in records}
    truth = set()
    for record in (json.loads(line) for line in open(path("truth.jsonl"))):
        of = spans[record["id"]]
        truth |= {(record["id"], of[r["head"]], r["type"], of[r["tail"]]) for r in record["relations"]}
    call("import", path("corpus.jsonl"), "-w", workspace)
    call("kb", "import", path("kb", "triples.tsv"), "--names", path("kb", "names.tsv"), "-w", workspace)
    call("label", "-w", workspace)
    place = lambda m: (m["start"], m["end"])

    def asked(where, kind, *more):
        """Rows of a queue, and for each whether it is what the queue looks for."""
        rows = [json.loads(line) for line in call("queue", "-w", where, "--kind", kind, "--json", *more).splitlines()]
        return rows, [((r["id"], place(r["head"]), r["relation"], place(r["tail"])) in truth) == (kind == "missing") for r in rows]

    def show(kind, name, *more):
        _, right = asked(workspace, kind, *more)
        print(f"{kind}, {name}: {sum(right)} of {len(right)}, AUPRC {average_precision(right):.3f}, recall at 10 % {recall_at(right, .1):.3f}, of the first 100 / 500: "
              f"{sum(right[:100])} / {sum(right[:500])}", flush=True)

    def in_turn(kind, *more):
        copy, file = os.path.join(directory, "copy"), os.path.join(directory, "verdicts.jsonl")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(workspace, copy)
        found, line = 0, []
        for n in range(50, 601, 50):
            rows, right = asked(copy, kind, "-n", "50", *more)
            found += sum(right)
            with open(file, "w") as f:
                for row, hit in zip(rows, right):
                    verdict = "accept" if hit == (kind == "missing") else "reject"
                    f.write(json.dumps({k: row[k] for k in ("sentence", "head", "relation", "tail")} | {"verdict": verdict}) + "\n")
            call("apply", file, "-w", copy)
            if n in (50, 100, 150, 250, 400, 600):
                line.append(f"{n}: {found}")
        print(f"{kind}, re-ranked {' '.join(more)}: found after verdicts {', '.join(line)}", flush=True)

    for kind in ("wrong", "missing"):
        show(kind, "cheap signals")
    for seed in seeds:
        print(f"folds of seed {seed}")
        call("folds", "-w", workspace, "--seed", seed)
        for kind in ("wrong", "missing"):
            show(kind, "with folds")
    call("predict", "-w", workspace)
    for kind in ("wrong", "missing"):
        show(kind, "with folds and predictions")
        in_turn(kind)
        for signal in MODEL_SIGNALS:
            show(kind, f"{signal} alone", "--only", signal)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("redress")
    parse.add_argument("crowd")
    parse.add_argument("--model")
    parse.add_argument("--seeds", default="1,2,3")
    parse.add_argument("--batch", type=int, default=50)
    parse.add_argument("--share", type=float, default=1.0, help="of the missing queue, inspect this much in turn; the rest in the order it then has")
    parse.add_argument("--static", action="store_true", help="leave the re-ranked runs out")
    parse.add_argument("--ablation", action="store_true", help="each signal alone, and left out")
    parse.add_argument("--estimate", action="store_true", help="the estimate of what is missing, beside the truth")
    parse.add_argument("--demo", action="store_true", help="on the demo: CROWD is sample_data")
    args = parse.parse_args()
    call = lambda *a: subprocess.run([args.redress, *a], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    if args.demo:
        with tempfile.TemporaryDirectory() as directory:
            return demo(args.crowd, call, directory, args.seeds.split(","))
    records = [json.loads(line) for line in open(args.crowd)]
    by_id = {r["id"]: r for r in records}
    relations = sorted({k for r in records for k in r["srs"]})

    def fresh(directory):
        workspace, file = os.path.join(directory, "workspace"), os.path.join(directory, "crowd.jsonl")
        with open(file, "w") as f:
            f.writelines(json.dumps(convert(r, relations)) + "\n" for r in records)
        call("import", file, "-w", workspace, "--format", "redress")
        return workspace

    def queue(workspace, kind, limit=None, *more):
        more = ["-n", str(limit), *more] if limit else more
        rows = [json.loads(line) for line in call("queue", "-w", workspace, "--kind", kind, "--json", *more).splitlines()]
        return rows

    def truth(row, kind):
        """Whether the suspicion is right; None where nobody was asked."""
        record = by_id[row["id"]]
        if row["head"]["text"] != record["sentence"][slice(*record["span1"])]:
            return None
        score = record["srs"].get(row["relation"])
        return None if score is None else (score < 0.5) == (kind == "wrong")

    def answers_of(workspace, kind, *more):
        return [t for t in (truth(r, kind) for r in queue(workspace, kind, None, *more)) if t is not None]

    def re_ranked(workspace, kind, *more):
        """The answers in the order in which they are given when the queue is asked anew every --batch verdicts."""
        verdicts, order = os.path.join(os.path.dirname(workspace), "verdicts.jsonl"), []
        most = (args.share if kind == "missing" else 1.0) * len(answers_of(workspace, kind))
        while True:
            rows = queue(workspace, kind, args.batch, *more)
            if not rows or len(order) >= most:
                return order + answers_of(workspace, kind, *more)
            with open(verdicts, "w") as f:
                for row in rows:
                    answer = truth(row, kind)
                    if answer is not None:
                        order.append(answer)
                    f.write(verdict(row, answer, kind))
            call("apply", verdicts, "-w", workspace)

    def verdict(row, answer, kind):
        reject = (answer is None) or (answer == (kind == "wrong"))
        return json.dumps({k: row[k] for k in ("sentence", "head", "relation", "tail")} | {"verdict": "unsure" if answer is None else "reject" if reject else "accept"}) + "\n"

    def estimate(workspace):
        """A curator works through the missing queue, one row in twenty of it drawn at random."""
        answers = answers_of(workspace, "missing")
        print(f"{sum(answers)} of {len(answers)} are missing\n\n| judged | found | estimate of all | 95 % interval | drawn at random, missing |\n|---|---|---|---|---|")
        file, judged = os.path.join(os.path.dirname(workspace), "verdicts.jsonl"), 0
        for stop in (250, 500, 1000, 2000, 4000):
            while judged < stop:
                rows = queue(workspace, "missing", args.batch, "--control", "0.05")
                with open(file, "w") as f:
                    for row in rows:
                        answer = truth(row, "missing")
                        judged += answer is not None
                        f.write(verdict(row, answer, "missing"))
                call("apply", file, "-w", workspace)
            m = json.loads(call("report", "-w", workspace, "--form", "json"))["missing"]
            said = "{:.0f} | {:.0f} to {:.0f}".format(*m["all"]) if m["all"] else f"none | at most {m['at_most']:.0f}" if m["at_most"] else "none | none"
            print(f"| {m['judged']} | {m['found']} | {said} | {m['sample'][1]} of {m['sample'][0]} |", flush=True)

    results = {}
    add = lambda kind, name, answers: results.setdefault((kind, name), []).append((average_precision(answers), recall_at(answers, 0.1)))
    with tempfile.TemporaryDirectory() as directory:
        for seed in args.seeds.split(","):
            place = os.path.join(directory, seed)
            os.mkdir(place)
            workspace = fresh(place)
            if not (args.ablation or args.estimate):
                for kind in ("wrong", "missing"):
                    answers = answers_of(workspace, kind)
                    add(kind, "cheap signals, static", answers)
                    results.setdefault((kind, "random"), []).append((sum(answers) / len(answers), 0.1))
                    results.setdefault((kind, "cap"), []).append((1.0, min(1.0, 0.1 * len(answers) / max(sum(answers), 1))))
            call("folds", "-w", workspace, "--seed", seed, *(["--model", args.model] if args.model else []))
            if args.estimate:
                estimate(workspace)
            elif args.ablation:
                ablation(workspace, add, answers_of, re_ranked, args.static)
            else:
                for kind in ("wrong", "missing"):
                    add(kind, "static", answers_of(workspace, kind))
                for kind in () if args.static else ("wrong", "missing"):
                    add(kind, f"re-ranked every {args.batch}", re_ranked(workspace, kind))
            shutil.rmtree(place)
            print("seed", seed, {k: tuple(round(x, 4) for x in v[-1]) for k, v in results.items()}, flush=True)
    print("\n| queue | order | AUPRC | recall at 10 % |\n|---|---|---|---|")
    for (kind, order), values in results.items():
        spread = lambda i: f"{statistics.mean(v[i] for v in values):.3f}" + (f" ± {statistics.stdev(v[i] for v in values):.3f}" if len(values) > 1 else "")
        print(f"| {kind} | {order} | {spread(0)} | {spread(1)} |")


if __name__ == "__main__":
    sys.exit(main())
