"""More packages for elsewhere.py: fairscale, mistral-inference, AutoEP of DeepSpeed, torchtitan, OLMo-core, KerasHub,
praxis and tensor2tensor; and, with its layers, places that are freed and noise of a fixed scale.

The modules of praxis and tensor2tensor compute in float64 because float32 by name means it there, too (class Wide).
"""
import functools
import math
import os
import sys
import types
from unittest import mock

os.environ |= {"TRITON_INTERPRET": "1", "KERAS_BACKEND": "torch", "DS_ACCELERATOR": "cpu"}  # before anything imports them
import elsewhere
import numpy
import torch
from elsewhere import (ALL_K, AUX, CPU, D, DEEPSEEK, E, F, GPT_OSS, LATE, LIMIT, PER_ROW, RELU, RENORM, S, T, Z, alone, call,
                       config_of, dense, each, interleaved, plain, renamed)
from torch import nn

ROWS, ROW_AUX = {"num_groups": 2}, {**AUX, "scope": "group"}
FREED = {"second_policy": "random", "second_place": "freed"}


class Wide:
    """A module in which some names mean something else."""

    def __init__(self, module, **names):
        self.module, self.names = module, names

    def __getattr__(self, name):
        return self.names[name] if name in self.names else getattr(self.module, name)


class Foreign(torch.autograd.Function):
    """A function of NumPy arrays as one of tensors; it returns its values and the function for their gradients."""

    @staticmethod
    def forward(ctx, function, *tensors):
        values, ctx.backwards = function(*(tensor.numpy() for tensor in tensors))
        return tuple(torch.from_numpy(numpy.array(value)) for value in values)

    @staticmethod
    def backward(ctx, *gradients):
        return None, *(torch.from_numpy(numpy.array(g)) for g in ctx.backwards(*(g.numpy() for g in gradients)))


def deepspeed():
    """DeepSpeed: the router and the experts of AutoEP."""
    from deepspeed.moe.ep_experts import GroupedExperts
    from deepspeed.moe.ep_router import TokenChoiceTopKRouter

    def layer(w, activation, k, score, norm, scale, groups=None, by="max"):
        bias = hasattr(w, "router_bias")
        router = TokenChoiceTopKRouter(D, E, groups, groups and groups // 2, k, score, norm, scale, bias, by)
        weights, ids, counts = call(router, renamed(w, gate__weight="router_weight", gate__bias="router_bias"), w.x,
                                    getattr(w, "router_selection_bias", None))
        module = GroupedExperts(D, F, E, use_grouped_mm=False, activation=activation, activation_limit=LIMIT)
        order = torch.argsort(ids.flatten(), stable=True)
        rows = call(module, renamed(w, w1="experts_gate", w2="experts_down", w3="experts_up"), w.x[order // k], counts)
        y = torch.zeros_like(w.x).index_add(0, order // k, rows * weights.flatten()[order, None])
        return y, {}, {"kept": dense(ids, weights, torch.zeros(T, E))}

    yield ("AutoEP: softmax, factor 1.5, bias of the router, clamped SwiGLU", config_of(
        router={"logit_bias": True, "routed_scaling_factor": 1.5}, experts={"clamp_gate_max": LIMIT, "clamp_up_abs": LIMIT}),
        layer, "swiglu_clamped", 2, "softmax", False, 1.5)
    for theirs, ours in ("top2_sum", "sum_topn"), ("max", "max"):
        yield (f"AutoEP: sigmoid, bias of the choice, groups by {theirs}, GeGLU", config_of(
            3, router={**DEEPSEEK, "group_score": ours}, experts={"activation": "gelu_tanh"}),
            layer, "geglu_tanh", 3, "sigmoid", True, 2.5, 4, theirs)


def mixture_of_experts():
    """mixture-of-experts: second choices by a random number, with drops; what it does in training and what in evaluation."""
    layer = next(elsewhere.mixture_of_experts())[2]
    router = {**RENORM, "renorm_epsilon": 1e-9, **FREED, "second_threshold": 0.2}
    for training, factor in (True, 1.25), (True, 1.75), (False, 2.0):  # in evaluation its defaults: random, 0.2, 2.0
        when = "" if training else " of evaluation"
        yield (f"top 2, second choices by a random number, their places freed, factor {factor}{when}", config_of(
            2, [ROW_AUX], ROWS, router=router, experts=RELU, capacity={**PER_ROW, "factor": factor, "min_capacity": 4}),
            layer, factor, "random" if training else "all", training)


def st_moe_pytorch():
    """st-moe-pytorch: second choices by a random number, and noise on the logits, with our numbers for those of Gumbel."""
    from st_moe_pytorch import st_moe_pytorch as package
    layer = next(elsewhere.st_moe_pytorch())[2]

    def noisy(w, k, scale):
        ours = mock.patch.object(package, "gumbel_noise", lambda logits: w.noise_gaussian_fixed.reshape(logits.shape))
        with ours:
            return layer(w, k, noise=(True, scale))

    aux, experts = {**ROW_AUX, "f_stage": "post_drop"}, {"activation": "gelu_erf", "bias": "per_expert"}
    given = {"experts": experts, "capacity": {**PER_ROW, "min_capacity": 4}}
    for threshold in 0.2, 0.5:
        yield (f"top 2, second choices by a random number above {threshold}, their places freed", config_of(
            2, [aux, Z], ROWS, router={**RENORM, **FREED, "second_threshold": threshold}, **given), layer, 2, 1.75, threshold)
    for k, scale in (2, 1.0), (3, 0.375):  # its z-loss is of the logits before the noise
        yield f"top {k}, noise of scale {scale} on the logits", config_of(
            k, [aux, {**Z, "z_of": "clean"}], ROWS, router=RENORM, noise={"kind": "gaussian_fixed", "scale": scale}, **given), noisy, k, scale


def fairscale():
    """fairscale: MOELayer with Top2Gate; the Gumbel noise on second choices is set to 0, or is ours."""
    from fairscale.nn import moe
    from fairscale.nn.moe import top2gate

    def layer(w):
        alone()
        top2gate.gumbel_map[CPU] = lambda size: getattr(w, "noise_gumbel", torch.zeros(size))
        module = moe.MOELayer(moe.Top2Gate(D, E), nn.ModuleList(plain() for _ in range(E)))
        module.gate.register_forward_hook(lambda *args: seen.append(args[2][1].sum(-1)))
        seen = []
        experts = each("experts.{}.{}.weight", ("0", w.experts_up), ("2", w.experts_down))
        y = call(module, {"gate.wg.weight": w.router_weight, **experts}, w.x.reshape(E, -1, D))
        return y.reshape(T, D), {"balance": module.l_aux}, {"kept": seen[0]}

    c = {"mode": "factor", "base": "tokens_times_k", "order": "choice_major"}
    aux = [{**AUX, "multiply": "none"}]
    for name, noise in ("", {}), (", second choices by noise", {"noise": {"kind": "gumbel", "choices": "second"}}):
        yield (f"top 2, C = 2T div E, renormalised after drops{name}", config_of(
            2, aux, router=LATE, experts=RELU, capacity=c, **noise), layer)


def mistral_inference():
    """mistral-inference: MoeLayer and FeedForward; xformers, which only its attention needs, may be missing."""
    xformers = {f"xformers{part}": mock.MagicMock() for part in ("", ".ops", ".ops.fmha", ".ops.fmha.attn_bias")}
    with mock.patch.dict(sys.modules, xformers):
        from mistral_inference.transformer_layers import FeedForward
    from mistral_inference.moe import MoeArgs, MoeLayer

    def layer(w, k):
        module = MoeLayer([FeedForward(D, F) for _ in range(E)], nn.Linear(D, E, bias=False), MoeArgs(E, k))
        experts = each("experts.{}.{}.weight", ("w1", w.experts_gate), ("w2", w.experts_down), ("w3", w.experts_up))
        return call(module, {"gate.weight": w.router_weight, **experts}, w.x), {}, {}

    for k in (2, 3):
        yield f"softmax of the {k} chosen logits", config_of(k, router=RENORM), layer, k


def torchtitan():
    """torchtitan: MoE, also with the experts of gpt-oss; its grouped product of bfloat16 is a product for each expert."""
    from torchtitan.components.optimizer import optimizer
    from torchtitan.models.common import feed_forward, moe
    from torchtitan.models.common.linear import Linear
    from torchtitan.models.common.token_dispatcher import LocalTokenDispatcher
    from torchtitan.models.gpt_oss.moe import GptOssGroupedExperts

    def products(self, *, A, B_t, offs):
        return torch.cat([rows @ matrix for rows, matrix in zip(A.tensor_split(offs[:-1].long()), B_t)])

    def linear(inputs, outputs, bias=False):
        return Linear.Config(in_features=inputs, out_features=outputs, bias=bias)

    def layer(w, k, theirs):
        sizes, dispatcher = {"dim": D, "hidden_dim": F, "num_experts": E}, LocalTokenDispatcher.Config(num_experts=E, top_k=k)
        names = {"w1_EFD": w.experts_gate, "w2_EDF": w.experts_down, "w3_EFD": w.experts_up}
        experts, shared = moe.GroupedExperts.Config(**sizes), None
        if hasattr(w, "experts_up_bias"):
            experts = GptOssGroupedExperts.Config(**sizes, swiglu_limit=LIMIT)
            names = {"mlp1_weight_EGD": interleaved(w, ""), "mlp1_bias_EG": interleaved(w, "_bias"),
                     "mlp2_weight_EDF": w.experts_down, "mlp2_bias_ED": w.experts_down_bias}
        if hasattr(w, "shared_up"):
            mlp = {"w1": linear(D, S), "w2": linear(S, D), "w3": linear(D, S)}
            shared = feed_forward.FeedForward.Config(**mlp)
            if hasattr(w, "shared_gate_weight"):
                shared = feed_forward.SigmoidGatedFeedForward.Config(**mlp, gate=linear(D, 1))
        router = moe.TokenChoiceTopKRouter.Config(num_experts=E, gate=linear(D, E, hasattr(w, "router_bias")), top_k=k, **theirs)
        routed = moe.RoutedExperts.Config(inner_experts=experts, token_dispatcher=dispatcher)
        module = moe.MoE.Config(num_experts=E, routed_experts=routed, router=router, shared_experts=shared).build()
        chosen = []
        module.router.register_forward_hook(lambda *args: chosen.append([part[0] for part in args[2]]))
        tensors = {f"routed_experts.inner_experts.{name}": tensor for name, tensor in names.items()} | renamed(
            w, router__gate__weight="router_weight", router__gate__bias="router_bias", expert_bias_E="router_selection_bias",
            shared_experts__w1__weight="shared_gate", shared_experts__w2__weight="shared_down",
            shared_experts__w3__weight="shared_up", shared_experts__gate__weight="shared_gate_weight")
        with mock.patch.object(moe.GroupedExperts, "_grouped_mm", products):
            y = call(module, tensors, w.x[None])[0]
        weights, ids, scores = chosen[0]
        stages = {"kept": dense(ids, weights, scores)}
        if hasattr(w, "router_selection_bias"):
            stages["router.next_selection_bias"] = updated(module, w.router_selection_bias)
        return y, {}, stages

    def updated(module, bias):
        """The bias after the step of an optimizer."""
        module.expert_bias_E.copy_(bias.detach())
        model = torch.nn.ModuleDict({"layers": torch.nn.ModuleDict({"0": torch.nn.ModuleDict({"moe": module})})})
        model["layers"]["0"].moe_enabled = True
        hooks = []
        steps, one = types.SimpleNamespace(register_step_pre_hook=hooks.append), types.SimpleNamespace(
            get_optional_mesh=lambda _: None, ep_enabled=False, tp=1)
        optimizer.register_moe_load_balancing_hook(steps, [model], one)
        hooks[0]()
        return module.expert_bias_E

    yield "softmax, gated shared expert", config_of(shared={"mode": "sigmoid_gate"}), layer, 2, {"score_func": "softmax"}
    yield ("sigmoid, bias of the choice and its centred update, groups by 2 experts, shared expert", config_of(
        3, router=DEEPSEEK, shared={"mode": "add"}, bias_update={"kind": "sign_centred", "gamma": 1e-3}), layer, 3, {
            "num_expert_groups": 4, "num_limited_groups": 2, "route_norm": True, "route_scale": 2.5})
    yield ("softmax renormalised, bias of the router, experts of gpt-oss", config_of(
        4, router={**RENORM, "renorm_epsilon": 1e-20, "logit_bias": True}, experts=GPT_OSS), layer, 4, {
            "score_func": "softmax", "route_norm": True})


def ai2_olmo_core():
    """OLMo-core: MoE and DroplessMoE, with its Triton kernels in Triton's interpreter."""
    import triton
    from olmo_core.kernels import moe as kernels
    from olmo_core.nn.feed_forward import FeedForwardConfig
    from olmo_core.nn.moe import MoEConfig, MoERouterConfig
    from olmo_core.nn.moe.loss import MoELoadBalancingLossGranularity
    kernels.tl.float32 = kernels.tl.float64
    for kernel in vars(kernels).values():
        if isinstance(kernel, triton.runtime.Autotuner):
            kernel.configs = kernel.configs[:1]  # of one there is nothing to measure on a GPU

    def layer(w, k, rows, theirs, **options):
        config = MoEConfig(num_experts=E, hidden_size=F, router=MoERouterConfig(top_k=k, **theirs),
                           lb_loss_weight=AUX["coefficient"], z_loss_weight=Z["coefficient"], **options)
        module = config.build(D)
        flat = lambda w: w.reshape(-1, D) if config.name == "dropless" else w.transpose(1, 2).reshape(-1, F)
        tensors = {"router.weight": w.router_weight.flatten(), "experts.mlp.w1": flat(w.experts_gate),
                   "experts.mlp.w3": flat(w.experts_up), "experts.mlp.w2": w.experts_down.transpose(1, 2).reshape(-1, D)}
        tensors |= renamed(w, router__score_bias="router_selection_bias", shared_mlp__w1__weight="shared_gate",
                           shared_mlp__w2__weight="shared_down", shared_mlp__w3__weight="shared_up")
        y = call(module, tensors, w.x.reshape(rows, -1, D))
        stages = {}
        if hasattr(w, "router_selection_bias"):
            with torch.no_grad():
                module.router.score_bias.copy_(w.router_selection_bias)
            module.post_batch()
            stages = {"router.next_selection_bias": module.router.score_bias}
        return y.reshape(T, D), {"balance": module.router.load_balancing_loss, "z": module.router.z_loss}, stages

    yield "softmax, not renormalised", config_of(2, [ALL_K, Z]), lambda w: layer(w, 2, 1, {}, name="dropless")
    yield ("renormalised, loss per row, weighted mean with a shared expert", config_of(
        3, [{**ALL_K, "scope": "group"}, Z], {"num_groups": 3}, router=RENORM, shared={"mode": "weighted_mean"}),
        lambda w: layer(w, 3, 3, {"normalize_expert_weights": 1.0}, name="dropless",
                        lb_loss_granularity=MoELoadBalancingLossGranularity.instance,
                        shared_mlp=FeedForwardConfig(hidden_size=S, bias=False)))
    from olmo_core.nn.moe import MoERouterGatingFunction
    offset = {"score_function": "sigmoid", "score_offset": 1e-7}
    for name, more, theirs in ("", {}, {}), (", renormalised", RENORM, {"normalize_expert_weights": 1.0}):
        yield (f"sigmoids and 1e-7{name}", config_of(2, [ALL_K, Z], router={**offset, **more}), functools.partial(
            layer, k=2, rows=1, theirs={"gating_function": MoERouterGatingFunction.sigmoid, **theirs}, name="dropless"))
    c = {"mode": "factor", "base": "tokens_times_k", "outer_round": "floor", "factor": 0.6, "arithmetic": "f64", "multiple_of": 8}
    yield ("bias of the choice and its update, divided by the root of squares, C a multiple of 8, stable sort", config_of(
        2, [ALL_K, Z], router={"renorm": "l2", "selection_bias": True}, capacity={**c, "order": "token_major"},
        bias_update={"kind": "sign", "gamma": 1e-3}), lambda w: layer(
            w, 2, 1, {"normalize_expert_weights": 2.0, "bias_gamma": 1e-3}, name="default", capacity_factor=0.6))


def keras_hub():
    """KerasHub on PyTorch: the sparse blocks of Mixtral, Qwen-MoE, Qwen3-MoE and gpt-oss."""
    import keras
    from keras_hub.src.models.gpt_oss.gpt_oss_decoder import GptOssSparseMoeBlock
    from keras_hub.src.models.mixtral.mixtral_decoder import MixtralSparseMoeBlock
    from keras_hub.src.models.qwen3_moe.qwen3_moe_decoder import Qwen3SparseMoeBlock
    from keras_hub.src.models.qwen_moe.qwen_moe_decoder import QwenSparseMoeBlock

    def layer(w, block, experts, *sizes, **options):
        keras.config.set_floatx("float64")
        module = block(*sizes)
        module.build((None, None, D))
        if block is GptOssSparseMoeBlock:
            module.experts.limit = LIMIT
        bias = [w.router_bias] if hasattr(w, "router_bias") else []
        shared = [w.shared_up, w.shared_gate, w.shared_down, w.shared_gate_weight] if hasattr(w, "shared_up") else []
        tensors = [w.router_weight.T, *bias, *experts(w), *(tensor.T for tensor in shared)]
        out, _, losses = module.stateless_call(tensors, [], w.x.reshape(2, -1, D), **options, return_losses=True)
        y = out[0] if isinstance(out, tuple) else out
        return y.reshape(T, D), {"balance": loss for loss in losses}, {}

    def apart(w):
        return [tensor.transpose(1, 2) for tensor in (w.experts_gate, w.experts_up, w.experts_down)]

    def fused(w):
        return [torch.cat([w.experts_gate, w.experts_up], 1).transpose(1, 2), w.experts_down.transpose(1, 2)]

    def mixed(w):
        return [interleaved(w, "").transpose(1, 2), interleaved(w, "_bias"), w.experts_down.transpose(1, 2), w.experts_down_bias]

    yield "Mixtral", config_of(2, [ALL_K], router=RENORM), lambda w: layer(
        w, MixtralSparseMoeBlock, apart, D, F, E, 2, 0.0, 1e-5, 1.0, training=True)
    yield ("Qwen-MoE: not renormalised, gated shared expert", config_of(3, [ALL_K], shared={"mode": "sigmoid_gate"}),
           lambda w: layer(w, QwenSparseMoeBlock, fused, D, F, S, E, 3, False, "zeros", 1e-5, 1.0, training=True))
    yield "Qwen3-MoE: renormalised", config_of(3, [ALL_K], router=RENORM), lambda w: layer(
        w, Qwen3SparseMoeBlock, fused, D, F, E, 3, True, "zeros", 1e-6, 1.0, training=True)
    yield ("gpt-oss: clamped quick GeGLU with biases", config_of(4, router={**RENORM, "logit_bias": True}, experts=GPT_OSS),
           lambda w: layer(w, GptOssSparseMoeBlock, mixed, D, F, E, 4))


def praxis():
    """praxis: the gating functions; what they say of dispatch and combination is applied to experts of the test."""
    import jax
    from jax import numpy as jnp
    from praxis import gshard_utils
    jax.config.update("jax_enable_x64", True)

    def computed(gating, options, x, router, up, down):
        x = x.reshape(2, -1, D)
        logits, usual = x @ router.T, {"experts_dim": E, "fprop_dtype": jnp.float64, "capacity_factor": 1.75}
        loss, combine, dispatch, *_ = gating(logits=logits, **usual, **options)
        if combine.ndim == 3:  # of expert choice: weights (G, E, C) and places (G, E, C, S)
            dispatch = jnp.transpose(dispatch, (0, 3, 1, 2)).astype(combine.dtype)
            combine = combine[:, None] * dispatch
        hidden = jax.nn.relu(jnp.einsum("gsec,gsd,efd->egcf", dispatch, x, up))
        return jnp.einsum("gsec,egcf,edf->gsd", combine, hidden, down).reshape(-1, D), loss, combine.sum(-1).reshape(-1, E)

    def layer(w, gating, **options):
        ours = Wide(jax.random, uniform=lambda _, shape, **__: jnp.asarray(w.noise_second_policy.numpy()).reshape(shape))
        with mock.patch.multiple(gshard_utils, jnp=Wide(jnp, float32=jnp.float64), jax=Wide(jax, random=ours)):
            def function(*arrays):
                values, backwards = jax.vjp(lambda *a: computed(gating, options, *a), *map(jnp.asarray, arrays))
                return values, lambda *gradients: backwards(tuple(map(jnp.asarray, gradients)))
            y, loss, kept = Foreign.apply(function, w.x, w.router_weight, w.experts_up, w.experts_down)
        return y, {"balance": loss}, {"kept": kept}

    given = {"experts": RELU, "capacity": {**PER_ROW, "multiple_of": 4}}
    for k in (2, 3):
        yield (f"top {k}, softcap, renormalised before drops, C a multiple of 4", config_of(
            k, [ROW_AUX], ROWS, router={**RENORM, "renorm_epsilon": 1e-9, "logit_softcap": 2.0}, **given), lambda w, k: layer(
                w, gshard_utils.topk_gating_on_logits, paddings=None, k=k, gating_logit_cap=2.0, expert_capacity_dim=1), k)
    before, random = {**RENORM, "renorm_epsilon": 1e-9}, {"second_expert_policy": "random", "second_expert_threshold": 0.5}
    for legacy, convention, router, aux, policy in (
            (True, "before drops", before, [ROW_AUX], {}), (False, "after drops", LATE, [], {}),
            (True, "before drops, second choices by a random number, their places freed", before | FREED, [ROW_AUX], random)):
        yield (f"top 2, renormalised {convention}", config_of(2, aux, ROWS, router=router, **given),
               lambda w, legacy, policy: layer(w, gshard_utils.top2_gating_on_logits, paddings=None, legacy_mtf_behavior=legacy,
                                               expert_capacity_dim=1, prng_key=jax.random.PRNGKey(0), **policy), legacy, policy)
    c = {"mode": "factor", "base": "tokens", "inner_round": "floor", "outer_round": "floor", "factor": 1.75, "priority": "weight"}
    yield ("expert choice, C = int(T div E f) per row", config_of(
        E, [], {**ROWS, "num_tokens": 44}, experts=RELU, capacity={**c, "scope": "group"}),
        lambda w: layer(w, gshard_utils.expert_choice_gating_on_logits, expert_capacity_dim=None))


def tensor2tensor():
    """tensor2tensor: local_moe with noisy top-k gating, with our noise; what it needs for other things may be missing."""
    import triton  # first: after tensorflow it aborts over LLVM's options
    import tensorflow
    unneeded = {name: mock.MagicMock() for name in ("tensorflow_addons", "tensorflow_probability", "gin")}
    with mock.patch.dict(sys.modules, unneeded):
        from tensor2tensor.utils import expert_utils
    tf, cv_squared = expert_utils.tf, expert_utils.cv_squared

    def computed(k, noise, x, tensors):
        """y and the losses; each variable is the tensor of its name, and those of experts are asked for expert by expert."""
        turns = {name: iter(tensors[name]) for name in ("w_0", "w_1")}
        fake = Wide(tf, float32=tf.float64, to_float=lambda x: tf.cast(x, tf.float64), random_normal=lambda _: noise,
                    get_variable=lambda name, *_: next(turns[name]) if name in turns else tensors[name],
                    one_hot=lambda *args: tf.cast(tf.one_hot(*args), tf.float64 if len(args) == 3 else tf.float32))
        losses = []
        heard = lambda of: losses.append(cv_squared(of)) or losses[-1]
        missing = mock.patch.multiple(expert_utils, tf=fake, cv_squared=heard, DiscreteBottleneck=mock.MagicMock())
        gradient = mock.patch.object(expert_utils.common_layers, "convert_gradient_to_tensor", lambda x: x)  # of TensorFlow 1
        with missing, gradient:
            y, _ = expert_utils.local_moe(x, True, expert_utils.ffn_expert_fn(D, [F], D), E, k,
                                          hparams=types.SimpleNamespace(gating_type="topk"))
        return [y, *losses]

    def layer(w, k):
        def function(*arrays):
            given = [tensorflow.constant(array) for array in arrays]
            with tensorflow.GradientTape(persistent=True) as tape:
                tape.watch(given)
                x, gate, noise, up, down = given
                up = tf.transpose(up, (0, 2, 1))
                down = tf.transpose(down, (0, 2, 1)) * (F / D) ** 0.5  # its experts multiply hidden units by (F / D)^-1/2
                values = computed(k, tensorflow.constant(ours.numpy()), x, {
                    "w_gate": tf.transpose(gate), "w_noise": tf.transpose(noise), "w_0": up, "w_1": down})

            def backwards(*gradients):
                parts = [tape.gradient(*pair) for pair in zip(values, [given] * 3, map(tensorflow.constant, gradients))]
                return [sum(part for part in of if part is not None) for of in zip(*parts)]
            return values, backwards

        ours = w.noise_gaussian_learned if hasattr(w, "router_noise_weight") else w.noise_gaussian_fixed
        noise_weight = getattr(w, "router_noise_weight", torch.zeros(E, D))  # of 0: softplus(0) + 0.01 for all
        tensors = w.x, w.router_weight, noise_weight, w.experts_up, w.experts_down
        y, importance, load = Foreign.apply(function, *tensors)
        return y, {"importance": importance, "load": load}, {}

    aux = [{"name": name, "kind": f"cv_{name}", "coefficient": 0.75} for name in ("importance", "load")]
    for k in (2, 4):
        yield f"noisy top {k}, losses of importance and load", config_of(
            k, aux, router=RENORM, experts=RELU, noise={"kind": "gaussian_learned"}), layer, k
        yield f"noisy top {k} of a fixed scale, losses of importance and load", config_of(
            k, aux, router=RENORM, experts=RELU, noise={"kind": "gaussian_fixed", "scale": math.log(2) + 0.01}), layer, k


if __name__ == "__main__":
    sys.exit(elsewhere.main([
        deepspeed, mixture_of_experts, st_moe_pytorch, fairscale, mistral_inference, torchtitan, ai2_olmo_core, keras_hub, praxis,
        tensor2tensor]))
