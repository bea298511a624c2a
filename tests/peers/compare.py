"""Evaluates a peer of each published system on golden files, in binary64, and compares every tensor; see README.md."""
import argparse
import collections
import importlib
import pathlib
import sys

import autograd.numpy as np
from autograd import grad

import golden
from common import Record

PEERS = ["dense", "switch_transformer", "mixtral", "gshard", "shazeer2017", "deepseek_v3"]
ROWS = {"expert.gate": "ffn_size", "expert.up": "ffn_size", "expert.hidden": "ffn_size",
        "expert.out": "hidden_size", "combine.weighted": "hidden_size"}
UNIT, BOUND = 2.0**-53, 64  # an error is in units of 2^-53 of the largest magnitude in its tensor; none may exceed BOUND


def evaluate(peer, config, inputs, at):
    """One pass through a peer: y, losses with the total, ids and kept."""
    y, losses, ids, kept = peer.layer(config, inputs, at)
    y = at("y", np.array(y) if len(y) else np.zeros(inputs["x"].shape))
    losses = {f"loss.{name}": loss for name, loss in losses.items()}
    total = task = np.sum(y * inputs["dy"])
    for aux in config["aux"]:
        total = total + aux["coefficient"] * losses[f"loss.{aux['name']}"]
    return {**losses, "loss.task": task, "loss.total": total}, ids, kept


def decisions(config, ids, kept):
    """The integer stages, from what was chosen and what was kept, as golden/README.md defines them."""
    experts, k = config["shape"]["num_experts"], config["shape"]["top_k"]
    tokens = config["shape"]["num_tokens"]
    chosen = np.zeros((tokens, k), dtype=int) if ids is None else np.array(ids, dtype=int).reshape(tokens, k)
    kept = np.array(kept, dtype=int).reshape(tokens, k)
    rows = sorted((chosen[t, j], t, j) for t in range(tokens) for j in range(k) if kept[t, j])
    stages = {
        "dispatch.counts": np.bincount(chosen.ravel(), minlength=experts),
        "dispatch.kept": kept,
        "dispatch.order": np.array([t * k + j for _, t, j in rows], dtype=int),
        "dispatch.offsets": np.cumsum([0] + [sum(row[0] == e for row in rows) for e in range(experts)]),
    }
    return stages if ids is None else {**stages, "router.topk_ids": chosen}, [(t, j) for _, t, j in rows]


def gathered(config, values, rows):
    """Stage by stage; those of single assignments as the rows of `rows`."""
    stages = {name: value for (name, row), value in values.items() if row is None}
    for name in {name for name, row in values if row is not None} or ROWS:
        width = config["shape"][ROWS[name]]
        stages[name] = np.array([values[name, row] for row in rows]).reshape(len(rows), width)
    return stages


def computed(peer, config, inputs):
    """Every stage, loss and gradient of a peer, by its name in golden files."""
    record = Record()
    losses, ids, kept = evaluate(peer, config, inputs, record)
    stages, rows = decisions(config, ids, kept)
    result = {**stages, **losses, **gathered(config, record.values, rows)}
    zeros = {key: np.zeros(np.shape(value)) for key, value in record.values.items()}
    constants = {name: value for name, value in inputs.items() if name == "dy" or name.startswith("noise.")}
    variables = {name: value for name, value in inputs.items() if name not in constants}

    def total(both, route):
        return evaluate(peer, config, {**constants, **both[0]}, Record(both[1], route))[0]["loss.total"]

    for route, names in {None: None, **getattr(peer, "ROUTES", {})}.items():
        by_input, by_stage = grad(total)((variables, zeros), route)
        gradients = {**{n: np.array(g) for n, g in by_input.items()}, **gathered(config, by_stage, rows)}
        result.update({f"grad.{n}": g for n, g in gradients.items() if names is None or f"grad.{n}" in names})
    return result


def magnitudes(config, inputs, true):
    """For stages in which larger terms may cancel, how large those are."""
    largest = {name: np.max(np.abs(value), initial=0.0) for name, value in {**inputs, **true}.items()}
    task = np.sum(np.abs(true["y"] * inputs["dy"]))
    terms = {"loss.task": task, "loss.total": task + sum(abs(a["coefficient"] * true[f"loss.{a['name']}"]) for a in config["aux"])}
    terms["router.logsumexp"] = 1.0  # the logarithm of a sum near 1
    if "router.weight" in inputs:  # w (g - sum of w g), with g the gradients of the weights
        g = largest["grad.router.topk_weights"]
        terms.update({f"grad.router.{stage}": g for stage in ("logits", "scores", "noisy_logits")})
        terms.update({"grad.router.weight": g * largest["x"], "grad.router.noise_weight": g * largest["x"]})
        terms["grad.x"] = g * largest["router.weight"]
    return {name: max(value, terms.get(name, 0.0)) for name, value in largest.items()}


def error(mine, true, magnitude):
    """The largest error in units of 2^-53 of a magnitude; infinity for what is missing, of another shape, or not a number."""
    if mine is None or np.shape(mine) != np.shape(true) or not np.all(np.isfinite(mine)):
        return np.inf
    if np.array_equal(mine, true):
        return 0.0
    if true.dtype.kind in "iu" or magnitude == 0.0:
        return np.inf
    return float(np.max(np.abs(mine - true)) / magnitude / UNIT)


# What no arithmetic in floating point can be held to, with the reason.
BEYOND_FP64 = {"noise/opposite-raw": "a tie of real numbers whose last bits differ in fp64"}


class Tally:
    """What was compared with one peer."""

    def __init__(self):
        self.cases = self.tensors = self.numbers = self.failures = 0
        self.worst, self.refused, self.of_stage = (0.0, "all equal"), collections.Counter(), collections.defaultdict(float)

    def add(self, peer, config, case, folder):
        inputs = {name: golden.tensor(t, folder) for name, t in case["inputs"].items()}
        true = {name: golden.tensor(t, folder) for name, t in case["stages"].items()}
        scale = magnitudes(config, inputs, true)
        mine = computed(peer, config, {n: list(v) if n.startswith("experts.") else v for n, v in inputs.items()})
        self.cases += 1
        for name, value in true.items():
            e = error(mine.get(name), value, scale[name])
            self.tensors, self.numbers = self.tensors + 1, self.numbers + value.size
            self.worst = max(self.worst, (e, f"{name} of {case['id']}"))
            self.of_stage[name] = max(self.of_stage[name], e)
            if e > BOUND:
                self.failures += 1
                print(f"    {case['id']}: {name} " + ("is missing" if name not in mine else f"is off by {e:.3g} units"))


# Systems that no paper states whole, or that are fields of others: torch_layer.py and families.py compare them.
OF_CLIENTS = {f"presets/{name}" for name in ("deepseek_v4", "expert_choice", "gpt_oss", "llama4", "longcat_flash")}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=pathlib.Path, help="golden files or folders; without any, all of golden/")
    parser.add_argument("--verbose", action="store_true", help="also print what was skipped, and the largest error of each tensor")
    options = parser.parse_args()
    paths = options.paths or [pathlib.Path(__file__).resolve().parents[2] / "golden"]
    files = sorted(f for p in paths for f in (p.glob("**/*.json") if p.is_dir() else [p]))
    presets = {case["id"] for path in files for _, group in golden.groups(path) for case in group if case["id"].startswith("presets/")}
    presets -= OF_CLIENTS
    failures = cases = 0
    for name in PEERS:
        peer, tally = importlib.import_module(name), Tally()
        for path in files:
            for config, group in golden.groups(path):
                reason = peer.refuses(config)
                if reason:
                    tally.refused[reason] += len(group)
                else:
                    presets.difference_update(case["id"] for case in group)
                    for case in group:
                        if case["id"] in BEYOND_FP64:
                            tally.refused[BEYOND_FP64[case["id"]]] += 1
                            continue
                        tally.add(peer, config, case, path.parent)
        print(f"{name:18} {tally.cases:3} cases, {tally.tensors:4} tensors, {tally.numbers:7,} numbers, {tally.failures} differ, "
              f"worst {tally.worst[0]:.1f} units: {tally.worst[1]}; {sum(tally.refused.values())} cases skipped")
        if options.verbose:
            for reason, count in tally.refused.most_common():
                print(f"    skipped {count:3}: {reason}")
            for stage, worst in tally.of_stage.items():
                print(f"    {worst:6.1f} units: {stage}")
        failures, cases = failures + tally.failures, cases + tally.cases
    for case in sorted(presets):
        print(f"{case} is of no peer")
    return 0 if cases and not failures and not presets else 1


if __name__ == "__main__":
    sys.exit(main())
