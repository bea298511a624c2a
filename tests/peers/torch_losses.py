"""The auxiliary losses of torch_layer.py, of the stages that it keeps."""
import torch
import torch.nn.functional as F


def positive(sums):
    """Sums to divide by: 1 where nothing was kept, or everything underflows."""
    return sums.masked_fill(sums == 0, 1)


class Losses:
    def switch_loss(self, aux):
        """A mean_e f_e P_e of each group of tokens, their mean."""
        shape, scores = self.config["shape"], self.stages["router.scores"]
        T, E, K = shape["num_tokens"], shape["num_experts"], shape["top_k"]
        groups = shape["num_groups"] if aux["scope"] == "group" else 1
        counted = F.one_hot(scores.topk(K, dim=1).indices if aux["f_from"] == "retopk_of_aux_scores" else self.ids, E)
        if aux.get("f_stage", "pre_drop") != "pre_drop":
            counted = counted * self.kept[:, :, None]
        counted = counted[:, :1] if aux["f_source"] == "top1" else counted
        counted = counted.sum(1).to(scores.dtype)
        if aux.get("f_stage") == "post_drop_first":
            counted[:, 0] += ~self.kept.any(1)
        counts = self.counts(aux)
        counted = (counted * counts).view(groups, T // groups, E).sum(1)
        p = scores if self.config["router"]["score_function"] == "softmax" else scores / positive(scores.sum(1, keepdim=True))
        p = torch.softmax(self.h, 1) if aux.get("p_source") == "softmax" else p
        p = torch.softmax(scores, 1) if aux.get("p_source") == "softmax_of_scores" else p
        shared, size = (p * counts).view(groups, T // groups, E).sum(1), counts.view(groups, T // groups).long().sum(1, keepdim=True)
        of_shares = size
        if more := aux.get("earlier_tokens"):
            counted, size = counted + self.a["aux.earlier_counts"], size + more
            if not aux.get("p_of_batch"):
                shared, of_shares = shared + self.a["aux.earlier_scores"], size
        if aux.get("divisor") == "kept":
            size = of_shares = counted.sum(1, keepdim=True)
        loss = (counted / positive(size) * (shared / positive(of_shares))).sum(1).mean() * (E if aux["multiply"] == "E2_mean" else 1 / E)
        return loss / K if aux["f_divide_by_k"] else loss

    def counts(self, aux):
        """1 for every token that counts in a loss, 0 for padding: (T, 1)."""
        scores = self.stages["router.scores"]
        return self.a["aux.token_mask"].to(scores.dtype)[:, None] if aux.get("masked") else torch.ones_like(scores[:, :1])

    def load(self, against_last):
        """How many tokens each expert would get if its noise were drawn anew."""
        if self.h.shape[1] == self.ids.shape[1] and not against_last:
            return torch.full(self.h.shape[1:], float(len(self.h)), dtype=self.h.dtype)
        chosen = torch.zeros_like(self.h, dtype=torch.bool).scatter(1, self.ids, True)
        last = self.h.gather(1, self.ids[:, -1:])
        runner_up = self.h.masked_fill(chosen, -torch.inf).max(1, keepdim=True).values
        rival = last if against_last else torch.where(chosen, runner_up, last)
        return torch.special.ndtr((self.stages["router.logits"] - rival) / self.sigma).sum(0)

    def loss(self, aux, w):
        if aux["kind"] == "switch":
            return self.switch_loss(aux)
        if aux["kind"] == "z":
            clean = aux.get("z_of") == "clean"
            l = torch.logsumexp(self.stages["router.logits"], 1) if clean else self.stages["router.logsumexp"]
            return (l.square() * self.counts(aux)[:, 0]).sum() / positive(self.counts(aux).long().sum())
        experts = self.h.shape[1]
        importance = torch.zeros(experts, dtype=w.dtype).index_add(0, self.ids.flatten(), w.flatten())
        if aux.get("importance_of") == "scores":
            importance = self.stages["router.scores"].sum(0)
        if aux.get("importance_of") == "clean_scores":
            importance = torch.softmax(self.stages["router.logits"], 1).sum(0)
        v = self.load(aux.get("load_against") == "last_chosen") if aux["kind"] == "cv_load" else importance
        if aux.get("variance") == "unbiased":
            return v.var() / (v.mean().square() + aux["epsilon"])
        n = experts + aux["epsilon"]
        mean = v.sum() / n
        return (v - mean).square().sum() / n / (mean.square() + aux["epsilon"])
