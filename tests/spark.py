#!/usr/bin/env python3
"""docs/scale.md as a test: the prediction filter under Spark's RDD.pipe, on a local cluster, with processes killed meanwhile.

spark.py REDRESS [--lose]     REDRESS is the program; --lose leaves checkCode out and reports how many sentences go missing

Needs pyspark and a Java runtime. Exits 0 when every sentence came back exactly once and was imported.
"""
import collections, glob, json, os, signal, subprocess, sys, tempfile, threading, time

from pyspark import SparkConf, SparkContext

SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sample_data", "corpus.jsonl")
PARTITIONS = 8


def processes(word):
    """Ids of processes whose command line begins with or holds `word`."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                line = f.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and not line.startswith(("sh ", sys.executable)):
            yield int(entry)


def kill_one(word, killed, patience):
    """SIGKILL to one process that has `word` in its command line and has run for a moment."""
    end = time.time() + patience
    while time.time() < end:
        for pid in processes(word):
            time.sleep(1.5)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.append(f"{word} {pid}")
            return
        time.sleep(0.05)


def main():
    redress, lose = os.path.abspath(sys.argv[1]), "--lose" in sys.argv
    work = tempfile.mkdtemp(prefix="redress-spark-")
    call = lambda *a: subprocess.run([redress, *a], check=True, stdout=subprocess.PIPE, text=True).stdout
    workspace, export, shards, out = (os.path.join(work, n) for n in ("workspace", "export.jsonl", "shards", "predictions"))
    call("import", SAMPLE, "-w", workspace)
    call("export", "-w", workspace, "-o", export)
    with open(export) as f:
        lines = f.readlines()
    os.mkdir(shards)
    for n in range(PARTITIONS):
        with open(os.path.join(shards, f"part-{n:02}.jsonl"), "w") as f:
            f.writelines(lines[n::PARTITIONS])

    wrapper = os.path.join(work, "filter.sh")
    with open(wrapper, "w") as f:
        f.write(f"#!/bin/sh\n'{redress}' predict --kept --device cpu\ncode=$?\n[ $code -eq 3 ] && exit 0\nexit $code\n")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = SparkConf().setMaster("local-cluster[2,1,1024]").setAppName("redress").set("spark.ui.enabled", "false").set("spark.executor.memory", "512m")
    context = SparkContext(conf=conf)
    context.setLogLevel("OFF")
    killed = []
    killer = threading.Thread(target=lambda: (kill_one(f"{redress} predict --kept", killed, 120), lose or kill_one("CoarseGrainedExecutorBackend", killed, 120)))
    killer.start()
    context.textFile(shards, PARTITIONS).pipe(f"sh {wrapper}", checkCode=not lose).saveAsTextFile(out)
    killer.join()
    context.stop()

    seen = collections.Counter()
    for part in glob.glob(os.path.join(out, "part-*")):
        with open(part) as f:
            seen.update(json.loads(line)["sentence"] for line in f)
    wanted = {json.loads(line)["id"] for line in lines}
    lost, twice = len(wanted - set(seen)), sum(1 for n in seen.values() if n > 1)
    print(f"{len(wanted)} sentences in {PARTITIONS} shards; killed: {', '.join(killed)}; lost {lost}, twice {twice}, strange {len(set(seen) - wanted)}")
    if lose:
        return 0 if lost else 1
    parts = sorted(glob.glob(os.path.join(out, "part-*")))
    reports = [json.loads(call("import-predictions", *parts, "-w", workspace, "--json")) for _ in range(2)]
    print("import-predictions, twice:", [{k: r[k] for k in ("lines", "added", "known", "problems")} for r in reports])
    left = json.loads(call("predict", "-w", workspace, "--json"))["now"]
    good = not lost and not twice and len(killed) == 2 and reports[0]["added"] == len(wanted) and reports[1]["added"] == 0 and left == 0
    print("every sentence exactly once" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
