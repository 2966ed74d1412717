#!/usr/bin/env python3
"""The training step of benches/train.rs in PyTorch: the same encoder, RIN (emnlp, K = 2, width 64) and kernel head (24 relations), the same
sentences, batches of similar length, dropout, frozen embeddings, clipping at 5 and Adam.

train_torch.py ENCODER_DIR STEPS [BATCH [CORPUS.jsonl [cpu|cuda]]]      pip install torch transformers     (CPU wheels)
"""
import json, os, random, resource, sys, time
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

R, ROUNDS, WIDTH, TAGS, WARM_UP = 24, 2, 64, 5, 2
directory, steps = sys.argv[1], int(sys.argv[2])
batch = int(sys.argv[3]) if len(sys.argv) > 3 else 16
here = os.path.dirname(os.path.abspath(__file__))
corpus = sys.argv[4] if len(sys.argv) > 4 else os.path.join(here, "..", "sample_data", "corpus.jsonl")
device = sys.argv[5] if len(sys.argv) > 5 else "cpu"
torch.set_num_threads(len(os.sched_getaffinity(0)))
torch.manual_seed(1)
random.seed(1)


class Gru(nn.Module):
    def __init__(self, x, d):
        super().__init__()
        self.input, self.hidden = nn.Linear(x, 3 * d), nn.Linear(d, 3 * d)

    def forward(self, x, h):
        (ir, iz, i_n), (hr, hz, hn) = self.input(x).chunk(3, -1), self.hidden(h).chunk(3, -1)
        r, z = torch.sigmoid(ir + hr), torch.sigmoid(iz + hz)
        n = torch.tanh(i_n + r * hn)
        return n + z * (h - n)


class Rin(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.input, self.tag = nn.Linear(d, WIDTH), nn.Linear(WIDTH, TAGS)
        self.head, self.tail = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, R)
        self.relations, self.entities = Gru(R, WIDTH), Gru(TAGS, WIDTH)

    def pairs(self, x):
        return self.out(torch.relu(self.head(x)[:, :, None] + self.tail(x)[:, None]))  # [B, n, n, R]

    def forward(self, words, mask):
        shared = relation = entity = self.input(F.dropout(words, 0.1, self.training))
        absent = (~mask)[:, None, :, None]
        for _ in range(ROUNDS):
            evidence = torch.sigmoid(self.pairs(relation).masked_fill(absent, -1e30).amax(2))
            tags = torch.softmax(self.tag(entity), -1)
            relation, entity = self.relations(evidence, shared), self.entities(tags, shared)
            shared = shared + entity + relation
        return self.tag(entity), self.pairs(relation)


class Kernel(nn.Module):
    def __init__(self, h):
        super().__init__()
        weight = lambda *shape: nn.Parameter(torch.empty(*shape).uniform_(-(h**-0.5), h**-0.5))
        self.wh, self.wt, self.bh, self.bt = weight(R, h, h), weight(R, h, h), weight(R, h), weight(R, h)

    def forward(self, heads, tails, sizes):
        """heads, tails [S, h], S pieces of all sentences, `sizes` of each: logits [R, B, longest, longest]"""
        split = lambda x: nn.utils.rnn.pad_sequence([p.transpose(0, 1) for p in x.split(sizes, 1)], batch_first=True)  # [B, longest, R, h]
        heads = split(torch.baddbmm(self.bh[:, None], heads.expand(R, -1, -1), self.wh)).permute(2, 0, 1, 3)
        tails = split(torch.baddbmm(self.bt[:, None], tails.expand(R, -1, -1), self.wt)).permute(2, 0, 1, 3)
        return heads @ tails.transpose(-1, -2) * heads.shape[-1] ** -0.5


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = AutoModel.from_pretrained(directory, attn_implementation="sdpa", dtype=torch.float32)
        for p in self.encoder.embeddings.parameters():
            p.requires_grad = False
        d = self.encoder.config.hidden_size
        self.rin, self.kernel = Rin(d), Kernel(d)

    def forward(self, b):
        out = self.encoder(input_ids=b["ids"], attention_mask=b["mask"], output_hidden_states=True)
        top, low = out.hidden_states[-1], out.hidden_states[-2]
        words = top.gather(1, b["first"][:, :, None].expand(-1, -1, top.shape[-1]))
        tags, cells = self.rin(words, b["words"])
        pair_mask = b["words"][:, :, None] & b["words"][:, None]
        bce = F.binary_cross_entropy_with_logits
        rin = F.cross_entropy(tags[b["words"]], b["tags"], reduction="sum") + bce(cells[pair_mask], b["cells"], reduction="sum")
        rows, owners = b["pieces"], b["owners"]
        heads = low[owners, rows] + out.pooler_output[owners]
        logits = self.kernel(heads, top[owners, rows], b["sizes"])
        kernel = (bce(logits, b["gold"], reduction="none") * b["weights"]).sum()
        return rin / b["words"].sum() + kernel


tokenizer = AutoTokenizer.from_pretrained(directory)
examples = []
with open(corpus, encoding="utf-8") as f:
    for i, line in enumerate(f):
        record = json.loads(line)
        encoded = tokenizer(record["tokens"], is_split_into_words=True, truncation=True, max_length=256)
        first, pieces = {}, {}
        for piece, word in enumerate(encoded.word_ids()):
            if word is not None:
                first.setdefault(word, piece)
                pieces.setdefault(word, []).append(piece)
        spans = sorted({(e["start"], e["end"]) for e in record["entities"] if e["end"] <= len(first)})
        examples.append({"ids": encoded["input_ids"], "first": [first[w] for w in sorted(first)], "spans": spans, "pieces": pieces, "label": i % R})


def collate(rows):
    b, width, words = len(rows), max(len(r["ids"]) for r in rows), max(len(r["first"]) for r in rows)
    t = {"ids": torch.zeros(b, width, dtype=torch.long), "mask": torch.zeros(b, width, dtype=torch.long), "first": torch.zeros(b, words, dtype=torch.long)}
    t["words"] = torch.zeros(b, words, dtype=torch.bool)
    tags, cells, pieces, owners, sizes, grids = [], [], [], [], [], []
    for i, r in enumerate(rows):
        n = len(r["first"])
        t["ids"][i, : len(r["ids"])], t["mask"][i, : len(r["ids"])] = torch.tensor(r["ids"]), 1
        t["first"][i, :n], t["words"][i, :n] = torch.tensor(r["first"]), True
        tags.append(torch.zeros(n, dtype=torch.long))
        gold = torch.zeros(n, n, R)
        for a, c in zip(r["spans"], r["spans"][1:]):
            gold[a[1] - 1, c[1] - 1, r["label"]] = 1
        cells.append(gold.view(-1, R))
        own = sorted({p for s, e in r["spans"] for w in range(s, e) for p in r["pieces"][w]})
        if own:
            pieces += own
            owners += [i] * len(own)
            sizes.append(len(own))
            grids.append((r, own))
    longest = max(sizes)
    t["gold"], t["weights"] = torch.zeros(R, len(grids), longest, longest), torch.zeros(R, len(grids), longest, longest)
    for g, (r, own) in enumerate(grids):
        place = {p: k for k, p in enumerate(own)}
        of = lambda span: torch.tensor([place[p] for w in range(*span) for p in r["pieces"][w]])
        for a in r["spans"]:
            for c in r["spans"]:
                if a != c:
                    t["weights"][:, g, of(a)[:, None], of(c)[None]] = 1
        for a, c in zip(r["spans"], r["spans"][1:]):
            t["gold"][r["label"], g, of(a)[:, None], of(c)[None]] = 1
        t["weights"][:, g] /= t["weights"][0, g].sum().clamp(min=1) * R * len(grids)
    t |= {"tags": torch.cat(tags), "cells": torch.cat(cells), "pieces": torch.tensor(pieces), "owners": torch.tensor(owners), "sizes": sizes}
    return t


def batches():
    while True:
        order = list(range(len(examples)))
        random.shuffle(order)
        found = []
        for i in range(0, len(order), 16 * batch):
            pool = sorted(order[i : i + 16 * batch], key=lambda k: len(examples[k]["first"]))
            found += [pool[j : j + batch] for j in range(0, len(pool), batch)]
        random.shuffle(found)
        yield from (collate([examples[k] for k in b]) for b in found if len(b) == batch)


model = Model().train().to(device)
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.Adam(trained, lr=1e-4, fused=True)
source = batches()
to_device = lambda b: {k: v.to(device) if torch.is_tensor(v) else v for k, v in b.items()}
ready = [to_device(next(source)) for _ in range(steps + WARM_UP)]
for step, b in enumerate(ready):
    if step == WARM_UP:
        if device == "cuda":
            torch.cuda.synchronize()
        started, cpu = time.perf_counter(), time.process_time()
    optimizer.zero_grad(set_to_none=True)
    model(b).backward()
    nn.utils.clip_grad_norm_(trained, 5.0)
    optimizer.step()
if device == "cuda":
    torch.cuda.synchronize()
rate, cpu_rate = (steps * batch / t for t in (time.perf_counter() - started, time.process_time() - cpu))
print(f"torch train batch={batch} {rate:.2f} sentences/s {cpu_rate:.2f} sentences/cpu-s peak={resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB", flush=True)
