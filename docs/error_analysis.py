"""Writes tests/golden/bootstrap.json and tests/golden/curves.json: intervals by drawing sentences one by one with numpy, precision,
recall and F1 at thresholds with scikit-learn, reliability bins with numpy. Nothing of redress is imported.

    python docs/error_analysis.py
"""

import json
import pathlib

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

GOLDEN = pathlib.Path(__file__).parent.parent / "tests" / "golden"
DRAWS = 200_000  # times ten, divided by the number of sentences


def prf(c):
    """c: [..., 3] correct, predicted, gold; 0 where it would divide by zero."""
    correct, predicted, gold = (c[..., i].astype(float) for i in range(3))
    div = lambda a, b: np.divide(a, b, out=np.zeros_like(a), where=b > 0)
    return div(correct, predicted), div(correct, gold), div(2 * correct, predicted + gold)


def case(rng, n, rate, hit, spurious):
    """n sentences: gold triples, how many of them are found, how many others are predicted; for two systems."""
    gold = rng.binomial(2, rate, n)
    rows = []
    for h in hit:
        correct = rng.binomial(gold, h)
        rows.append(np.stack([correct, correct + rng.binomial(1, spurious, n), gold], 1))
    draws = np.stack([rng.multinomial(n, np.full(n, 1 / n)) for _ in range(DRAWS // n * 10)])
    sums = [draws @ r for r in rows]
    (p, _, f), (_, _, g) = prf(sums[0]), prf(sums[1])
    ends = lambda v: np.percentile(v, [2.5, 97.5]).tolist()
    return {
        "n": n,
        "sentences": rows[0].tolist(),
        "other": rows[1].tolist(),
        "f1": ends(f),
        "precision": ends(p),
        "gain": ends(g - f),
    }


def bootstrap():
    rng = np.random.default_rng(7)
    cases = [case(rng, 60, 0.4, (0.6, 0.8), 0.1), case(rng, 200, 0.05, (0.7, 0.5), 0.03)]
    return {"about": f"95 % percentile intervals, sentences drawn one by one with numpy", "cases": cases}


def curves():
    rng = np.random.default_rng(11)
    n, missed = 400, 17
    score = np.float32(np.clip(rng.beta(0.8, 0.8, n), 0.05, 1)).astype(np.float64).round(6)
    correct = rng.random(n) < score**1.4
    truth = np.concatenate([correct, np.ones(missed, bool)])
    at = {}
    for t in [0.05, 0.1, 0.25, 0.333, 0.5, 0.75, 0.9, 0.999]:
        said = np.concatenate([score >= t, np.zeros(missed, bool)])
        p, r, f, _ = precision_recall_fscore_support(truth, said, average="binary", zero_division=0)
        at[str(t)] = [p, r, f]
    bins = np.minimum((score * 10).astype(int), 9)
    reliability = [
        [int((bins == b).sum()), float(score[bins == b].mean()), float(correct[bins == b].mean())]
        for b in range(10)
        if (bins == b).any()
    ]
    ece = sum(k / n * abs(c - a) for k, c, a in reliability)
    return {
        "about": "scikit-learn's precision, recall, F1 at thresholds; ten reliability bins and their expected error",
        "scores": score.tolist(),
        "correct": correct.tolist(),
        "gold": int(truth.sum()),
        "at": at,
        "reliability": reliability,
        "expected_error": ece,
    }


for name, content in [("bootstrap", bootstrap()), ("curves", curves())]:
    (GOLDEN / f"{name}.json").write_text(json.dumps({"name": name, **content}) + "\n")
