#!/usr/bin/env python3
"""Drives the real program through a pseudo-terminal: opening time, key to painted frame, memory.

    benches/screen.py target/release/redress [--sentences 100000] [--keys 1000] [--workspace DIR] [--idle]

Makes a workspace of distinct sentences from sample_data (kept in --workspace, used again when it is there), opens it at
200x50, starts predicting it (not with --idle), and presses keys as a curator does, each when the frame of the one before it
has been painted. A frame ends with the end of a synchronised update (CSI ? 2026 l); it answers a key when it writes above the
two bottom rows, which a running job repaints by itself; an edit is answered in those. Standard library only.
"""

import argparse
import fcntl
import json
import os
import pathlib
import pty
import random
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
WIDTH, HEIGHT = 200, 50
FRAME_END = b"\x1b[?2026l"
ROW = re.compile(rb"\x1b\[(\d+);\d+H")


def sentences(n):
    """`n` distinct sentences: those of sample_data, each repetition with a number of its own at the end."""
    lines = [json.loads(l) for l in open(ROOT / "sample_data/corpus.jsonl", encoding="utf-8")]
    for i in range(n):
        line = dict(lines[i % len(lines)])
        mark = f"№{i}"
        line["native_id"] = f"bench-{i}"
        line["text"] = f"{line['text']} {mark}"
        line["tokens"] = [*line["tokens"], mark]
        yield json.dumps(line, ensure_ascii=False)


def make_workspace(binary, directory, n):
    kb = ROOT / "sample_data/kb"
    with tempfile.TemporaryDirectory() as tmp:
        corpus = pathlib.Path(tmp) / "bench.jsonl"
        corpus.write_text("\n".join(sentences(n)) + "\n", encoding="utf-8")
        for command in (
            ["import", corpus],
            ["kb", "import", kb / "triples.tsv", "--names", kb / "names.tsv"],
            ["label"],
        ):
            began = time.monotonic()
            subprocess.run([binary, *command, "-w", directory], check=True, stdout=subprocess.DEVNULL)
            print(f"  {' '.join(map(str, command[:1]))}: {time.monotonic() - began:.1f} s", file=sys.stderr)


class Screen:
    """The program in a pseudo-terminal of 200x50."""

    def __init__(self, binary, arguments, home):
        self.began = time.monotonic()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(HOME=str(home), TERM="xterm-256color")
            os.execv(binary, [binary, *arguments])
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)
        self.pending = b""

    def frames(self, seconds):
        """Frames as they come, for `seconds`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.terminal], [], [], left)[0]:
                return
            try:
                self.pending += os.read(self.terminal, 1 << 16)
            except OSError:  # The program has left.
                return
            while FRAME_END in self.pending:
                frame, self.pending = self.pending.split(FRAME_END, 1)
                yield frame

    def until(self, what, seconds=60):
        """Waits for a frame for which `what` holds; the time it came, or None."""
        for frame in self.frames(seconds):
            if what(frame):
                return time.monotonic()
        return None

    def press(self, keys, shows):
        """Seconds from a key to the end of the first frame for which `shows` holds; None where none does."""
        for _ in self.frames(0.01):
            pass
        began = time.monotonic()
        os.write(self.terminal, keys)
        came = self.until(shows, 0.5)
        return came and came - began

    def memory(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return {name: int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024 for name in ("VmRSS", "VmHWM")}

    def scheduled(self):
        """Milliseconds that the thread of the screen has run, and has waited for a processor."""
        run, wait, _ = pathlib.Path(f"/proc/{self.pid}/schedstat").read_text().split()
        return int(run) / 1e6, int(wait) / 1e6

    def leave(self):
        os.kill(self.pid, signal.SIGTERM)
        self.until(lambda _: False, 0.2)
        os.waitpid(self.pid, 0)


def shows_effect(frame):
    return any(int(row) <= HEIGHT - 2 for row in ROW.findall(frame))


def shows_anything(frame):
    return True


# What a curator does: walk the list, read, judge, go on, look at the evidence, search, look at the errors. Keys after `!` are
# answered by the store or the index: the frame waited for is the one with their rows.
WALK = "j j j k ctrl-d j ctrl-u ctrl-d ctrl-d j !G !gg"
READ = "!enter n n x n a n tab tab j x n n N z z d n s n a x !u N gc"
SEARCH = "/ b o r n !enter !enter n x n a n gc !-"
ERRORS = "!] j j s !enter !enter n a n gc !-"
# An edit is told in the status line; a repeated one changes nothing above it.
EDITS = {"a", "x", "s", "d"}
NAMED = {"enter": "\r", "tab": "\t", "ctrl-d": "\x04", "ctrl-u": "\x15"}


def keys(n):
    dice = random.Random(1)
    out = []
    while len(out) < n:
        out += dice.choice([WALK, READ, READ, SEARCH, ERRORS]).split()
    return out[:n]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--sentences", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--workspace", type=pathlib.Path)
    parser.add_argument("--idle", action="store_true", help="without a prediction job")
    options = parser.parse_args()
    binary = str(options.binary.resolve())
    with tempfile.TemporaryDirectory() as home:
        workspace = options.workspace or pathlib.Path(home) / "workspace"
        if not workspace.exists():
            print(f"making {options.sentences} sentences in {workspace}", file=sys.stderr)
            make_workspace(binary, workspace, options.sentences)
        run(binary, workspace, home, options)


def report(what, times):
    times.sort(key=lambda t: t[0])
    at = lambda share: 1000 * times[min(int(len(times) * share), len(times) - 1)][0]
    slow = ", ".join(f"{key} {1000 * taken:.0f}" for taken, key in times[-5:])
    print(
        f"{what}: {len(times)} keys, median {at(0.5):.1f} ms, p90 {at(0.9):.1f} ms, p99 {at(0.99):.1f} ms, "
        f"most {at(1):.1f} ms (slowest, ms: {slow})"
    )


def run(binary, workspace, home, options):
    screen = Screen(binary, ["-w", str(workspace)], home)
    shown = f"{options.sentences:,} sentences".encode()
    opened = screen.until(lambda frame: shown in frame)
    print(f"opened, first rows painted: {1000 * (opened - screen.began):.0f} ms")
    ready = screen.until(lambda frame: b"the current model is now" in frame)
    print(f"model ready: {1000 * (ready - screen.began):.0f} ms")
    print("resident, model loaded: {VmRSS:.0f} MiB".format(**screen.memory()))
    if not options.idle:
        os.write(screen.terminal, b"P")
        screen.until(lambda frame: b"Predict all" in frame)
        os.write(screen.terminal, b"\r")
        screen.until(lambda frame: b"predict" in frame, 30)
        time.sleep(5)
    own, asked, without = [], [], 0
    before = screen.scheduled()
    for key in keys(options.keys):
        name = key.removeprefix("!")
        shows = shows_anything if name in EDITS else shows_effect
        taken = screen.press(NAMED.get(name, name).encode(), shows)
        if taken is None:
            without += 1
        else:
            (asked if key.startswith("!") else own).append((taken, name))
    run, wait = (b - a for a, b in zip(before, screen.scheduled()))
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    job = "idle" if options.idle else "while predicting"
    report(f"key to painted frame, {job}", own)
    report(f"key to rows from store or index, {job}", asked)
    print(f"its thread, a key: ran {run / options.keys:.2f} ms, waited for a processor {wait / options.keys:.2f} ms; load {load}")
    print(f"keys without effect above the status line: {without}")
    print("resident: {VmRSS:.0f} MiB, at most {VmHWM:.0f} MiB".format(**screen.memory()))
    screen.leave()


if __name__ == "__main__":
    main()
