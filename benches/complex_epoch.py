"""Time of a ComplEx epoch: `redress kb train` against PyKEEN, alternating, same settings on both sides.

    pip install pykeen
    cargo build --release
    python benches/complex_epoch.py target/release/redress TRAIN [--epochs 1] [--runs 3] [--dim 100] [--batch 256]

Both: rank `dim` complex, softmax cross-entropy over all entities, reciprocal (inverse) relations, facts that share a
question in one row (PyKEEN: LCWA), Adagrad 0.1, N3 0.05, `batch` questions a step, all cores. Prints each run's seconds an
epoch, both medians and their ratio. Validation is not timed.
"""

import argparse
import gzip
import json
import statistics
import subprocess
import tempfile
import time

import numpy as np


def triples(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return np.array([line.rstrip("\n").split("\t") for line in lines], dtype=str)


def pykeen_epochs(factory, epochs, dim, batch):
    from pykeen.models import ComplEx
    from pykeen.regularizers import LpRegularizer
    from pykeen.training import LCWATrainingLoop
    from torch.optim import Adagrad

    # PyKEEN 1.11 stores complex vectors as real pairs; its L3 norm of parameters is the nearest to N3 that it has.
    model = ComplEx(
        triples_factory=factory,
        embedding_dim=dim,
        loss="crossentropy",
        regularizer=LpRegularizer(weight=0.05, p=3.0, apply_only_once=False),
        random_seed=1,
    )
    loop = LCWATrainingLoop(
        model=model, triples_factory=factory, optimizer=Adagrad(model.parameters(), lr=0.1)
    )
    start = time.perf_counter()
    loop.train(triples_factory=factory, num_epochs=epochs, batch_size=batch, use_tqdm=False)
    return (time.perf_counter() - start) / epochs


def redress_epochs(binary, train, epochs, dim, batch):
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as settings:
        settings.write(f"[one_vs_all]\ndim = {dim}\nbatch = {batch}\nepochs = {epochs}\nn3 = 0.05\nrate = 0.1\n")
        settings.flush()
        command = [binary, "kb", "train", train, "--config", settings.name, "--json"]
        report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return statistics.mean(e["seconds"] for e in report["run"]["curve"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("redress")
    parser.add_argument("train")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--batch", type=int, default=256)
    args = parser.parse_args()
    from pykeen.triples import TriplesFactory

    factory = TriplesFactory.from_labeled_triples(triples(args.train), create_inverse_triples=True)
    ours, theirs = [], []
    for run in range(args.runs):
        theirs.append(pykeen_epochs(factory, args.epochs, args.dim, args.batch))
        ours.append(redress_epochs(args.redress, args.train, args.epochs, args.dim, args.batch))
        print(f"run {run + 1}: redress {ours[-1]:.2f} s, PyKEEN {theirs[-1]:.2f} s an epoch", flush=True)
    us, them = statistics.median(ours), statistics.median(theirs)
    print(f"medians: redress {us:.2f} s, PyKEEN {them:.2f} s, ratio {us / them:.2f}")


if __name__ == "__main__":
    main()
