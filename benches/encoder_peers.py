#!/usr/bin/env python3
"""The encoder of benches/encoder.rs in other engines, on the same sentences: encoder_peers.py ENGINE ENCODER_DIR BATCH [REPETITIONS]

ENGINE: torch | torch-cuda | torch-cuda-bf16 | ort | ort8 (dynamic 8-bit weights and activations) | openvino.     pip install torch transformers onnx onnxruntime openvino     (CPU wheels)
The checksum, the sum of all absolute hidden states, should be that of benches/encoder.rs but for rounding (more for ort8).
"""
import json, os, sys, tempfile, time
import numpy as np
from transformers import AutoTokenizer

engine, directory, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
repetitions = int(sys.argv[4]) if len(sys.argv) > 4 else 3
threads = len(os.sched_getaffinity(0))
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "..", "sample_data", "corpus.jsonl"), encoding="utf-8") as f:
    sentences = sorted((json.loads(line)["tokens"] for line in f), key=len)
tokenizer = AutoTokenizer.from_pretrained(directory)
encode = lambda rows: tokenizer(rows, is_split_into_words=True, padding=True, truncation=True, max_length=256, return_tensors="np")
encoded = [encode(sentences[i : i + batch]) for i in range(0, len(sentences), batch)]
batches = [(b["input_ids"].astype(np.int64), b["attention_mask"].astype(np.int64)) for b in encoded]

size = lambda x, mask: float((np.abs(x) * mask[:, :, None]).sum())


def torch_model():
    import torch
    from transformers import AutoModel

    torch.set_num_threads(threads)
    return torch, AutoModel.from_pretrained(directory, attn_implementation="sdpa", dtype=torch.float32).eval()


def onnx_file(quantised):
    """The exported encoder; kept in the temporary directory, so that runs in turn export once."""
    folder = os.path.join(tempfile.gettempdir(), "redress-bench-" + os.path.basename(os.path.abspath(directory)))
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "encoder.onnx")
    if not os.path.exists(path):
        torch, model = torch_model()

        class Hidden(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.encoder = model

            def forward(self, input_ids, attention_mask):
                return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

        example = (torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8, dtype=torch.long))
        axes = {0: "batch", 1: "length"}
        names = ["input_ids", "attention_mask"]
        torch.onnx.export(
            Hidden(), example, path + ".part", input_names=names, output_names=["last_hidden_state"],
            dynamic_axes={name: axes for name in names + ["last_hidden_state"]}, opset_version=17, dynamo=False,
        )
        os.replace(path + ".part", path)
    if quantised and not os.path.exists(path + ".q8"):
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(path, path + ".q8.part", weight_type=QuantType.QInt8)
        os.replace(path + ".q8.part", path + ".q8")
    return path + (".q8" if quantised else "")


if engine.startswith("torch"):
    torch, model = torch_model()
    device = "cuda" if "cuda" in engine else "cpu"
    model = model.to(device, torch.bfloat16 if "bf16" in engine else torch.float32)

    def hidden(ids, mask):
        with torch.inference_mode():
            ids, mask = torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
            return model(input_ids=ids, attention_mask=mask).last_hidden_state

    def size(x, mask):
        return float((x.abs() * torch.from_numpy(mask).to(x)[:, :, None]).sum(dtype=torch.float32))

elif engine in ("ort", "ort8"):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(onnx_file(engine == "ort8"), options, providers=["CPUExecutionProvider"])
    hidden = lambda ids, mask: session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask})[0]
elif engine == "openvino":
    import openvino

    hints = {"INFERENCE_NUM_THREADS": str(threads), "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.Core().compile_model(onnx_file(False), "CPU", hints).create_infer_request()

    def hidden(ids, mask):
        request.infer({"input_ids": ids, "attention_mask": mask})
        return request.get_tensor("last_hidden_state").data

else:
    sys.exit(__doc__)

for repetition in range(repetitions + 1):
    started, cpu, checksum = time.perf_counter(), time.process_time(), 0.0
    for ids, mask in batches:
        checksum += size(hidden(ids, mask), mask)
    if repetition > 0:
        rate, cpu_rate = (len(sentences) / t for t in (time.perf_counter() - started, time.process_time() - cpu))
        print(f"{engine} batch={batch} {rate:.1f} sentences/s {cpu_rate:.1f} sentences/cpu-s checksum={checksum:.0f}", flush=True)
