#!/usr/bin/env python3
"""The encoder of benches/encoder.rs in PyTorch, on the same sentences: encoder_torch.py ENCODER_DIR BATCH [REPETITIONS]

pip install torch transformers     (CPU wheels)
"""
import json, os, sys, time
import torch
from transformers import AutoModel, AutoTokenizer

directory, batch = sys.argv[1], int(sys.argv[2])
repetitions = int(sys.argv[3]) if len(sys.argv) > 3 else 3
torch.set_num_threads(len(os.sched_getaffinity(0)))
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "..", "sample_data", "corpus.jsonl"), encoding="utf-8") as f:
    sentences = sorted((json.loads(line)["tokens"] for line in f), key=len)
tokenizer = AutoTokenizer.from_pretrained(directory)
model = AutoModel.from_pretrained(directory, attn_implementation="sdpa").eval()
batches = [
    tokenizer(sentences[i : i + batch], is_split_into_words=True, padding=True, truncation=True, max_length=256, return_tensors="pt")
    for i in range(0, len(sentences), batch)
]
for repetition in range(repetitions + 1):
    started = time.perf_counter()
    checksum = 0.0
    with torch.inference_mode():
        for b in batches:
            hidden = model(input_ids=b["input_ids"], attention_mask=b["attention_mask"]).last_hidden_state
            checksum += float((hidden.abs() * b["attention_mask"][:, :, None]).sum())
    if repetition > 0:
        rate = len(sentences) / (time.perf_counter() - started)
        print(f"torch batch={batch} {rate:.1f} sentences/s checksum={checksum:.0f}", flush=True)
