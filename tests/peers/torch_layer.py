"""A mixture-of-experts layer of PyTorch's own operators, gradients by its autograd, as a client of `moe-oracle check --exec`.

Tokens are sorted by expert, go through the linear maps of the experts, one by one or by `grouped_mm`, and are added up again by
`index_add`, as in Megatron-LM. Every operator is PyTorch's in the dtype that was asked for.

Measured with 2.15 on a CPU with AVX2: in 3,040 products of bf16 or f16 matrices, sums of 1 to 1024 terms, forward and backward,
transposed or not, no element is off by more than half a unit of its dtype and what a sum in float32 may be off. `index_add` and
the gradient of `index_select` sum in float32 and round once, too.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

import wire
from capacity import capacity
from mistakes import MISTAKES
from torch_expressed import EXPRESSED, LOSS
from torch_losses import Losses, positive

ACTIVATIONS = {"silu": F.silu, "relu": F.relu, "gelu_erf": F.gelu, "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"),
               "identity": lambda z: z, "relu2": lambda z: F.relu(z).square(), "quick_gelu": None}
SCORES = {"softmax": lambda z: torch.softmax(z, 1), "sigmoid": torch.sigmoid, "sqrtsoftplus": lambda z: F.softplus(z).sqrt(),
          "identity": lambda z: z * 1}
DTYPES = {"f64": torch.float64, "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


class Layer(Losses):
    def __init__(self, dtype, router="f32", experts="loop", mistake=None):
        """The dtype of x and all weights; that of the router's operators, f32 or the same; loop or grouped."""
        self.dtype, self.grouped, self.mistake = DTYPES[dtype], experts == "grouped", mistake
        self.wide = torch.promote_types(self.dtype, torch.float32)
        self.routes_in = self.wide if router == "f32" else self.dtype

    def at(self, name, value):
        """Keeps a stage, and its gradient if it will have one."""
        if value.requires_grad:
            value.retain_grad()
        self.stages[name] = value
        return value

    def __call__(self, config, inputs, routing):
        leaves = {}
        for name, array in inputs.items():
            given = name == "router.selection_bias" or name.startswith(("noise.", "aux.")) or name == "router.given_ids"
            dtype = torch.int64 if name in wire.WHOLE else self.routes_in if given else self.dtype
            leaves[name] = torch.tensor(array, dtype=dtype, requires_grad=not given and name != "dy")
        self.stages, self.config, self.a = {}, config, leaves
        if config["router"]["score_function"] == "none":
            ids, w = torch.zeros(len(leaves["x"]), 1, dtype=torch.int64), None
            kept = torch.ones_like(ids, dtype=torch.bool)
        else:
            ids, kept, w = self.route(routing)
        self.dispatch(ids, kept)
        y = self.at("y", self.experts(ids, kept, w))
        return self.backward(y, w)

    def route(self, routing):
        """The router: ids, kept and weights (T, K)."""
        router, a, s = self.config["router"], self.a, self.stages
        x = a["router.x" if "router.x" in a else "x"].to(self.routes_in)
        if "noise.input_jitter" in a:
            x = x * a["noise.input_jitter"]
        bias = a["router.bias"].to(self.routes_in) if "router.bias" in a else None
        z = F.linear(x, a["router.weight"].to(self.routes_in), bias)
        z = h = self.at("router.logits", router["logit_scale"] * z if "logit_scale" in router else z)
        if "router.noise_weight" in a:
            self.sigma = F.softplus(F.linear(x, a["router.noise_weight"].to(self.routes_in))) + self.config["noise"]["epsilon"]
            h = self.at("router.noisy_logits", z + a["noise.gaussian_learned"] * self.sigma)
        if "noise.gaussian_fixed" in a:
            self.sigma = self.config["noise"]["scale"]
            h = self.at("router.noisy_logits", z + a["noise.gaussian_fixed"] * self.sigma)
        if cap := router.get("logit_softcap"):
            h = cap * torch.tanh(h / cap)
        self.at("router.logsumexp", torch.logsumexp(h, 1))
        scores = SCORES[router["score_function"]](h)
        scores = self.at("router.scores", scores + router["score_offset"] if router.get("score_offset") else scores)
        chosen_by = z if "logit_softcap" in router else h  # not the scores: large logits have scores of 1, or of 0
        if router["selection_bias"] or router["n_group"] > 1:
            ranked = h if router.get("selection_bias_on") == "logits" else scores
            chosen_by = self.open_experts(ranked + a.get("router.selection_bias", 0.0))
        ids = self.best_of_others(z) if "noise.gumbel" in a else a.get("router.given_ids")
        ids = self.best(chosen_by) if ids is None else ids
        if routing:
            ids = torch.tensor(routing["router.topk_ids"])
        self.h, self.ids, chosen = h, ids, scores.gather(1, ids)
        if router["renorm"] == "sparsemixer":
            w = self.weights(self.shares_of_the_rest(h))
            self.kept = self.keep(routing, chosen, w)
        elif router.get("renorm_stage") == "after_drop":
            self.kept = self.keep(routing, chosen, chosen)
            w = self.weights(chosen * self.kept)
        else:
            w = self.weights(chosen)
            self.kept = self.keep(routing, chosen, w)
        if self.config["bias_update"]["kind"] != "none":
            counted = ids[self.kept] if self.config["bias_update"]["count"] == "post_drop" else ids
            load = torch.bincount(counted.flatten(), minlength=scores.shape[1]).float()
            step = self.config["bias_update"]["gamma"] * torch.sign(load.mean() - load).to(self.routes_in)
            if self.config["bias_update"]["kind"] == "sign_centred":
                step = step - step.mean()
            s["router.next_selection_bias"] = a["router.selection_bias"] + step
        return ids, self.kept, w

    def shares_of_the_rest(self, h):
        """Each choice by a softmax of its own, over those that are left and near: as Phi-3.5-MoE has it."""
        left, shares = h, []
        for k in range(self.ids.shape[1]):
            with torch.no_grad():
                best = left.max(1, keepdim=True).values
                far = (best - h) / h.abs().clamp(min=best) > 2 * self.config["router"]["sparsemixer_jitter"]
            shares.append(torch.softmax(left.masked_fill(far, -torch.inf), 1).gather(1, self.ids[:, k:k + 1]))
            left = left.scatter(1, self.ids[:, k:k + 1], -torch.inf)
        return torch.cat(shares, 1)

    def best(self, chosen_by):
        """The K experts of each token: the sinks, which are the last ones, and the best of the others."""
        E, K, S = self.config["shape"]["num_experts"], self.config["shape"]["top_k"], self.config["router"].get("sinks", 0)
        sinks = torch.arange(E - S, E).expand(len(chosen_by), -1)
        return torch.cat([sinks, chosen_by[:, :E - S].topk(K - S, dim=1).indices], dim=1)

    def best_of_others(self, z):
        """The K experts of each token by logits that noise only ranks, the first of them by those without it."""
        noisy, K = z.detach() + self.a["noise.gumbel"], self.config["shape"]["top_k"]
        self.stages["router.noisy_logits"] = noisy
        if self.config["noise"]["choices"] == "second":
            noisy = noisy.scatter(1, z.argmax(1, keepdim=True), torch.inf)
        return noisy.topk(K, dim=1).indices

    def open_experts(self, scores):
        """-inf for the experts of all but the best groups."""
        router = self.config["router"]
        groups = router["n_group"]
        if groups == 1:
            return scores
        by_group = scores.view(len(scores), groups, -1)
        best = by_group.topk(1 if router["group_score"] == "max" else router["group_score_n"], dim=2).values.sum(2)
        self.stages["router.group_scores"] = best
        mask = torch.zeros_like(best, dtype=torch.bool).scatter(1, best.topk(router["topk_group"], dim=1).indices, True)
        closed = 0.0 if router.get("closed_groups") == "zero" else -torch.inf
        return by_group.masked_fill(~mask[:, :, None], closed).flatten(1)

    def weights(self, chosen):
        """What the outputs of the experts are multiplied by, of the scores of the choices."""
        router, w = self.config["router"], chosen
        if self.mistake == "bias-leaked":
            w = w + self.a.get("router.selection_bias", torch.zeros(self.h.shape[1]))[self.ids]
        if router["renorm"] == "sum" and self.mistake != "no-renorm":
            epsilon = router.get("renorm_epsilon", 0)
            total = w.sum(1).clamp(min=epsilon) if router.get("renorm_epsilon_mode") == "clamp" else w.sum(1) + epsilon
            w = w / positive(self.at("router.denominator", total))[:, None]
        elif router["renorm"] == "l2":
            w = w / positive(self.at("router.denominator", torch.linalg.vector_norm(w, dim=1)))[:, None]
        elif self.mistake == "softmax-after-topk":
            w = torch.softmax(self.h.gather(1, self.ids), 1)
        w = router["routed_scaling_factor"] * w
        if "router.expert_scale" in self.a:
            w = w * self.a["router.expert_scale"].to(self.routes_in)[self.ids]
        return self.at("router.topk_weights", w)

    def keep(self, routing, chosen, w):
        """Which choices are taken up and find room, those first in the queue of their expert: (T, K)."""
        if routing:
            return torch.tensor(routing["dispatch.kept"]) != 0
        router, cap, shape = self.config["router"], self.config["capacity"], self.config["shape"]
        kept, wanted = torch.ones_like(self.ids, dtype=torch.bool), torch.ones_like(self.ids, dtype=torch.bool)
        if router["second_policy"] != "all":
            least = router["second_threshold"] * self.a.get("noise.second_policy", 1)
            wanted[:, 1] = w[:, 1] / router["routed_scaling_factor"] > least  # the factor comes afterwards
        if cap["mode"] != "none":
            groups = shape["num_groups"] if cap["scope"] == "group" else 1
            queue = self.queue(chosen.view(groups, -1, shape["top_k"]), w.view(groups, -1))
            asks = F.one_hot(self.ids.view(groups, -1).gather(1, queue), shape["num_experts"])
            if router.get("second_place") == "freed":
                asks = asks * wanted.view(groups, -1).gather(1, queue)[:, :, None]
            place = ((asks.cumsum(1) - asks) * asks).sum(2)
            place = torch.empty_like(place).scatter(1, queue, place).view_as(kept)
            kept = place < capacity(self.config, len(kept) // groups)
        return kept & wanted

    def queue(self, chosen, w):
        """The assignments of every group of tokens in the order in which they are served."""
        cap, (groups, tokens, slots) = self.config["capacity"], chosen.shape
        if cap["priority"] in ("weight", "random"):
            ranks = w if cap["priority"] == "weight" else self.a["noise.priority"].gather(1, self.ids).view_as(w)
            return ranks.argsort(dim=1, descending=True, stable=True)
        line = torch.arange(tokens).expand(groups, -1)
        if cap["priority"] == "bpr_top1":
            line = chosen[:, :, 0].argsort(dim=1, descending=True, stable=True)
        line = line[:, :, None] * slots + torch.arange(slots)
        return (line.transpose(1, 2) if cap["order"] == "choice_major" else line).flatten(1)

    def dispatch(self, ids, kept):
        """The kept assignments by expert, then token, then slot."""
        experts = self.config["shape"]["num_experts"]
        flat = ids.flatten()
        assignments = kept.flatten().nonzero()[:, 0]
        self.order = assignments[torch.sort(flat[assignments], stable=True).indices]
        self.rows = torch.bincount(flat[self.order], minlength=experts)
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), self.rows.cumsum(0)])
        self.stages.update({"dispatch.counts": torch.bincount(flat, minlength=experts), "dispatch.offsets": offsets,
                            "dispatch.order": self.order, "dispatch.kept": kept.to(torch.uint8)})
        if self.config["router"]["score_function"] != "none":
            self.stages["router.topk_ids"] = ids.to(torch.int32)

    def activate(self, gate, up, section="experts"):
        """act(gate) up within the limits of the section, or act(up) without a gate."""
        form, limits = self.config["experts"], self.config[section]
        alpha = form.get("act_alpha", 1.702)
        activation = ACTIVATIONS[form["activation"]] or (lambda z: z * torch.sigmoid(alpha * z))
        if gate is None:
            return activation(up)
        if limits.get("clamp_gate_max"):
            gate = gate.clamp(max=limits["clamp_gate_max"])
        if limits.get("clamp_up_abs"):
            up = up.clamp(-limits["clamp_up_abs"], limits["clamp_up_abs"])
        if cap := form.get("softcap_up"):
            up = cap * torch.tanh(up / cap)
        cap = form.get("softcap_gate")
        activated = cap * torch.tanh(gate / cap) * torch.sigmoid(gate) if cap else activation(gate)
        if limits.get("clamp_act_max"):
            activated = activated.clamp(max=limits["clamp_act_max"])
        return activated * (up + form["up_offset"] if form.get("up_offset") else up)

    def each(self, x, name):
        """The rows of every expert through one of its maps."""
        weight, bias = self.a[f"experts.{name}"], self.a.get(f"experts.{name}_bias")
        rows = self.rows[:len(weight)]  # the others have no weights
        if self.grouped:
            y = F.grouped_mm(x, weight.transpose(1, 2), offs=rows.cumsum(0).to(torch.int32))
            return y if bias is None else y + bias.repeat_interleave(rows, dim=0)
        biases = [None] * len(weight) if bias is None else bias.unbind()
        return torch.cat([F.linear(part, w, b) for part, w, b in zip(x.split(rows.tolist()), weight.unbind(), biases)])

    def experts(self, ids, kept, w):
        a, T, K, glu = self.a, len(self.a["x"]), ids.shape[1], self.config["experts"]["glu"]
        token = self.order // K
        tokens = self.at("latent.x", F.linear(a["x"], a["latent.down"])) if "latent.down" in a else a["x"]
        if "latent.norm_weight" in a:
            normed = self.rms(tokens, self.config["experts"].get("latent_norm_epsilon", 1e-6)) * a["latent.norm_weight"].to(self.wide)
            tokens = self.at("latent.normed", normed.to(self.dtype))
        x = tokens.index_select(0, token)
        if self.grouped:
            self.need_grouped(x)
        if w is not None:
            narrow = w.to(self.dtype)
            row_weight = narrow.flatten()[self.order][:, None]
        inward = w is not None and self.config.get("combine", {}).get("weight_location") == "input"
        early = inward or (w is not None and self.mistake == "weight-before-expert")
        x = x * row_weight if early else x
        if inward:
            x = self.at("expert.in", x)
        computed = int(self.rows[:len(a["experts.up"])].sum())
        x, unchanged = x[:computed], x[computed:]
        gate = self.at("expert.gate", self.each(x, "gate")) if glu else None
        up = self.at("expert.up", self.each(x, "up"))
        if glu and self.mistake == "gate-up-swapped":
            hidden = self.activate(up, gate)
        elif glu and self.mistake == "gelu-for-silu":
            hidden = F.gelu(gate) * up
        else:
            hidden = self.activate(gate, up)
        if self.config["experts"].get("identity_gives") == "zero":
            unchanged = torch.zeros_like(unchanged)
        out = self.at("expert.out", torch.cat([self.each(self.at("expert.hidden", hidden), "down"), unchanged]))
        if "latent.output_norm_weight" in a:
            factored = (out.to(self.wide) * a["latent.output_norm_weight"].to(self.wide)).to(self.dtype)
            epsilon = self.config["experts"].get("output_norm_epsilon", 1e-6)
            out = self.at("expert.normed", self.rms(factored, epsilon).to(self.dtype))
        weighted = self.at("combine.weighted", out * row_weight if w is not None and not early else out * 1)
        if self.mistake == "dropped-slot" and K > 1:
            weighted = weighted * (self.order % K < K - 1)[:, None]
        if self.mistake == "wrong-permutation" and w is not None:
            token = torch.arange(len(token)) // K
        y = torch.zeros(T, out.shape[1], dtype=self.dtype).index_add(0, token, weighted)
        if self.mistake == "scaling-twice" and w is not None:
            y = y * self.config["router"]["routed_scaling_factor"]
        if self.config.get("combine", {}).get("rest") == "x":
            y = y + (1 - (narrow * kept).sum(1, keepdim=True)) * a["x"]
        left = self.config["capacity"].get("dropped_output", "zero")
        if left != "zero":
            y = torch.where(kept.any(1, keepdim=True), y, a["x"] if left == "identity" else narrow[:, :1] * a["x"])
        if "latent.up" in a:
            y = F.linear(self.at("latent.y", y), a["latent.up"])
        if "combine.bias" in a:
            y = y + a["combine.bias"]
        parts = {"average": 1, "weighted_mean": K}.get(self.config["shared"]["mode"])
        if parts is not None:
            y = (parts * y + self.shared()) / (parts + 1)
        elif "shared.up" in a:
            y = y + self.shared()
        if "combine.norm_weight" not in a:
            return y
        v = self.at("combine.sum", y)
        normed = self.rms(v, self.config["combine"].get("norm_epsilon", 1e-6)) * a["combine.norm_weight"].to(self.wide)
        return normed.to(self.dtype)

    def rms(self, v, epsilon):
        """Rows over their root mean square, in float32 at least, as in the modules that have such norms."""
        v = v.to(self.wide)
        return v * torch.rsqrt(v.square().mean(1, keepdim=True) + epsilon)

    def shared(self):
        """The expert that sees every token."""
        x, a = self.a["x"], self.a
        gate = F.linear(x, a["shared.gate"]) if "shared.gate" in a else None
        f = F.linear(self.activate(gate, F.linear(x, a["shared.up"]), "shared"), a["shared.down"])
        return torch.sigmoid(F.linear(x, a["shared.gate_weight"])) * f if "shared.gate_weight" in a else f

    def need_grouped(self, x):
        """What grouped_mm asks for: rows, and strides of whole 16 bytes."""
        wire.need(len(x) > 0, "dispatch.order = []", "must not be empty for grouped_mm")
        unit = 16 // x.element_size()
        for section, field in (("shape", "hidden_size"), ("shape", "ffn_size"), ("experts", "latent_size")):
            size = self.config[section].get(field, 0)
            wire.need(size % unit == 0, f"{section}.{field} = {size}", f"must be a multiple of {unit} for grouped_mm in {self.dtype}")

    def backward(self, y, w):
        """Every stage, loss and gradient as an array."""
        task = total = (y.to(self.wide) * self.a["dy"].to(self.wide)).sum()
        stages = dict(self.stages)
        if w is not None:
            stages["router.topk_weights"] = w.to(self.dtype)  # what outputs are multiplied by; its gradient is that before this
        for aux in self.config["aux"]:
            loss = stages[f"loss.{aux['name']}"] = self.loss(aux, w)
            total = total + aux["coefficient"] * (loss.detach() if self.mistake == "aux-gradient-missing" else loss)
        total.backward()
        variables = {name: leaf for name, leaf in self.a.items() if leaf.requires_grad or name == "router.selection_bias"}
        result = {name: array(value) for name, value in {**stages, "loss.task": task, "loss.total": total}.items()}
        differentiated = ("expert.", "latent.", "combine.sum", "router.scores", "router.logits", "router.noisy", "router.topk_w")
        if self.config["router"].get("renorm") == "sparsemixer":
            self.stages.pop("router.scores")  # which the weights do not pass through
        for name, value in {**self.stages, **variables}.items():
            if name.startswith(differentiated) or name in variables:
                grad = torch.zeros_like(value) if value.grad is None else value.grad
                result[f"grad.{name}"] = array(grad)
        return result


def array(value):
    value = value.detach()
    return value.view(torch.int16).numpy().view(np.uint16) if value.dtype == torch.bfloat16 else value.numpy()


def main():
    parser = wire.parser(__doc__, DTYPES)
    parser.add_argument("--router", choices=["f32", "same"], default="f32", help="the dtype of the router's operators")
    parser.add_argument("--experts", choices=["loop", "grouped"], default="loop", help="a linear map for each, or grouped_mm")
    parser.add_argument("--mistake", choices=MISTAKES, help="make one of the mistakes of mistakes.py")
    options = parser.parse_args()
    if options.experts == "grouped" and options.dtype == "f64":
        parser.error("grouped_mm is for f32, bf16 and f16")
    layer = Layer(options.dtype, options.router, options.experts, options.mistake)
    wire.serve(layer, options.returns, lambda config: wire.inspect_config(config, EXPRESSED, LOSS))


if __name__ == "__main__":
    sys.exit(main())
