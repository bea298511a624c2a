"""A mixture-of-experts layer of JAX's own operators, gradients by jax.grad, as a client of `moe-oracle check --exec`.

Tokens reach the experts through a mask of zeros and ones (T, E, C), and come back through one of weights, both by einsum, as in
GShard and Flaxformer; C is the most rows that an expert has. README.md says what is rounded where.

It is measured as jax.jit compiles it, with no option set. So XLA may leave out a rounding to bf16 or f16 between operators that
it fuses: in bf16, all that this changes in presets/mixtral and presets/deepseek_v3 is the task of the latter, which is then
made of a y that was not rounded yet. On a CPU, XLA also takes what lies below the least normal number for 0. It computes
(sum / E)^4, of which the gradient of loss.load has one, as sum^4 / E^4: in f16 that is inf where the mean is 8. Products of
matrices, in bf16 and f16 too, are off by half a unit and what a sum in float32 may be off.
"""
import sys

import jax
import jax.numpy as jnp
import numpy as np

import wire
from capacity import capacity
from mistakes import MISTAKES

ACTIVATIONS = {"silu": jax.nn.silu, "relu": jax.nn.relu, "gelu_erf": lambda z: jax.nn.gelu(z, approximate=False)}
DTYPES = {"f32": jnp.float32, "bf16": jnp.bfloat16, "f16": jnp.float16}
WITH_GRADIENT = ["router.logits", "router.noisy_logits", "router.scores", "router.topk_weights",
                 "expert.gate", "expert.up", "expert.hidden", "expert.out"]


def stop(value):
    return jax.lax.stop_gradient(value)


def one_hot(ids, length):
    return jax.nn.one_hot(ids, length, dtype=jnp.int32)


def by_rows(stages, order):
    """Row n of an expert's stage is at (e, place) of its array (E, C, .)."""
    return {name: v[order["expert"], order["place"]] if name.startswith("expert.") else v for name, v in stages.items()}


class Layer:
    def __init__(self, dtype, router="f32", mistake=None):
        """The dtype of x and all weights; that of the router's operators: float32, or the same."""
        self.dtype, self.mistake = DTYPES[dtype], mistake
        self.routes_in = jnp.float32 if router == "f32" else self.dtype

    def at(self, name, value):
        """Keeps a stage. A zero is added to it, whose gradient is that of the stage."""
        self.stages[name] = value
        return value + self.zeros[name] if name in self.zeros else value

    def __call__(self, config, inputs, routing):
        """The router first chooses; then forward and backward pass are compiled as one, for these choices."""
        self.config, self.routing, self.stages, self.zeros = config, routing, {}, {}
        self.routed = config["router"]["score_function"] != "none"
        of_router = [name for name in inputs if name == "router.selection_bias" or name.startswith("noise.")]
        self.a = arrays = {name: jnp.asarray(value, dtype=self.routes_in if name in of_router else self.dtype)
                           for name, value in inputs.items()}
        constants = {name: v for name, v in arrays.items() if name == "dy" or name.startswith("noise.")}
        variables = {name: v for name, v in arrays.items() if name not in constants}
        integers = self.dispatch(*self.choose())

        def total(variables, zeros):
            self.a, self.stages, self.zeros = {**constants, **variables}, {}, zeros
            return self.forward(), self.stages

        stages = jax.eval_shape(total, variables, {})[1]
        zeros = {name: jnp.zeros(stages[name].shape, stages[name].dtype) for name in WITH_GRADIENT if name in stages}
        passes = jax.jit(jax.grad(total, argnums=(0, 1), has_aux=True))
        (by_input, by_stage), stages = passes(variables, zeros)
        gradients = {**by_input, **by_rows(by_stage, self.order)}
        result = by_rows(stages, self.order) | {f"grad.{name}": v for name, v in gradients.items()}
        if "router.topk_weights" in stages:  # what outputs are multiplied by; its gradient is that before this
            result["router.topk_weights"] = stages["router.topk_weights"].astype(self.dtype)
        return {name: array(value) for name, value in {**integers, **result}.items()}

    def forward(self):
        config, a = self.config, self.a
        if self.routed:
            self.route()
        y = self.at("y", self.experts())
        total = self.at("loss.task", jnp.sum(y.astype(jnp.float32) * a["dy"].astype(jnp.float32)))
        for aux in config["aux"]:
            loss = self.at(f"loss.{aux['name']}", self.loss(aux))
            total = total + aux["coefficient"] * (stop(loss) if self.mistake == "aux-gradient-missing" else loss)
        return self.at("loss.total", total)

    def choose(self):
        """ids and kept (T, K)"""
        if not self.routed:
            ids = np.zeros((len(self.a["x"]), 1), dtype=np.int32)
            return ids, np.ones_like(ids)
        if self.routing:
            self.ids = jnp.asarray(self.routing["router.topk_ids"], dtype=jnp.int32)
            return self.ids, self.routing["dispatch.kept"]
        self.ids = None
        self.route()
        return self.ids, self.keep(self.ids, self.w)

    def route(self):
        """The router; it chooses unless ids are given."""
        router, a, E = self.config["router"], self.a, self.config["shape"]["num_experts"]
        x = a["x"].astype(self.routes_in)
        self.z = h = self.at("router.logits", x @ a["router.weight"].astype(self.routes_in).T)
        if "router.noise_weight" in a:
            self.sigma = jax.nn.softplus(x @ a["router.noise_weight"].astype(self.routes_in).T) + self.config["noise"]["epsilon"]
            h = self.at("router.noisy_logits", h + a["noise.gaussian_learned"] * self.sigma)
        self.lse = self.at("router.logsumexp", jax.nn.logsumexp(h, axis=1))
        score = {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid,
                 "sqrtsoftplus": lambda z: jnp.sqrt(jax.nn.softplus(z))}[router["score_function"]]
        self.h, self.s = h, self.at("router.scores", score(h))
        bias = stop(a.get("router.selection_bias", jnp.zeros(E, self.routes_in)))
        candidates = self.open_experts(stop(self.s) + bias)
        if self.ids is None:
            self.ids = jax.lax.top_k(candidates, self.config["shape"]["top_k"])[1]
        ids = self.ids
        w = jnp.take_along_axis(self.s, ids, axis=1)
        if self.mistake == "bias-leaked":
            w = w + bias[ids]
        if router["renorm"] == "sum" and self.mistake != "no-renorm":
            w = w / self.at("router.denominator", jnp.sum(w, axis=1))[:, None]
        elif self.mistake == "softmax-after-topk":
            w = jax.nn.softmax(jnp.take_along_axis(h, ids, axis=1))
        self.w = self.at("router.topk_weights", router["routed_scaling_factor"] * w)
        if router["selection_bias"] and self.config["bias_update"]["kind"] == "sign":
            load = jnp.bincount(ids.ravel(), length=E).astype(jnp.float32)
            step = self.config["bias_update"]["gamma"] * jnp.sign(load.mean() - load).astype(self.routes_in)
            self.at("router.next_selection_bias", bias + step)

    def open_experts(self, scores):
        """-inf for the experts of all but the best groups."""
        router = self.config["router"]
        groups = router["n_group"]
        if groups == 1:
            return scores
        by_group = scores.reshape(len(scores), groups, -1)
        largest = jax.lax.top_k(by_group, 1 if router["group_score"] == "max" else router["group_score_n"])[0]
        best = self.at("router.group_scores", jnp.sum(largest, axis=2))
        mask = jnp.sum(one_hot(jax.lax.top_k(best, router["topk_group"])[1], groups), axis=1)
        return jnp.where(mask[:, :, None] == 1, by_group, -jnp.inf).reshape(scores.shape)

    def keep(self, ids, w):
        """Which choices are taken up and find room, the earlier first: (T, K)."""
        router, cap, shape = self.config["router"], self.config["capacity"], self.config["shape"]
        kept = jnp.ones(ids.shape, dtype=bool)
        if cap["mode"] != "none":
            groups = shape["num_groups"] if cap["scope"] == "group" else 1
            major = cap["order"] == "choice_major"
            asks = one_hot(ids, shape["num_experts"]).reshape(groups, -1, ids.shape[1], shape["num_experts"])
            asks = asks.swapaxes(1, 2) if major else asks
            line = asks.reshape(groups, -1, shape["num_experts"])
            place = jnp.sum((jnp.cumsum(line, axis=1) - line) * line, axis=2).reshape(asks.shape[:3])
            kept = (place.swapaxes(1, 2) if major else place).reshape(ids.shape) < capacity(self.config, len(ids) // groups)
        if router["second_policy"] == "random":
            taken = w[:, 1] > router["second_threshold"] * self.a["noise.second_policy"]
            kept = kept.at[:, 1].set(kept[:, 1] & taken)
        return kept

    def dispatch(self, ids, kept):
        """The kept assignments by expert, then token, then slot, the place of each among its expert's, and the integer stages."""
        E = self.config["shape"]["num_experts"]
        flat, assignments = np.asarray(ids).ravel(), np.flatnonzero(np.asarray(kept))
        order = assignments[np.argsort(flat[assignments], kind="stable")]
        rows = np.bincount(flat[order], minlength=E)
        offsets = np.concatenate([[0], np.cumsum(rows)])
        self.order = {"row": order, "expert": flat[order], "place": np.arange(len(order)) - offsets[flat[order]]}
        self.room = max(1, rows.max())
        stages = {"dispatch.counts": np.bincount(flat, minlength=E), "dispatch.offsets": offsets, "dispatch.order": order,
                  "dispatch.kept": np.asarray(kept, dtype=np.uint8)}
        return stages if not self.routed else {**stages, "router.topk_ids": np.asarray(ids)}

    def masks(self):
        """What takes tokens to experts and what brings them back: (T, E, C) of zeros and ones, and of weights."""
        o, T, K = self.order, len(self.a["x"]), self.config["shape"]["top_k"]
        shape = (T, K, self.config["shape"]["num_experts"], self.room)
        slots = jnp.zeros(shape, self.dtype).at[o["row"] // K, o["row"] % K, o["expert"], o["place"]].set(1)
        there = back = jnp.sum(slots, axis=1)
        if not self.routed:
            return there, back
        w = self.w.astype(self.dtype)
        if self.mistake == "dropped-slot" and K > 1:
            w = w.at[:, -1].set(0)
        back = jnp.einsum("tk,tkec->tec", w, slots)
        if self.mistake == "wrong-permutation":
            places = (np.arange(len(o["row"])) // K, o["expert"], o["place"])
            back = jnp.zeros_like(back).at[places].set(w.ravel()[o["row"]])
        return (back, there) if self.mistake == "weight-before-expert" else (there, back)

    def activate(self, gate, up):
        """act(gate) up, or act(up) without a gate: each operator rounds."""
        activation = ACTIVATIONS[self.config["experts"]["activation"]]
        return activation(up) if gate is None else activation(gate) * up

    def experts(self):
        a, glu, gate = self.a, self.config["experts"]["glu"], None
        there, back = self.masks()
        x = jnp.einsum("tec,td->ecd", there, a["x"])
        if glu:
            gate = self.at("expert.gate", jnp.einsum("ecd,efd->ecf", x, a["experts.gate"]))
        up = self.at("expert.up", jnp.einsum("ecd,efd->ecf", x, a["experts.up"]))
        if glu and self.mistake == "gate-up-swapped":
            hidden = self.activate(up, gate)
        elif glu and self.mistake == "gelu-for-silu":
            hidden = jax.nn.gelu(gate, approximate=False) * up
        else:
            hidden = self.activate(gate, up)
        out = self.at("expert.out", jnp.einsum("ecf,edf->ecd", self.at("expert.hidden", hidden), a["experts.down"]))
        y = jnp.einsum("tec,ecd->td", back, out)
        if self.mistake == "scaling-twice" and self.routed:
            y = y * self.config["router"]["routed_scaling_factor"]
        if "shared.up" in a:
            gate = a["x"] @ a["shared.gate"].T if glu else None
            y = y + self.activate(gate, a["x"] @ a["shared.up"].T) @ a["shared.down"].T
        return y

    def switch_loss(self, aux):
        """A mean_e f_e P_e of each group of tokens, their mean."""
        shape = self.config["shape"]
        T, E, K = shape["num_tokens"], shape["num_experts"], shape["top_k"]
        groups = shape["num_groups"] if aux["scope"] == "group" else 1
        counted = jax.lax.top_k(stop(self.s), K)[1] if aux["f_from"] == "retopk_of_aux_scores" else self.ids
        counted = counted[:, :1] if aux["f_source"] == "top1" else counted
        f = jnp.sum(one_hot(counted, E), axis=1).astype(self.routes_in).reshape(groups, T // groups, E).mean(axis=1)
        p = self.s if self.config["router"]["score_function"] == "softmax" else self.s / jnp.sum(self.s, axis=1, keepdims=True)
        P = p.reshape(groups, T // groups, E).mean(axis=1)
        loss = jnp.sum(f * P, axis=1).mean() * (E if aux["multiply"] == "E2_mean" else 1 / E)
        return loss / K if aux["f_divide_by_k"] else loss

    def load(self):
        """How many tokens each expert would get if its noise were drawn anew."""
        T, E = self.h.shape
        if E == self.ids.shape[1]:
            return jnp.full(E, T, self.routes_in)
        chosen = jnp.sum(one_hot(self.ids, E), axis=1) == 1
        runner_up = jax.lax.top_k(jnp.where(chosen, -jnp.inf, self.h), 1)[0]  # of equal ones the first, in its gradient, too
        rival = jnp.where(chosen, runner_up, jnp.take_along_axis(self.h, self.ids[:, -1:], axis=1))
        drawn_anew = jax.scipy.stats.norm.cdf(((self.z - rival) / self.sigma).astype(jnp.float32))  # it takes nothing narrower
        return jnp.sum(drawn_anew.astype(self.routes_in), axis=0)

    def loss(self, aux):
        if aux["kind"] == "switch":
            return self.switch_loss(aux)
        if aux["kind"] == "z":
            return jnp.mean(jnp.square(self.lse))
        E = self.h.shape[1]
        v = self.load() if aux["kind"] == "cv_load" else jnp.zeros(E, self.routes_in).at[self.ids.ravel()].add(self.w.ravel())
        n = E + aux["epsilon"]
        mean = jnp.sum(v) / n
        return jnp.sum(jnp.square(v - mean)) / n / (jnp.square(mean) + aux["epsilon"])


def array(value):
    value = np.asarray(value)
    return value.view(np.uint16) if value.dtype == jnp.bfloat16 else value


def main():
    parser = wire.parser(__doc__)
    parser.add_argument("--router", choices=["f32", "same"], default="f32", help="the dtype of the router's operators")
    parser.add_argument("--mistake", choices=MISTAKES, help="make one of the mistakes of mistakes.py")
    options = parser.parse_args()
    wire.serve(Layer(options.dtype, options.router, options.mistake), options.returns)


if __name__ == "__main__":
    sys.exit(main())
