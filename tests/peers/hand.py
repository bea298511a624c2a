"""Small cases worked by hand for the peers whose decisions or losses are not plain, and their gradients against differences."""
import math
import sys

import autograd.numpy as np

import compare
import gshard
import shazeer2017
from common import Record

FORM = {"glu": False, "activation": "relu", "bias": "none"}


def experts(shape, draw):
    e, f, d = shape["num_experts"], shape["ffn_size"], shape["hidden_size"]
    return {"experts.up": list(draw.normal(size=(e, f, d))), "experts.down": list(draw.normal(size=(e, d, f)))}


def gshard_case():
    """Two tokens with gates 1/2, 1/3, 1/6 and C = 1: the queue of expert 1 advances although the first token is rejected."""
    shape = {"num_tokens": 2, "hidden_size": 2, "ffn_size": 3, "num_experts": 3, "top_k": 2}
    config = {
        "shape": shape,
        "router": {"score_function": "softmax", "renorm": "sum", "second_policy": "random", "second_threshold": 0.5},
        "capacity": {"mode": "fixed", "fixed": 1, "priority": "fcfs", "order": "choice_major", "dropped_output": "zero"},
        "experts": FORM,
        "aux": [{"name": "aux", "kind": "switch", "coefficient": 0.5, "f_source": "top1", "multiply": "none"}],
    }
    inputs = {
        "x": np.array([[1.0, 0.5], [1.0, -0.25]]),
        "router.weight": np.log(np.array([[3.0, 1.0], [2.0, 1.0], [1.0, 1.0]])),
        "noise.second_policy": np.array([0.9, 0.1]),
        "dy": np.array([[1.0, -1.0], [0.5, 2.0]]),
        **experts(shape, np.random.default_rng(1)),
    }
    assert gshard.refuses(config) is None
    mine = compare.computed(gshard, config, inputs)
    assert mine["router.topk_ids"].tolist() == [[0, 1], [0, 1]]
    assert mine["dispatch.kept"].tolist() == [[1, 0], [0, 0]] and mine["dispatch.counts"].tolist() == [2, 2, 0]
    assert np.allclose(mine["router.topk_weights"], [[0.6, 0.4], [0.6, 0.4]], rtol=1e-15)
    assert math.isclose(mine["loss.aux"], 1 / 6, rel_tol=1e-15)  # (1/3) (2/2) (1/2)
    # With room for both, 2 g2 = 0.8 decides: it is above 0.7, and g2 itself is not.
    roomy = {**config, "capacity": {**config["capacity"], "fixed": 2}}
    mine = compare.computed(gshard, roomy, {**inputs, "noise.second_policy": np.array([0.7, 0.9])})
    assert mine["dispatch.kept"].tolist() == [[1, 1], [1, 0]]
    return gshard, config, inputs


def gshard_groups_case():
    """Two groups of three tokens in which all is kept but what the uniform number rejects: C = ceil(2 * 3 / 3) = 2 each."""
    _, config, inputs = gshard_case()
    draw = np.random.default_rng(2)
    config["shape"].update(num_tokens=6, num_groups=2)
    config["capacity"] = {"mode": "factor", "factor": 1, "base": "tokens_times_k", "inner_round": "none", "outer_round": "ceil",
                          "k_outside": False, "arithmetic": "exact", "min_capacity": 0, "multiple_of": 1, "priority": "fcfs",
                          "order": "choice_major", "scope": "group", "dropped_output": "zero"}
    config["aux"][0]["scope"] = "group"
    inputs.update(x=draw.normal(size=(6, 2)), dy=draw.normal(size=(6, 2)))
    # The first group draws what always keeps (2 g2 > 0), the second what never does (2 g2 <= 1, as g2 is the smaller of two).
    inputs["noise.second_policy"] = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    assert gshard.refuses(config) is None
    mine = compare.computed(gshard, config, inputs)
    ids, kept = mine["router.topk_ids"], mine["dispatch.kept"]
    assert not kept[3:, 1].any()
    for group in (slice(0, 3), slice(3, 6)):
        for e in range(3):
            assert kept[group][ids[group] == e].sum() <= 2
            assert kept[group, 0].sum() == sum(min(2, (ids[group, 0] == e).sum()) for e in range(3))
    return gshard, config, inputs


def shazeer_case(k, noise):
    shape = {"num_tokens": 3, "hidden_size": 2, "ffn_size": 3, "num_experts": 2 if k == 1 else 4, "top_k": k}
    draw = np.random.default_rng(3)
    config = {
        "shape": shape,
        "router": {"score_function": "softmax", "renorm": "sum"},
        "noise": {"kind": "gaussian_learned", "epsilon": 0.01},
        "capacity": {"mode": "none"},
        "experts": FORM,
        "aux": [{"name": kind, "kind": kind, "coefficient": 0.5, "epsilon": 1e-10} for kind in ("cv_importance", "cv_load")],
    }
    inputs = {
        "x": draw.normal(size=(3, 2)),
        "router.weight": draw.normal(size=(shape["num_experts"], 2)),
        "router.noise_weight": noise * draw.normal(size=(shape["num_experts"], 2)),
        "noise.gaussian_learned": noise * draw.normal(size=(3, shape["num_experts"])),
        "dy": draw.normal(size=(3, 2)),
        **experts(shape, draw),
    }
    assert shazeer2017.refuses(config) is None
    return shazeer2017, config, inputs


def shazeer_without_noise():
    """Top-1 of two: sigma = log 2 + 0.01, and the loads are p and T - p with p = sum of Phi((z_0 - z_1) / sigma)."""
    peer, config, inputs = shazeer_case(1, 0.0)
    mine = compare.computed(peer, config, inputs)
    z = mine["router.logits"]
    p = sum(0.5 * math.erfc((b - a) / (math.log(2) + 0.01) / math.sqrt(2)) for a, b in z)
    assert math.isclose(mine["loss.cv_load"], (2 * p / 3 - 1) ** 2, rel_tol=1e-9)
    n = sum(a > b for a, b in z)  # the gate of the one chosen expert is 1
    assert math.isclose(mine["loss.cv_importance"], (2 * n / 3 - 1) ** 2, rel_tol=1e-9)


def shazeer_all_chosen():
    """K = E: the load of every expert is T, so its variation is 0."""
    peer, config, inputs = shazeer_case(4, 1.0)
    assert abs(compare.computed(peer, config, inputs)["loss.cv_load"]) < 1e-18


def differences(peer, config, inputs):
    """Central differences of loss.total in every input; all decisions must be the same on both sides."""
    mine = compare.computed(peer, config, inputs)
    for name in inputs:
        if name == "dy" or name.startswith("noise."):
            continue
        whole = np.array(inputs[name])
        for place in np.ndindex(whole.shape):
            totals = []
            for step in (-1e-6, 1e-6):
                moved = whole.copy()
                moved[place] += step
                losses, ids, kept = compare.evaluate(peer, config, {**inputs, name: list(moved)
                                                                   if name.startswith("experts.") else moved}, Record())
                assert np.array_equal(ids, mine["router.topk_ids"]) and np.array_equal(kept, mine["dispatch.kept"])
                totals.append(losses["loss.total"])
            slope = (totals[1] - totals[0]) / 2e-6
            assert math.isclose(slope, mine[f"grad.{name}"][place], rel_tol=1e-6, abs_tol=1e-7), (name, place, slope)


def main():
    shazeer_without_noise()
    shazeer_all_chosen()
    for case in (gshard_case(), gshard_groups_case(), shazeer_case(1, 1.0), shazeer_case(2, 1.0)):
        differences(*case)
    print("worked by hand     all as they should be")


if __name__ == "__main__":
    sys.exit(main())
