"""Times one MoE layer in PyTorch, onnxruntime and JAX beside `moe-oracle bench`, in one run.

usage: time_layers.py MOE_ORACLE [--models M,...] [--dtypes D,...] [--tokens T,...] [--rounds R] [--csv OUT.csv]

All compute the same: the forward pass of one whole layer, with the weights and batches of `moe-oracle bench`, on as many
threads as OMP_NUM_THREADS says, else all. Up to 16 tokens, eight batches take turns, so that no cache holds their experts.
First the result of each peer is compared with ours (`moe-oracle run --backend cpu`, on the same numbers); one that differs
is not timed. Then every round times each program once, in turn, so that what else the machine does meets all alike; the
table has medians over the rounds. --csv adds rows to a file that is there, so that models can be measured one by one.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
import time

FIELDS = ["shape", "dtype", "tokens", "program", "seconds", "floor_seconds", "why_not"]
DECODE = 16  # up to so many tokens `moe-oracle bench` has eight batches
FURTHEST = {"f32": 1e-5, "bf16": 2e-2}  # from ours, of the largest number: summation order; roundings of stages to 2^-9
MOE_ORACLE = "moe-oracle"


def bench(program, model, dtype, tokens, backend="cpu"):
    """The rows of `moe-oracle bench`, by number of tokens."""
    words = [program, "bench", model, "--tokens", ",".join(map(str, tokens)), "--dtype", dtype, "--pass", "forward",
             "--backend", backend, "--repeat", "3", "--json"]
    rows = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)["rows"]
    return {row["tokens"]: row for row in rows if row.get("part", "forward") == "forward"}


def results_of(program, layer, dtype, batches, backend="cpu"):
    """What ours gives for each batch (T, D): for all in one, since no token's result depends on the others."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as folder:
        file = lambda name: os.path.join(folder, name + ".safetensors")
        save_file(layer.weights, file("weights"))
        save_file({"x": torch.cat(batches)}, file("x"))
        words = [program, "run", "mixtral", *layer.options(sum(map(len, batches))), "--backend", backend, "--dtype", dtype,
                 "--weights", file("weights"), "--input", file("x"), "--out", file("trace")]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        with safe_open(file("trace"), "pt") as trace:
            return trace.get_tensor("y").double().split([len(batch) for batch in batches])


def seconds_of(run, batches, least=0.25):
    """Of one call: the median of three samples, each of as many calls as take `least` seconds; of one, if it takes more."""
    turn = iter(range(1 << 30))

    def sample(calls):
        start = time.perf_counter()
        for _ in range(calls):
            run(batches[next(turn) % len(batches)])
        return (time.perf_counter() - start) / calls

    first = sample(1)
    if first > 4 * least:
        return first
    return statistics.median(sample(max(1, round(least / first))) for _ in range(3))


class Company:
    """How much of the processors others take meanwhile; where OpenMP's threads wait for each other, a little hurts much."""

    def __init__(self):
        self.start = self.now()

    def now(self):
        with open("/proc/stat") as file:
            busy = sum(map(int, file.readline().split()[1:4])) / os.sysconf("SC_CLK_TCK")
        own = os.times()
        return busy - sum(own[:4]), own.elapsed * os.cpu_count()

    def share(self):
        (others, all_), (before, all_before) = self.now(), self.start
        return (others - before) / (all_ - all_before)


class Measurement:
    """One layer in one dtype, in every program, for some numbers of tokens."""

    def __init__(self, program, model, dtype, tokens, layer=None):
        import torch
        from layer import Layer
        from peers import PEERS, Tensors

        self.program, self.model, self.dtype, self.tokens = program, model, dtype, tokens
        self.ours = [bench(program, model, dtype, tokens)]
        layer = self.layer = layer or Layer(model, next(iter(self.ours[0].values())))
        self.name, kind = layer.name, {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        right = dict(zip(tokens, results_of(program, layer, dtype, [layer.batch(T, 0) for T in tokens])))
        self.batches = {T: [layer.batch(T, i).to(kind) for i in range(8 if T <= DECODE else 1)] for T in tokens}
        tensors = Tensors(layer, kind)
        self.peers, self.why_not, self.seconds = {}, {}, {}
        for T in tokens:
            for name, make in PEERS.items():
                try:
                    peer = make(tensors, T)
                    off = float((peer(self.batches[T][0]).double() - right[T]).abs().max() / right[T].abs().max())
                    if not off < FURTHEST[dtype]:
                        raise RuntimeError(f"its result is off by {off:.2g} of the largest number")
                    self.peers[T, name], self.seconds[T, name] = peer, []
                except Exception as error:  # whatever a peer does is its affair, and part of the report
                    self.why_not[T, name] = (str(error).splitlines() or [type(error).__name__])[0][:150]

    def time_peers(self):
        for (T, name), peer in self.peers.items():
            self.seconds[T, name].append(seconds_of(peer, self.batches[T]))

    def time_ours(self):
        self.ours.append(bench(self.program, self.model, self.dtype, self.tokens))

    def rows(self):
        for T in self.tokens:
            same = {"shape": self.name, "dtype": self.dtype, "tokens": T,
                    "floor_seconds": statistics.median(r[T]["floor_ratio"] * r[T]["seconds"] for r in self.ours)}
            yield same | {"program": MOE_ORACLE, "seconds": statistics.median(r[T]["seconds"] for r in self.ours)}
            for (tokens, name), samples in self.seconds.items():
                if tokens == T:
                    yield same | {"program": name, "seconds": statistics.median(samples)}
            for (tokens, name), why in self.why_not.items():
                if tokens == T:
                    yield same | {"program": name, "why_not": why}


def add_to(path, rows):
    """Earlier rows of the same shape, dtype and tokens are replaced."""
    key = lambda row: (row["shape"], row["dtype"], str(row["tokens"]))
    old = list(csv.DictReader(open(path))) if os.path.exists(path) else []
    new = {key(row) for row in rows}
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([row for row in old if key(row) not in new] + rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--models", default="mixtral-8x7b,qwen3-30b-a3b,deepseek-v3,olmoe-1b-7b,gpt-oss-20b")
    parser.add_argument("--dtypes", default="f32,bf16")
    parser.add_argument("--tokens", default="1,16,512,2048")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--csv")
    options = parser.parse_args()
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])  # JAX takes as many threads as it sees processors
    import torch
    from table import print_table

    torch.set_num_threads(threads)
    for model in options.models.split(","):
        layer = None
        for dtype in options.dtypes.split(","):
            company = Company()
            measurement = Measurement(options.program, model, dtype, list(map(int, options.tokens.split(","))), layer)
            for i in range(options.rounds):
                if i > 0:
                    measurement.time_ours()
                measurement.time_peers()
            rows, layer = list(measurement.rows()), measurement.layer
            del measurement  # the next one needs its memory
            print_table(rows)
            print(f"other programs took {100 * company.share():.1f} % of the processors", flush=True)
            if options.csv:
                add_to(options.csv, rows)


if __name__ == "__main__":
    main()
