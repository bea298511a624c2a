"""What the peers share: functions of numbers, which configs a paper knows, and the record of a layer's stages."""
import autograd.numpy as np
from autograd.tracer import getval


def softmax(z):
    """exp(z_i) / sum_j exp(z_j) along the last axis; subtracting the largest z changes nothing but the range."""
    e = np.exp(z - np.max(getval(z), axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def logsumexp(z):
    largest = np.max(getval(z), axis=-1, keepdims=True)
    return largest[..., 0] + np.log(np.sum(np.exp(z - largest), axis=-1))


def sigmoid(x):
    return np.exp(-np.logaddexp(0.0, -x))


def best(v, k):
    """The places of the k largest, the largest first; of equals the one at the lower place."""
    return np.argsort(-getval(v), axis=-1, kind="stable")[..., :k]


def mean_over_tokens(v):
    """Over the first axis; 0 where there is no token."""
    return np.sum(v, axis=0) / max(1, len(v))


def plain(config):
    """The config without the fields that do nothing at their values."""
    idle = {"shared": {"mode": "none"}, "noise": {"kind": "none"}, "bias_update": {"kind": "none"}}
    router_idle = {"selection_bias": False, "n_group": 1, "routed_scaling_factor": 1.0, "second_policy": "all"}
    config = {name: value for name, value in config.items() if value != idle.get(name)}
    router = {name: value for name, value in config["router"].items() if value != router_idle.get(name)}
    return {**config, "router": router}


def of_batch(aux):
    """Whether a loss is of the whole batch: the z-loss, or E sum of f P with the choices counted as made, before drops."""
    usual = {"f_stage": "pre_drop", "f_from": "selected", "multiply": "E2_mean", "scope": "batch"}
    return aux["kind"] == "z" or (aux["kind"] == "switch" and all(aux.get(name, v) == v for name, v in usual.items()))


def beyond(config, router, parts=()):
    """Says which fields a config has that a paper does not know, if any."""
    known = {"shape", "router", "capacity", "experts", "aux", *parts}
    fields = sorted(set(config) - known) + sorted(f"router.{name}" for name in set(config["router"]) - set(router))
    fields += sorted(f"experts.{name}" for name in set(config["experts"]) - {"glu", "activation", "bias"})
    fields += sorted(f"shared.{name}" for name in set(config.get("shared", {})) - {"mode", "ffn_size"})
    fields += ["aux.p_source" for aux in config["aux"] if "p_source" in aux]
    return "has " + ", ".join(fields) if fields else None


class Record:
    """Keeps what passes through it, and adds a zero to it: the gradient of that zero is the gradient of the stage.

    A stage of one assignment has a row (token, choice). `route` says which of two equal formulas a peer shall differentiate.
    """

    def __init__(self, zeros=None, route=None):
        self.values, self.zeros, self.route = {}, zeros, route

    def __call__(self, name, value, row=None):
        self.values[name, row] = value
        return value if self.zeros is None else value + self.zeros[name, row]
