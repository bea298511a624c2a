#!/usr/bin/env python3
"""Has `moe-oracle check` judge the clients: every variant of each, with all that it has and with less of it.

    tests/peers/judge.py --oracle build/release/moe-oracle --only jax,mlx golden/presets
    tests/peers/judge.py --oracle build/release/moe-oracle --results build/judged.json    # hours; called again, it goes on

The check gets no option that would tell it how a client computes: that is what is tried. A FAIL or FLAG that KNOWN does not
explain is a mistake, of the client or of the check, and so is a rung that is looser than what the client does: either makes
the exit code 1. The client of JAX compiles for minutes on its first run.
"""
import argparse
import collections
import itertools
import json
import pathlib
import shlex
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
STATUSES = ["PASS", "LOW-POWER", "PARTIAL", "FLAG", "FAIL", "SKIPPED"]
ROW = "{:<12} {:<46} {:<9} {:>6} {:>9} {:>7} {:>6} {:>6} {:>7} {:>7}  {}"


def every(**choices):
    """The options of every combination: every(dtype=["f32"], router=["f32", "same"]) has two."""
    combinations = itertools.product(*choices.values())
    return [" ".join(f"--{name} {value}" for name, value in zip(choices, values)) for values in combinations]


NARROW = ["bf16", "f16"]
ALL = ["f32", *NARROW]
HUGGING_FACE = ["mixtral", "granitemoe", "jamba", "olmoe", "qwen2_moe", "qwen3_moe", "qwen3_next", "deepseek_v2", "deepseek_v3",
                "kimi_k2", "glm4_moe", "dots1"]
MLX_LM = ["mixtral", "olmoe", "deepseek_v3", "dbrx"]
RETURNS = ["all", "gradients", "routing", "y"]

# Of each client the variants, and what it returns. In f64 and f32 the router has that dtype either way; onnxruntime has y only.
CLIENTS = {
    "torch": (every(dtype=["f64"]) + every(dtype=["f32"], experts=["loop", "grouped"]) +
              every(dtype=NARROW, router=["f32", "same"], experts=["loop", "grouped"]), RETURNS),
    "transformers": (every(type=HUGGING_FACE, experts=["eager", "grouped"], dtype=ALL), RETURNS),
    "jax": (every(dtype=["f32"]) + every(dtype=NARROW, router=["f32", "same"]), RETURNS),
    "onnxruntime": (every(dtype=["f32", "f16"]), ["y"]),
    "mlx": (every(type=MLX_LM, dtype=ALL), RETURNS),
}

FLUSHES = "XLA takes what lies below the least normal float32 for 0"
NO_LIMIT = "0/0: in the format of the router all scores are 0, and nothing is added to their sum"
EPSILON = "adds 1e-20 to a sum of scores that is 1.5e-21"
FOURTH_POWER = ("XLA computes (sum / E)^4 as sum^4 / E^4, which is inf in f16 where the mean is 8, so that of the gradient of "
                "loss.load the part that goes through the square of the mean is 0")
MASKED = "0 * inf: einsum with a mask lets one token's overflow reach them all"
# What is wrong with these programs, so that a FAIL is right: in the variants that have all words of the key.
KNOWN = {
    "jax": {
        "losses/collapsed": FLUSHES, "range/subnormal-products": FLUSHES, "range/exp-edges": FLUSHES,
        "range/sigmoid-edges": FLUSHES, "range/all-sigmoids-underflow": NO_LIMIT, "ties/sigmoid-underflow": NO_LIMIT,
        "bias/dwarfs-score": NO_LIMIT,
        "range/eight-of-minus-fifty": "inf * 0: the square of the sum of scores, in the gradient, is flushed",
        "exact/wide-integers": MASKED, "range/hidden-beyond-fp16": MASKED,
        "range/silu-1000": "inf * 0: the gradient of z * sigmoid(z) multiplies by z before it multiplies by sigmoid'",
    },
    "torch f16 same": {"bias/sqrtsoftplus-unshared": "softplus of -20 is 0 in f16, and the slope of a root at 0 is infinite",
                       "router/offset-small": "0/0: the square of a sum of 2.4e-7 is 0 in f16"},
    "jax f16 same": {"presets/shazeer2017": FOURTH_POWER},
    "mlx": {"losses/collapsed": FLUSHES.replace("XLA", "MLX")},
    "mlx deepseek_v3": {"range/all-sigmoids-underflow": NO_LIMIT, "ties/sigmoid-underflow": NO_LIMIT},
    "transformers": {"range/eight-of-minus-fifty": EPSILON},
}
# The rungs of bf16 and f16, from the strictest; that which is true of a client: what operators give back is in the format,
# and so is the router, unless it computes in f32.
RUNGS = ["store_fp32_acc", "store_router", "round_elementwise", "every_op"]
EXACT_RUNG = "torch"  # of this client all stages are seen, so that no stricter rung may be found, either


def known(client, variant, case):
    """Why a FAIL of this case is right; None if it is not."""
    words = {client, *variant.split()}
    return next((cases[case] for key, cases in KNOWN.items() if case in cases and words.issuperset(key.split())), None)


def rung_fault(client, variant, returns, profiles):
    """What is wrong with the rung that was found; empty if nothing."""
    names = [name for name in profiles if name]
    if not any(dtype in variant for dtype in NARROW) or len(names) != 1:
        return "" if all(name in ("fp32_any_order", "fp64_any_order") for name in names) else f"found {names}"
    found = RUNGS.index(names[0].partition("_")[2])
    # grouped_mm knows no bias, which is added to what was rounded: every operator rounds
    fused = client == "torch" and "--router f32" in variant and "--experts grouped" not in variant
    true = RUNGS.index("round_elementwise" if fused else "every_op")
    if found > true or (client == EXACT_RUNG and returns == "all" and found != true):
        return f"found {names[0]}, computes as {RUNGS[true]}"
    return ""


def judge(oracle, cases, client, variant, returns):
    """What the check says of one run."""
    command = f"{shlex.quote(str(HERE / 'clients'))} {client} {variant} --returns {returns}"
    begin = time.monotonic()
    check = [oracle, "check", *cases, "--exec", command, "--json", "--timeout", "600"]
    run = subprocess.run(check, capture_output=True, text=True)
    found = {"client": client, "variant": variant, "returns": returns, "of": cases, "seconds": round(time.monotonic() - begin)}
    try:
        cases = json.loads(run.stdout)["cases"]
    except (json.JSONDecodeError, KeyError):
        lines = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
        wrong = [{"id": command, "status": "NOT JUDGED", "reason": lines[-1]}]
        return {**found, "counts": {"NOT JUDGED": 1}, "profiles": [], "wrong": wrong}
    wrong = [{key: case[key] for key in ("id", "status", "reason")} for case in cases
             if case["status"] in ("FAIL", "FLAG", "PARTIAL")]
    profiles = {case["profile"] for case in cases if case["status"] != "SKIPPED" and case.get("profile")}
    counts = collections.Counter(case["status"] for case in cases)
    return {**found, "counts": dict(counts), "profiles": sorted(profiles), "wrong": wrong}


def mistakes(run):
    """Of what is wrong in a run that which KNOWN does not explain, and the rung if it is."""
    fault = rung_fault(run["client"], run["variant"], run["returns"], run["profiles"])
    rung = [{"id": "the rung", "status": "WRONG", "reason": fault}] if fault else []
    return [case for case in run["wrong"] if not known(run["client"], run["variant"], case["id"])] + rung


def judged_before(path):
    """The runs in a file of results, if there is one, without those that were not judged."""
    if not path or not path.exists():
        return []
    return [run for run in json.loads(path.read_text()) if "NOT JUDGED" not in run["counts"]]


def keep(path, runs):
    """Writes the results: whole, or not at all, so that nothing is lost where this is ended meanwhile."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(runs, indent=1) + "\n")
    beside.replace(path)


def show(run):
    counts = run["counts"]
    others = [f"{status}: {n}" for status, n in counts.items() if status not in STATUSES]
    print(ROW.format(run["client"], run["variant"], run["returns"], *(counts.get(status, 0) for status in STATUSES),
                     f"{run['seconds']} s", " ".join(run["profiles"] + others)))
    for case in run["wrong"]:
        if why := known(run["client"], run["variant"], case["id"]):
            print(f"    as it should: {case['id']}, {why}")
    for case in mistakes(run):
        print(f"    {case['status']} {case['id']}: {case['reason']}")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--oracle", required=True, metavar="PATH", help="the binary of moe-oracle")
    parser.add_argument("--only", metavar="NAMES", default=",".join(CLIENTS), help="of these clients, such as torch,jax")
    parser.add_argument("--results", metavar="FILE", type=pathlib.Path,
                        help="write what came of each run there, and do not run again what is there, of the same cases; remove it "
                             "when the oracle or a client changes")
    parser.add_argument("cases", nargs="*", default=[str(HERE.parents[1] / "golden")], help="ids, files or folders; else golden")
    options = parser.parse_args()
    only = options.only.split(",")
    for client in only:
        if client not in CLIENTS:
            parser.error(f"--only {client} must be one of {', '.join(CLIENTS)}")
    print(ROW.format("client", "variant", "returns", *STATUSES, "time", "profiles"))
    before, runs = judged_before(options.results), []
    for client in only:
        variants, amounts = CLIENTS[client]
        for variant, returns in itertools.product(variants, amounts):
            asked = {"client": client, "variant": variant, "returns": returns, "of": options.cases}
            there = [run for run in before if asked.items() <= run.items()]
            runs.append(there[0] if there else judge(options.oracle, options.cases, client, variant, returns))
            show(runs[-1])
            if options.results and not there:
                before.append(runs[-1])
                keep(options.results, before)
    return 1 if any(mistakes(run) for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
