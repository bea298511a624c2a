"""How time and memory of the CPU backend grow with experts E, tokens T and choices K.

usage: scaling.py BUILD_FOLDER [--dtype f32|bf16] [--only time|memory] [--repeat N]

Time is that of `moe-oracle bench`, forward, balanced load, on config files that are written here; memory what the program
memory_growth (ninja -C BUILD_FOLDER memory_growth) finds resident. All layers have D = 1024 and F = 384. The expected
memory follows from the stages that a layer keeps, and is compared with the slopes measured by least squares.
"""

import argparse
import json
import os
import subprocess
import tempfile

D, F = 1024, 384
TIMES = [  # what grows, its values, what stays
    ("E", [8, 16, 32, 64, 128, 256, 512], {"K": 8, "T": 16384}),
    ("T", [512, 1024, 2048, 4096, 8192], {"K": 8, "E": 64}),
    ("K", [1, 2, 4, 8, 16], {"E": 64, "T": 4096}),
]
MEMORIES = [
    ("E", [8, 64, 128, 256, 512], {"K": 8, "T": 512}),
    ("T", [512, 2048, 4096, 8192], {"K": 8, "E": 64}),
    ("K", [1, 4, 8, 16], {"E": 64, "T": 4096}),
]


def config_of(E, K):
    """A model of one layer, as Hugging Face describes it."""
    return {"model_type": "qwen3_moe", "hidden_act": "silu", "hidden_size": D, "intermediate_size": F,
            "moe_intermediate_size": F, "num_experts": E, "num_experts_per_tok": K, "norm_topk_prob": True,
            "num_hidden_layers": 1, "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 1024}


def ran(words):
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def time_table(build, dtype, repeat, letter, values, rest):
    print(f"time against {letter}, " + ", ".join(f"{name} = {value}" for name, value in rest.items()) + f", {dtype}")
    print(f'{letter:>5} {"rows an expert":>15} {"seconds":>12} {"per token K":>13} {"floor_ratio":>12} {"dense_ratio":>12}')
    times, per = [], []
    with tempfile.TemporaryDirectory() as folder:
        for value in values:
            sizes = rest | {letter: value}
            path = os.path.join(folder, f"{letter}{value}.json")
            with open(path, "w") as file:
                json.dump(config_of(sizes["E"], sizes["K"]), file)
            row = ran([os.path.join(build, "moe-oracle"), "bench", path, "--tokens", str(sizes["T"]), "--dtype", dtype,
                       "--pass", "forward", "--repeat", str(repeat), "--json"])["rows"][0]
            assignments = sizes["T"] * sizes["K"]
            times.append(row["seconds"])
            per.append(times[-1] / assignments)
            print(f'{value:5} {assignments // sizes["E"]:15} {1e3 * row["seconds"]:9.4g} ms {1e6 * per[-1]:10.4g} us '
                  f'{row["floor_ratio"]:12.3f} {row["dense_ratio"]:12.3f}', flush=True)
    first, each = line(values, times)
    off = max(abs(first + each * value - time) / time for value, time in zip(values, times))
    print(f"least squares: {1e3 * first:.4g} ms + {1e3 * each:.4g} ms {letter}, off by at most {100 * off:.1f} %; "
          f"time per token K varies by {max(per) / min(per):.3f}\n")


def line(xs, ys):
    """Where it begins and its slope, by least squares of what it is off relative to y, so that small ones count as well."""
    w = [1 / y**2 if y > 0 else 1 for y in ys]
    x, y = (sum(a * b for a, b in zip(w, values)) / sum(w) for values in (xs, ys))
    each = sum(c * (a - x) * (b - y) for a, b, c in zip(xs, ys, w)) / sum(c * (a - x) ** 2 for a, c in zip(xs, w))
    return y - each * x, each


def expected(letter, T, E, K, dtype):
    """Bytes for each more of E, T or K: of the weights as given, of those that are packed, and of the stages.

    A row of an expert keeps its x and hidden in the dtype, gate, up and its result in f32; a token its x, dy and y in f32,
    and of each expert a logit and a score, in f64.
    """
    weights = 3 * D * F + D  # and a row of the router
    packed = {"f32": 4, "bf16": 2}[dtype]
    row, token = packed * (D + F) + 4 * (D + 2 * F), 4 * 3 * D + 16 * E
    return {"E": (2 * weights, packed * weights, 16 * T), "T": (0, 0, K * row + token), "K": (0, 0, T * row)}[letter]


def memory_table(build, dtype, letter, values, rest):
    print(f"memory against {letter}, " + ", ".join(f"{name} = {value}" for name, value in rest.items()) + f", {dtype}; MB")
    print(f'{letter:>5} {"weights":>10} {"packed":>10} {"stages":>10} {"once more":>10}')
    rows = []
    for value in values:
        s = rest | {letter: value}
        rows.append(ran([os.path.join(build, "memory_growth"), *map(str, (D, F, s["E"], s["K"], s["T"])), dtype]))
        print(f"{value:5} " + " ".join(f"{rows[-1][part] / 1e6:10.1f}" for part in ("inputs", "loaded", "batch", "again")),
              flush=True)
    for name, part, bytes_of_each in zip(("weights", "packed", "stages"), ("inputs", "loaded", "batch"),
                                         expected(letter, dtype=dtype, **({"T": 0, "E": 0, "K": 0} | rest))):
        measured = line(values, [row[part] for row in rows])[1]
        ratio = f", measured / expected {measured / bytes_of_each:.3f}" if bytes_of_each else ""
        print(f"  {name}: measured {measured:,.0f} bytes for each more of {letter}, expected {bytes_of_each:,}{ratio}")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--dtype", default="f32", choices=["f32", "bf16"])
    parser.add_argument("--only", choices=["time", "memory"])
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    if options.only != "memory":
        for what in TIMES:
            time_table(options.build, options.dtype, options.repeat, *what)
    if options.only != "time":
        for what in MEMORIES:
            memory_table(options.build, options.dtype, *what)


if __name__ == "__main__":
    main()
