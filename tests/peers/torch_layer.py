"""A mixture-of-experts layer of PyTorch's own operators, gradients by its autograd, as a client of `moe-oracle check --exec`.

The experts are a loop over a sorted copy of the tokens (permute, one linear map for each expert, unpermute), as in Hugging Face
transformers and Megatron-LM. README.md says what is rounded where.
"""
import sys

import numpy as np
import torch
import torch.nn.functional as F

import wire
from capacity import capacity

ACTIVATIONS = {"silu": F.silu, "relu": F.relu, "gelu_erf": F.gelu}
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


class Layer:
    def __init__(self, dtype, mistake=None, native=False):
        self.dtype, self.mistake, self.native = DTYPES[dtype], mistake, native

    def at(self, name, value):
        """Keeps a stage, and its gradient if it will have one."""
        if value.requires_grad:
            value.retain_grad()
        self.stages[name] = value
        return value

    def once(self, operator, *operands):
        """What an operator does on a GPU: it computes in float32 and rounds once. On a CPU it may do otherwise: `native`."""
        if self.native:
            return operator(*operands)
        return operator(*(v.float() for v in operands)).to(self.dtype)

    def linear(self, x, weight):
        return self.once(F.linear, x, weight)

    def __call__(self, config, inputs, routing):
        leaves = {}
        for name, array in inputs.items():
            fixed = name in ("dy", "router.selection_bias") or name.startswith("noise.")
            kind = torch.float32 if name == "router.selection_bias" or name.startswith("noise.") else self.dtype
            leaves[name] = torch.tensor(array, dtype=kind, requires_grad=not fixed)
        self.stages, self.config, self.a = {}, config, leaves
        if config["router"]["score_function"] == "none":
            ids, w = torch.zeros(len(leaves["x"]), 1, dtype=torch.int64), None
            kept = torch.ones_like(ids, dtype=torch.bool)
        else:
            ids, kept, w = self.route(routing)
        self.dispatch(ids, kept)
        y = self.at("y", self.experts(ids, w))
        return self.backward(y, ids, w)

    def route(self, routing):
        """Router in float32: ids, kept and weights (T, K)."""
        router, a, s = self.config["router"], self.a, self.stages
        z = h = self.at("router.logits", F.linear(a["x"].float(), a["router.weight"].float()))
        if "router.noise_weight" in a:
            raw = F.linear(a["x"].float(), a["router.noise_weight"].float())
            self.sigma = F.softplus(raw) + self.config["noise"]["epsilon"]
            h = self.at("router.noisy_logits", z + a["noise.gaussian_learned"] * self.sigma)
        self.at("router.logsumexp", torch.logsumexp(h, 1))
        scores = self.at("router.scores", torch.softmax(h, 1) if router["score_function"] == "softmax" else torch.sigmoid(h))
        chosen_by = self.open_experts(scores.detach() + a.get("router.selection_bias", 0.0))
        ids = chosen_by.topk(self.config["shape"]["top_k"], dim=1).indices
        if routing:
            ids = torch.tensor(routing["router.topk_ids"])
        self.h, self.ids = h, ids
        w = scores.gather(1, ids)
        if self.mistake == "bias-leaked":
            w = w + a.get("router.selection_bias", torch.zeros(scores.shape[1]))[ids]
        if router["renorm"] == "sum" and self.mistake != "no-renorm":
            w = w / self.at("router.denominator", w.sum(1))[:, None]
        elif self.mistake == "softmax-after-topk":
            w = torch.softmax(h.gather(1, ids), 1)
        w = self.at("router.topk_weights", router["routed_scaling_factor"] * w)
        kept = torch.tensor(routing["dispatch.kept"]) != 0 if routing else self.keep(ids, w.detach())
        if router["selection_bias"] and self.config["bias_update"]["kind"] == "sign":
            load = torch.bincount(ids.flatten(), minlength=scores.shape[1]).float()
            s["router.next_selection_bias"] = a["router.selection_bias"] + \
                self.config["bias_update"]["gamma"] * torch.sign(load.mean() - load)
        return ids, kept, w

    def open_experts(self, scores):
        """-inf for the experts of all but the best groups."""
        router = self.config["router"]
        groups = router["n_group"]
        if groups == 1:
            return scores
        by_group = scores.view(len(scores), groups, -1)
        best = by_group.topk(1 if router["group_score"] == "max" else router["group_score_n"], dim=2).values.sum(2)
        self.at("router.group_scores", best)
        mask = torch.zeros_like(best, dtype=torch.bool).scatter(1, best.topk(router["topk_group"], dim=1).indices, True)
        return by_group.masked_fill(~mask[:, :, None], -torch.inf).flatten(1)

    def keep(self, ids, w):
        """Which choices are taken up and find room, the earlier first: (T, K)."""
        router, cap, shape = self.config["router"], self.config["capacity"], self.config["shape"]
        kept = torch.ones_like(ids, dtype=torch.bool)
        if cap["mode"] != "none":
            groups = shape["num_groups"] if cap["scope"] == "group" else 1
            asks = F.one_hot(ids, shape["num_experts"]).view(groups, -1, *ids.shape[1:], shape["num_experts"])
            asks = asks.transpose(1, 2) if cap["order"] == "choice_major" else asks
            line = asks.flatten(1, 2)
            place = ((line.cumsum(1) - line) * line).sum(2).view(asks.shape[:3])
            place = place.transpose(1, 2) if cap["order"] == "choice_major" else place
            kept = place.reshape(ids.shape) < capacity(self.config, len(ids) // groups)
        if router["second_policy"] == "random":
            kept[:, 1] &= w[:, 1] > router["second_threshold"] * self.a["noise.second_policy"]
        return kept

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

    def activate(self, gate, up):
        """act(gate) up, or act(up) without a gate: each operator rounds."""
        activation = ACTIVATIONS[self.config["experts"]["activation"]]
        return self.once(activation, up) if gate is None else self.once(activation, gate) * up

    def each(self, x, weight):
        """The rows of every expert times its matrix."""
        return torch.cat([self.linear(rows, w) for rows, w in zip(x.split(self.rows.tolist()), weight.unbind())])

    def experts(self, ids, w):
        a, T, K, glu = self.a, len(self.a["x"]), ids.shape[1], self.config["experts"]["glu"]
        token = self.order // K
        x = a["x"].index_select(0, token)
        if w is not None:
            narrow = w.to(self.dtype)
            row_weight = narrow.flatten()[self.order][:, None]
        early = w is not None and self.mistake == "weight-before-expert"
        x = x * row_weight if early else x
        gate = self.at("expert.gate", self.each(x, a["experts.gate"])) if glu else None
        up = self.at("expert.up", self.each(x, a["experts.up"]))
        if glu and self.mistake == "gate-up-swapped":
            hidden = self.activate(up, gate)
        elif glu and self.mistake == "gelu-for-silu":
            hidden = self.once(F.gelu, gate) * up
        else:
            hidden = self.activate(gate, up)
        out = self.at("expert.out", self.each(self.at("expert.hidden", hidden), a["experts.down"]))
        weighted = self.at("combine.weighted", out * row_weight if w is not None and not early else out * 1)
        if self.mistake == "dropped-slot" and K > 1:
            weighted = weighted * (self.order % K < K - 1)[:, None]
        if self.mistake == "wrong-permutation" and w is not None:
            token = torch.arange(len(token)) // K
        y = torch.zeros(T, out.shape[1], dtype=self.dtype).index_add(0, token, weighted)
        if self.mistake == "scaling-twice" and w is not None:
            y = y * self.config["router"]["routed_scaling_factor"]
        if "shared.up" in a:
            gate = self.linear(a["x"], a["shared.gate"]) if glu else None
            y = y + self.linear(self.activate(gate, self.linear(a["x"], a["shared.up"])), a["shared.down"])
        return y

    def switch_loss(self, aux):
        """A mean_e f_e P_e of each group of tokens, their mean."""
        shape, scores = self.config["shape"], self.stages["router.scores"]
        T, E, K = shape["num_tokens"], shape["num_experts"], shape["top_k"]
        groups = shape["num_groups"] if aux["scope"] == "group" else 1
        counted = scores.topk(K, dim=1).indices if aux["f_from"] == "retopk_of_aux_scores" else self.ids
        counted = counted[:, :1] if aux["f_source"] == "top1" else counted
        f = F.one_hot(counted, E).sum(1).float().view(groups, T // groups, E).mean(1)
        p = scores if self.config["router"]["score_function"] == "softmax" else scores / scores.sum(1, keepdim=True)
        P = p.view(groups, T // groups, E).mean(1)
        loss = (f * P).sum(1).mean() * (E if aux["multiply"] == "E2_mean" else 1 / E)
        return loss / K if aux["f_divide_by_k"] else loss

    def load(self):
        """How many tokens each expert would get if its noise were drawn anew."""
        if self.h.shape[1] == self.ids.shape[1]:
            return torch.full(self.h.shape[1:], float(len(self.h)))
        chosen = torch.zeros_like(self.h, dtype=torch.bool).scatter(1, self.ids, True)
        runner_up = self.h.masked_fill(chosen, -torch.inf).max(1, keepdim=True).values
        rival = torch.where(chosen, runner_up, self.h.gather(1, self.ids[:, -1:]))
        return torch.special.ndtr((self.stages["router.logits"] - rival) / self.sigma).sum(0)

    def loss(self, aux, w):
        if aux["kind"] == "switch":
            return self.switch_loss(aux)
        if aux["kind"] == "z":
            return self.stages["router.logsumexp"].square().mean()
        experts = self.h.shape[1]
        v = self.load() if aux["kind"] == "cv_load" else torch.zeros(experts).index_add(0, self.ids.flatten(), w.flatten())
        n = experts + aux["epsilon"]
        mean = v.sum() / n
        return (v - mean).square().sum() / n / (mean.square() + aux["epsilon"])

    def backward(self, y, ids, w):
        """Every stage, loss and gradient as an array."""
        task = total = (y.float() * self.a["dy"].float()).sum()
        stages = dict(self.stages)
        if w is not None:
            stages["router.topk_weights"] = w.to(self.dtype)  # what outputs are multiplied by; its gradient is float32
        for aux in self.config["aux"]:
            loss = stages[f"loss.{aux['name']}"] = self.loss(aux, w)
            total = total + aux["coefficient"] * (loss.detach() if self.mistake == "aux-gradient-missing" else loss)
        total.backward()
        variables = {name: leaf for name, leaf in self.a.items() if leaf.requires_grad or name == "router.selection_bias"}
        result = {name: array(value) for name, value in {**stages, "loss.task": task, "loss.total": total}.items()}
        for name, value in {**self.stages, **variables}.items():
            if name.startswith(("expert.", "router.scores", "router.logits", "router.noisy", "router.topk_w")) or name in variables:
                grad = torch.zeros_like(value) if value.grad is None else value.grad
                result[f"grad.{name}"] = array(grad)
        return result


def array(value):
    value = value.detach()
    return value.view(torch.int16).numpy().view(np.uint16) if value.dtype == torch.bfloat16 else value.numpy()


def main():
    parser = wire.parser(__doc__)
    parser.add_argument("--native", action="store_true", help="bf16 operators as this build has them on this CPU")
    options = parser.parse_args()
    wire.serve(Layer(options.dtype, options.mistake, options.native))


if __name__ == "__main__":
    sys.exit(main())
