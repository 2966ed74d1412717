#!/usr/bin/env python3
"""The scoreboard of docs/results.md: trains and evaluates, keeps what came out, draws the table.

scoreboard.py run NAME REDRESS DATA ENCODER MODELS [SEED ...]   train and evaluate NAME (see EXPERIMENTS) into MODELS/NAME-seedN; seeds 1 2 3 if none is named
scoreboard.py table                                             write the table into docs/results.md from docs/results/*.json

DATA is a directory with the public corpora, laid out as EXPERIMENTS names them; ENCODER is all-MiniLM-L6-v2 in Hugging Face layout.
Figures are dev figures: epoch and thresholds are selected on the same dev sentences, so they flatter a little.
"""
import json, os, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
EXACT = "sentences, predicted entities, exact match (whole spans)"
STRICT = "sentences, predicted entities, strict match (whole spans and entity types)"
PARTIAL = "sentences, predicted entities, partial match (last words)"
ALL_PAIRS = "sentences, gold entities, all pairs, exact match (whole spans)"
GOLD_PAIRS = "sentences, gold pairs, exact match (whole spans)"

# name: corpus files below DATA, settings below docs/results, encoder (None: ENCODER), systems
EXPERIMENTS = {
    "nyt": (["nyt/train.json", "nyt/dev.json"], "nyt.toml", None, "rin,kernel,spans"),
    "webnlg": (["webnlg/whole_span/train_triples.json", "webnlg/whole_span/dev_triples.json"], "webnlg.toml", None, "rin,kernel,spans"),
    "webnlg-last-word": (["webnlg/last_word/train_triples.json", "webnlg/last_word/dev_triples.json"], "webnlg-last-word.toml", None, "rin"),
    "webnlg-last-word-bilstm": (["webnlg/last_word/train_triples.json", "webnlg/last_word/dev_triples.json"], "webnlg-last-word-bilstm.toml", "bilstm", "rin"),
    "conll04": (["conll04/conll04_train.json", "conll04/conll04_dev.json"], "conll04.toml", None, "rin,kernel,spans"),
    "semeval2010": (["semeval2010/TRAIN_FILE.TXT"], "semeval2010.toml", None, "kernel"),
}
# Types by name, for a corpus that has none.
TYPES = {"nyt": "nyt/entity_types.tsv"}
# experiment, what is scored, protocol, measure, published (on the official test set unless said), goal
ROWS = [
    ("nyt", "RIN + kernel + spans", EXACT, "micro", "none on this split", ""),
    ("nyt", "RIN + kernel + spans", PARTIAL, "micro", "RIN, BERT, K=2, full NYT (56,195 training sentences; ours 5,142): 87.8", ""),
    ("nyt", "kernel", GOLD_PAIRS, "micro", "kernel head, BERT-base, other split: 89.8", ""),
    ("webnlg", "RIN + kernel + spans", EXACT, "micro", "RIN, BiLSTM, K=3: 77.0; joint models with BERT-base: 85 to 91", "86"),
    ("webnlg", "kernel", GOLD_PAIRS, "micro", "kernel head, BERT-base, other split: 96.3", "96.5"),
    ("webnlg-last-word", "RIN, MiniLM", PARTIAL, "micro", "RIN, BERT, K=2: 90.1", "91.5"),
    ("webnlg-last-word-bilstm", "RIN, BiLSTM 100d", PARTIAL, "micro", "RIN, BiLSTM 100d, K=3: 87.0", "87"),
    ("conll04", "RIN + kernel + spans", STRICT, "micro", "SpERT, BERT-base: 71.5", "68"),
    ("conll04", "entities", "entities, exact spans and types", "entities", "SpERT, BERT-base: 88.9", "87"),
    ("semeval2010", "kernel", ALL_PAIRS, "micro", "kernel head, BERT-base, micro without Other: 91.0", "89"),
    ("semeval2010", "kernel", ALL_PAIRS, "macro", "official macro: about 89 for BERT-base models", "87"),
]


def run(name, redress, data, encoder, models, seeds):
    files, settings, own_encoder, systems = EXPERIMENTS[name]
    types = ["--types", os.path.join(data, TYPES[name])] if name in TYPES else []
    recipe = os.path.join(HERE, "results", settings)
    with tempfile.TemporaryDirectory() as work:
        workspace = os.path.join(work, "workspace")
        call = lambda *a: subprocess.run([redress, *a], check=True, stdout=subprocess.PIPE, text=True).stdout
        for file, split in zip(files, ["train", "dev"]):
            # Broken mentions are listed and make exit code 3; the rest is imported.
            subprocess.run([redress, "import", os.path.join(data, file), "-w", workspace, "--split", split, *types], stdout=subprocess.DEVNULL)
        for seed in seeds:
            model = os.path.join(models, f"{name}-seed{seed}")
            # What an interrupted run left is taken up; the seconds are then those since.
            resume = ["--resume"] if os.path.exists(model + ".training") else []
            began = time.time()
            call("train", "-w", workspace, "--out", model, "--encoder", own_encoder or encoder, "--systems", systems, "--config", recipe, "--seed", str(seed), *resume)
            seconds = time.time() - began
            with open(os.path.join(model, "card.json")) as f:
                card = json.load(f)
            held_out = not card["data"]["dev"].startswith("dev split")
            # Without a dev split the held-out sentences' scores are in the card only.
            scores = card["dev_scores"] if held_out else json.loads(call("evaluate", "-w", workspace, "--model", model, "--split", "dev", "--json"))
            out = {"experiment": name, "seed": seed, "seconds": round(seconds), "data": card["data"], "curve": card["curve"], "settings": card["settings"],
                   "scores": kept(scores, held_out)}
            with open(os.path.join(HERE, "results", f"{name}-seed{seed}.json"), "w") as f:
                json.dump(out, f, indent=1)
                f.write("\n")
            print(name, "seed", seed, f"{seconds:.0f} s", {k[:60]: v for k, v in out["scores"].items()}, flush=True)


def kept(scores, is_card):
    """{protocol: {measure: F1 in %}}"""
    percent = lambda x: round(100 * x, 2)
    if is_card:
        found = {r["protocol"]: {"micro": percent(r["f1"]), "macro": percent(r["macro_f1"])} for r in scores["relations"]}
        entities, typed = scores["entities"], scores["typed_entities"]
        found[entities["protocol"]] = {"entities": percent(entities["f1"])}
        if typed:
            found[typed["protocol"]] = {"entities": percent(typed["f1"])}
        return found
    found = {p["protocol"]: {"micro": percent(p["micro"]["f1"]), "macro": percent(p["macro_f1"])} for p in scores["protocols"]}
    found[scores["entity_protocol"]] = {"entities": percent(scores["entities"]["f1"])}
    if scores["typed_entities"]:
        found[scores["typed_entity_protocol"]] = {"entities": percent(scores["typed_entities"]["f1"])}
    return found


def table():
    runs = {}
    folder = os.path.join(HERE, "results")
    for file in sorted(os.listdir(folder)):
        if file.endswith(".json"):
            with open(os.path.join(folder, file)) as f:
                one = json.load(f)
            runs.setdefault(one["experiment"], []).append(one)
    lines = ["| data | system | protocol | ours, dev F1 in % (seeds) | goal | published, test | seconds a run |", "|---|---|---|---|---|---|---|"]
    for experiment, system, protocol, measure, published, goal in ROWS:
        found = [r for r in runs.get(experiment, []) if protocol in r["scores"]]
        if not found:
            continue
        values = [r["scores"][protocol][measure] for r in found]
        spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
        seconds = statistics.median(r["seconds"] for r in found)
        kind = "" if measure == "entities" else f", {measure}"
        lines.append(f"| {experiment} | {system} | {protocol}{kind} | **{statistics.mean(values):.1f}**{spread} ({len(values)}) | {goal} | {published} | {seconds:.0f} |")
    path = os.path.join(HERE, "results.md")
    with open(path) as f:
        before, rest = f.read().split("<!-- scoreboard -->\n", 1)
        after = rest.split("<!-- /scoreboard -->\n", 1)[1]
    with open(path, "w") as f:
        f.write(before + "<!-- scoreboard -->\n" + "\n".join(lines) + "\n<!-- /scoreboard -->\n" + after)


if __name__ == "__main__":
    if sys.argv[1:2] == ["table"]:
        table()
    elif sys.argv[1:2] == ["run"] and len(sys.argv) >= 7 and sys.argv[2] in EXPERIMENTS:
        run(*sys.argv[2:7], [int(s) for s in sys.argv[7:]] or [1, 2, 3])
    else:
        sys.exit(__doc__)
