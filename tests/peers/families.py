"""Blocks of Hugging Face transformers from their own checkpoints, against `moe-oracle run`, in float64.

For every model type a tiny model with random weights is saved by `save_pretrained`; `run CONFIG --weights --layer --backward`
reads that config.json and that checkpoint, and y and grad.x are compared with the block's own. Where the whole model has
auxiliary losses, so is what it reports of them for this block, before their coefficients, and then grad.x and the router's
gradients when the losses are added as the model adds them. What a block rounds to float32 by name it keeps in float64 here.
Prints the largest error relative to the largest number, of the block and of the losses ("-" where the module has none), or why
there is none; exits with 1 where one is above 1e-12.
"""
import argparse
import contextlib
import importlib
import pathlib
import subprocess
import sys
import tempfile
import warnings
from unittest import mock

import torch
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

F = 24  # in every type below
WIDE = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "num_hidden_layers": 2,
        "vocab_size": 64, "intermediate_size": F, "moe_intermediate_size": F, "max_position_embeddings": 64, "pad_token_id": 0,
        "router_aux_loss_coef": 0.75, "aux_loss_coef": 0.75, "router_z_loss_coef": 0.25}  # large enough to show in a gradient
LOSSES = {"load_balancing_loss_func": "load_balance", "router_z_loss_func": "z"}  # their functions, and the names `run` has
MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
       "first_k_dense_replace": 0, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_group": 4, "topk_group": 2}
LOCAL, PLAIN = {"num_local_experts": 8, "num_experts_per_tok": 2}, {"num_experts": 8, "num_experts_per_tok": 2}
GLM = {**MLA, "n_shared_experts": 1, "n_group": 2, "topk_group": 1}
GEMMA = {"num_experts": 8, "top_k_experts": 2, "enable_moe_block": True, "layer_types": ["full_attention", "full_attention"],
         "global_head_dim": 16, "num_global_key_value_heads": 2, "hidden_size_per_layer_input": 8,
         "vocab_size_per_layer_input": 64}
MROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
INKLING = {"n_routed_experts": 6, "num_experts_per_tok": 2, "n_shared_experts": 2, "swa_num_attention_heads": 2,
           "swa_num_key_value_heads": 2, "swa_head_dim": 16, "d_rel": 4, "unpadded_vocab_size": 60}
INDEX = {"index_n_heads": 2, "index_head_dim": 16, "index_topk": 8}

# What a tiny model of each type is made of, besides WIDE. A type that is not here has no entry in `run`'s table.
TYPES = {
    "mixtral": LOCAL, "mixtral with padding": LOCAL, "granitemoe": LOCAL, "granitemoeshared": {**LOCAL, "shared_intermediate_size": 20},
    "granitemoehybrid": {**LOCAL, "shared_intermediate_size": 20, "layer_types": ["attention", "attention"], "mamba_n_heads": 2,
                         "mamba_d_head": 32},
    "granitemoe_swa": {**LOCAL, "shared_intermediate_size": 20},
    "jamba": {**PLAIN, "expert_layer_period": 1, "expert_layer_offset": 0, "attn_layer_period": 1, "attn_layer_offset": 0,
              "use_mamba_kernels": False},
    "minimax": {**LOCAL, "layer_types": ["full_attention", "full_attention"]},
    "olmoe": PLAIN, "flex_olmo": PLAIN, "mellum": LOCAL, "lara_mini": {**PLAIN, "shared_expert_intermediate_size": 20},
    "qwen2_moe": {**PLAIN, "shared_expert_intermediate_size": 20}, "qwen3_moe": {**LOCAL, "norm_topk_prob": True},
    "qwen3_next": {**PLAIN, "shared_expert_intermediate_size": 20, "layer_types": ["full_attention", "full_attention"]},
    "qwen3_vl_moe_text": LOCAL, "qwen3_omni_moe_text": PLAIN,
    "qwen3_omni_moe_talker_text": {**LOCAL, "shared_expert_intermediate_size": 20},
    "qwen3_5_moe_text": {**PLAIN, "shared_expert_intermediate_size": 20, "layer_types": ["full_attention", "full_attention"]},
    "qwen4_exp_text": {**PLAIN, "shared_expert_intermediate_size": 20, "layer_types": ["linear_attention", "linear_attention"]},
    "hunyuan_v1_moe": {"num_experts": 8, "moe_topk": 2}, "aria_text": {"moe_num_experts": 8, "moe_topk": 2},
    "cohere2_moe": {**PLAIN, "num_shared_experts": 1, "shared_expert_combination_strategy": "sum", "first_k_dense_replace": 0},
    "ernie4_5_moe": {"moe_num_experts": 8, "moe_k": 2, "moe_layer_start_index": 0, "moe_layer_end_index": 1},
    "deepseek_v2": {**MLA, "topk_method": "group_limited_greedy"}, "deepseek_v3": MLA,
    "deepseek_v32": {**MLA, **INDEX}, "deepseek_v4": {**MLA, **INDEX, "swiglu_limit": 0.25, "mlp_layer_types": ["moe", "moe"]},
    "deepseek_v4 by token ids": {**MLA, **INDEX, "swiglu_limit": 0.25, "mlp_layer_types": ["hash_moe", "hash_moe"]},
    "kimi_linear": {"num_experts": 8, "num_experts_per_token": 2, "num_expert_group": 2, "topk_group": 1,
                    "first_k_dense_replace": 0, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
                    "v_head_dim": 8},
    "bailing_hybrid": {"num_experts": 8, "num_experts_per_token": 2, "num_expert_group": 2, "topk_group": 1,
                       "first_k_dense_replace": 0},
    "glm4_moe": GLM, "glm4_moe_lite": GLM,
    "glm4v_moe_text": {**GLM, "rope_parameters": {**MROPE, "partial_rotary_factor": 0.5}}, "glm_moe_dsa": {**GLM, **INDEX},
    "glm5_next_text": {**GLM, **INDEX, "index_kpool": 4, "qk_rope_head_dim": 0, "swiglu_limit": 0.25,
                                           "mlp_layer_types": ["sparse", "sparse"]}, "dots1": {**GLM, "norm_topk_prob": True},
    "exaone_moe": {**PLAIN, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 0, "is_moe_layer": [True, True]},
    "solar_open": GLM, "sarvam_moe": GLM, "mimo_v2_flash": {**GLM, "n_shared_experts": None},
    "hy_v4": {**GLM, **INDEX, "swiglu_limit": 0.25},
    "mistral4": {**GLM, "n_group": 2},
    "nemotron_h": {**GLM, "moe_shared_expert_intermediate_size": 20, "layers_block_type": ["moe", "moe"]},
    "longcat_flash": {"n_routed_experts": 6, "zero_expert_num": 2, "moe_topk": 3, "expert_ffn_hidden_size": F,
                      "ffn_hidden_size": F, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
                      "qk_nope_head_dim": 8, "v_head_dim": 8, "num_layers": 2},
    "llama4_text": {"num_local_experts": 8, "num_experts_per_tok": 2, "interleave_moe_layer_step": 1, "intermediate_size_mlp": F},
    "gpt_oss": {**LOCAL, "swiglu_limit": 0.25, "layer_types": ["full_attention", "full_attention"]},
    "gpt_oss in mxfp4": {**LOCAL, "swiglu_limit": 0.25, "layer_types": ["full_attention", "full_attention"]},
    "phimoe": {**LOCAL, "router_jitter_noise": 0.125}, "afmoe": {**PLAIN, "num_dense_layers": 0}, "hy_v3": {**PLAIN, "first_k_dense_replace": 0}, "minimax_m2": LOCAL,
    "lfm2_moe": {**PLAIN, "num_dense_layers": 0, "layer_types": ["full_attention", "full_attention"]},
    "kolibri1": {**LOCAL, "norm_topk_prob": True, "shared_expert_intermediate_size": 20},
    "flint": {**PLAIN, "shared_expert_intermediate_size": 20, "mlp_only_layers": []},
    "dots3_note_text": {**GLM, "shared_experts_intermediate_size": 20},
    "beam": {**PLAIN, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 0, "mlp_layer_types": ["sparse", "sparse"]},
    "deepseek_ocr2_text": {**MLA, "topk_method": "greedy", "mlp_layer_types": ["sparse", "sparse"]},
    "unlimited_ocr_text": {**MLA, "topk_method": "greedy"},
    "mistral_large4_text": GLM, "hy_v4_vl_text": {**GLM, **INDEX, "swiglu_limit": 0.25, "rope_parameters": MROPE},
    "minimax_m3_vl_text": {**LOCAL, "shared_intermediate_size": 20, "swiglu_limit": 0.25,
                           "mlp_layer_types": ["sparse", "sparse"]},
    "step3p5": {**MLA, "share_expert_dim": 20, "mlp_layer_types": ["sparse", "sparse"]},
    "dbrx": {"d_model": 32, "n_heads": 2, "n_layers": 2,
             "ffn_config": {"ffn_hidden_size": F, "moe_num_experts": 8, "moe_top_k": 2, "hidden_size": 32,
                            "moe_loss_weight": 0.75},
             "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}},
    "laguna": {**PLAIN, "shared_expert_intermediate_size": 20, "num_attention_heads_per_layer": [2, 2]},
    "laguna with a softcap": {**PLAIN, "shared_expert_intermediate_size": 20, "num_attention_heads_per_layer": [2, 2],
                              "moe_router_logit_softcapping": 2.0},
    "step3p5 with limits": {**MLA, "share_expert_dim": 20, "mlp_layer_types": ["sparse", "sparse"], "swiglu_limits": [0.25, 0.25],
                            "swiglu_limits_shared": [0.5, 0.5]},
    "dbrx by squares": {"d_model": 32, "n_heads": 2, "n_layers": 2,
                        "ffn_config": {"ffn_hidden_size": F, "moe_num_experts": 8, "moe_top_k": 2, "hidden_size": 32,
                                       "moe_loss_weight": 0.75, "moe_normalize_expert_weights": 2.0},
                        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}},
    "nemotron_h with a latent space": {**GLM, "moe_shared_expert_intermediate_size": 20, "layers_block_type": ["moe", "moe"],
                                       "moe_latent_size": 12},
    "jetmoe": {**LOCAL, "kv_channels": 16, "num_key_value_heads": 2}, "axk1": MLA, "axk2": {**MLA, **INDEX},
    "axk2 without groups": {**MLA, **INDEX, "n_group": None, "topk_group": None},
    "gemma4_text": GEMMA, "diffusion_gemma_text": GEMMA, "openai_privacy_filter": {**LOCAL, "swiglu_limit": 0.25},
    "dots3_note_vision_encoder": {**LOCAL, "mlp_layer_types": ["sparse", "sparse"], "router_scaling_factor": 1.5,
                                  "adapter_in_dim": 32, "adapter_out_dim": 32},
    "switch_transformers": {"d_model": 32, "d_ff": F, "num_experts": 8, "num_layers": 2, "num_sparse_encoder_layers": 2,
                            "num_decoder_layers": 2, "num_sparse_decoder_layers": 0, "num_heads": 2, "d_kv": 16,
                            "expert_capacity": 2, "decoder_start_token_id": 0},
    "muse_spark_text": {**LOCAL, "moe_hidden_size": 12, "routed_scaling_factor": 1.5},
    "inkling_text": INKLING, "inkling2_text": {**INKLING, "mlp_gate_softcap": 0.5, "mlp_up_softcap": 0.75},
    "inkling2_loop_text": {**INKLING, "mlp_gate_softcap": 0.5, "mlp_up_softcap": 0.75, "loop_layer_index_start": 1,
                           "loop_layer_index_end": 2, "n_layers_per_attn_res_block": 1, "loop_gate_rank": 8},
    "ernie4_5_vl_moe_text": {"moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": [F, 20],
                             "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 2, 4]}},
}


class Double(TorchFunctionMode):
    """float32 by name means float64."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        wide = lambda x: torch.float64 if x is torch.float32 else x
        if func is torch.Tensor.float:
            func = torch.Tensor.double
        return func(*map(wide, args), **{key: wide(value) for key, value in (kwargs or {}).items()})


def with_width(fields, width):
    """The same fields, with another F wherever there is one."""
    if isinstance(fields, dict):
        return {key: with_width(value, width) for key, value in fields.items()}
    if isinstance(fields, list):
        return [with_width(value, width) for value in fields]
    return width if fields == F else fields


def made(kind, width):
    """A model of this type: one with a head where there is one, otherwise the part of another that it is."""
    model_type = kind.split()[0]
    keys = AutoConfig.for_model(model_type).to_dict()
    usual = {key: value for key, value in WIDE.items() if key in keys or key == "intermediate_size"}
    theirs = AutoConfig.for_model(model_type, **with_width({**usual, **TYPES[kind]}, width))
    theirs._experts_implementation = "eager"
    for cls in (AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModel):
        try:
            return cls.from_config(theirs).double()
        except ValueError as error:
            if "Unrecognized configuration class" not in str(error):
                raise
    module = importlib.import_module(type(theirs).__module__.replace("configuration", "modeling"))  # a part of another model
    parts = [value for name, value in vars(module).items()
             if name.endswith("Model") and "PreTrained" not in name and getattr(value, "config_class", None) is type(theirs)]
    return parts[0]._from_config(theirs).double()


def model_of(kind, width):
    """The model with random weights."""
    torch.manual_seed(7)
    model = made(kind, width).eval()
    with torch.no_grad():
        for tensor in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
            tensor.copy_(torch.randn_like(tensor) * (0.5 if tensor.dim() > 1 else 0.25))
        for name, table in model.named_buffers():
            if name.endswith("tid2eid"):  # experts by token ids
                table.copy_(torch.rand(len(table), 8).argsort(dim=1)[:, :table.shape[1]])
    return model


def block_of(model):
    """The last layer's block with a router and experts, its layer, and what stands beside it."""
    found = None
    for name, module in model.named_modules():
        children = dict(module.named_children())
        experts = "experts" in children or {"input_linear", "output_linear"} <= children.keys()  # JetMoE
        if experts and ("gate" in children or "router" in children) and not type(module).__name__.endswith("MoA"):
            found = name, module
    name, block = found
    if name.endswith(".vision_moe"):  # ERNIE 4.5 VL: one of two in a block
        name = name.removesuffix(".vision_moe")
        block = model.get_submodule(name)
    parts = name.split(".")
    layer = max(i for i, part in enumerate(parts) if part in ("layers", "blocks", "block")) + 1
    holder = model.get_submodule(".".join(parts[:layer + 1]))
    before = len(model.encoder.block) if parts[0] == "decoder" else 0  # layers of a decoder come after those of its encoder
    return block, int(parts[layer]) + before, getattr(holder, "shared_mlp", None)


def output_of(block, beside, x):
    """y for x, and for Gemma 4, a layer whose router sees something else, what that is."""
    seen = []
    if hasattr(block, "router") and hasattr(block.router, "proj"):
        block.router.proj.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        _, weights_of, ids = block.router(torch.randn_like(x, requires_grad=True))
        seen[0].retain_grad()
        return block.experts(x, ids, weights_of), seen[0]
    y = block(x[None])
    y = (y[0] if isinstance(y, tuple) else y).reshape(x.shape)
    return (y if beside is None else y + beside(x)), None


def output_by_ids(block, x):
    """y of a layer that chooses by token ids, of random ones, and the experts of each token."""
    ids = torch.randint(len(block.gate.tid2eid), (1, len(x)))
    return block(x[None], ids).reshape(x.shape), block.gate.tid2eid[ids[0]].to(torch.int32)


def whole_of(model):
    """The model that adds losses: this, or the one of which this is the text model, with numbers in nothing else but its head."""
    if hasattr(model, "lm_head"):
        return model
    cls = next(value for name, value in vars(sys.modules[type(model).__module__]).items()
               if name.endswith("ForConditionalGeneration")
               and getattr(value.config_class, "sub_configs", {}).get("text_config") is type(model.config))
    unstated = {"spatial_merge_size": 2, "vocab_size": 64}  # what a talker reads of its config and the config's class leaves out
    with torch.device("meta"):
        whole = cls(cls.config_class(text_config=model.config.to_dict(), **unstated)).eval()
    whole.set_submodule(next(name for name, part in whole.named_modules() if type(part) is type(model)), model)
    for head in whole.children():
        if isinstance(head, torch.nn.Linear):
            torch.nn.init.normal_(head.to_empty(device="cpu").double().weight)
    return whole


@contextlib.contextmanager
def heard(module):
    """By `run`'s names, the losses of the last layer of which the module's functions are asked, and what they return instead."""
    losses = {}

    def listening(name, function):
        def called(logits, *args, **kwargs):
            last = logits[-1:] if isinstance(logits, tuple) else logits  # a tuple has one tensor for each layer
            loss = function(last, *args, **kwargs)
            losses[name] = loss, loss.detach().requires_grad_()  # a leaf: its gradient is the coefficient
            return losses[name][1]
        return called

    theirs = {name: listening(ours, getattr(module, name)) for name, ours in LOSSES.items() if hasattr(module, name)}
    with mock.patch.multiple(module, **theirs):
        yield losses


def losses_of(model, block, x, mask=None):
    """By `run`'s names, the losses that the whole model reports of this block on x, and their coefficients in the model's own."""
    module = sys.modules[type(model).__module__]
    if not any(hasattr(module, name) for name in LOSSES):
        return {}
    whole, ids = whole_of(model), torch.randint(1, 64, (1, len(x)))
    given = {"input_ids": ids} if whole is model else {"inputs_embeds": whole.get_input_embeddings()(ids)}  # a talker has no ids
    if mask is not None:
        given["attention_mask"] = mask[None]
    block.register_forward_pre_hook(lambda _, args: (x[None], *args[1:]))  # whatever the layers before it say
    with heard(module) as losses:
        total = whole(**given, labels=ids, use_cache=False, output_router_logits=True).loss
    if not losses:
        raise ValueError(f"{module.__name__} has a loss that the model does not call")
    return {name: (loss, torch.autograd.grad(total, leaf, retain_graph=True)[0]) for name, (loss, leaf) in losses.items()}


def run(program, folder, layer, *options):
    """Every tensor that `run` says of the layer in this folder."""
    command = [program, "run", str(folder / "config.json"), "--weights", str(folder / "model.safetensors"), "--layer", str(layer),
               "--input", str(folder / "x.safetensors"), "--tokens", "24", *options, "--backward", "--out",
               str(folder / "out.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return load_file(folder / "out.safetensors")


def largest(got, wanted):
    """The largest error relative to the largest number of its tensor; NaN where there is one."""
    return torch.stack([(got[name] - want).abs().max() / want.abs().max() for name, want in wanted.items()]).max().item()


def keep_in_mxfp4(model, folder):
    """Gives the experts numbers of 4 bits in blocks of 32, and the checkpoint those bits, as openai/gpt-oss has them."""
    tensors = load_file(folder / "model.safetensors")
    for name, weight in model.named_parameters():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            experts, columns, rows = weight.shape  # (in, out) in the module
            blocks = torch.randint(256, (experts, rows, columns // 32, 16), dtype=torch.uint8)
            scales = torch.randint(120, 127, (experts, rows, columns // 32), dtype=torch.uint8)
            with torch.no_grad():
                weight.copy_(convert_moe_packed_tensors(blocks, scales, dtype=torch.float64))
            del tensors[name]
            tensors.update({name + "_blocks": blocks, name + "_scales": scales})
    save_file(tensors, folder / "model.safetensors")


def compared(program, kind, folder, width=F):
    """Yields how far off y and the gradient are, then how far off the losses are, or None where the module has none."""
    in_mxfp4 = kind.endswith(" in mxfp4")
    model = model_of(kind, 32 if in_mxfp4 else width)  # blocks of 32
    block, layer, beside = block_of(model)
    model.save_pretrained(folder)
    if in_mxfp4:
        keep_in_mxfp4(model, folder)
    x = torch.randn(24, model.config.get_text_config().hidden_size, dtype=torch.float64, requires_grad=True)
    dy = torch.randn_like(x)
    inputs, by_ids = {"x": x.detach(), "dy": dy}, getattr(block, "is_hash", False)
    with Double():
        y, router_x = (output_by_ids if by_ids else output_of)(block, *([] if by_ids else [beside]), x)
        (y * dy).sum().backward()
    wanted = {"y": y.detach(), "grad.x": x.grad.clone()}
    if by_ids:
        inputs["router.given_ids"], router_x = router_x, None
    if router_x is not None:
        inputs["router.x"], wanted["grad.router.x"] = router_x.detach().clone(), router_x.grad
    save_file(inputs, folder / "x.safetensors")
    given = ["--set", "router.choice=given", "--set", "router.selection_bias=false"] if by_ids else []
    yield largest(run(program, folder, layer, "--set", "aux=[]", *given), wanted)
    if by_ids:
        yield None
        return

    options = []
    if kind.endswith(" with padding"):
        inputs["aux.token_mask"] = (torch.arange(len(x)) >= 5).int()
        save_file(inputs, folder / "x.safetensors")
        options = ["--set", "aux.0.masked=true"]
    with Double():
        losses = losses_of(model, block, x, inputs.get("aux.token_mask"))
        for loss, coefficient in losses.values():
            (coefficient * loss).backward(retain_graph=True)  # added to the gradients of y
    wanted = {"grad.x": x.grad, **{f"loss.{name}": loss.detach() for name, (loss, _) in losses.items()}}
    routed = getattr(block, "text_moe", block)
    for tensor in (routed.router if hasattr(routed, "router") else routed.gate).parameters():
        if tensor.grad is not None:  # a bias of the choice has none
            wanted["grad.router.weight" if tensor.dim() == 2 else "grad.router.bias"] = tensor.grad
    yield largest(run(program, folder, layer, *options), wanted) if losses else None


def said(answer):
    return "-" if answer is None else answer if isinstance(answer, str) else f"{answer:.1e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="moe-oracle")
    parser.add_argument("types", nargs="*", help="model types; none: all")
    parser.add_argument("--ffn", type=int, default=F, help="F beside a D of 32; with 16 or 32 some matrices are square")
    parser.add_argument("--page", action="store_true", help="print the rows of docs/PEERS.md")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    wrong = 0
    for kind in options.types or TYPES:
        answers = []
        with tempfile.TemporaryDirectory() as folder:
            try:
                for error in compared(str(options.program), kind, pathlib.Path(folder), options.ffn):
                    answers.append(error)
            except Exception as fault:  # what `run` refuses, or a model that transformers itself does not make
                answers.append((f"{type(fault).__name__}: {fault}".splitlines() or ["no answer"])[0])
        wrong += not all(answer is None or (isinstance(answer, float) and answer <= 1e-12) for answer in answers)
        block, loss = [said(answer) for answer in [*answers, ""][:2]]
        print(f"| `{kind}` | {block} | {loss} |" if options.page else f"{kind:20} {block}   loss {loss}", flush=True)
    if not options.page:
        print(f"{len(options.types or TYPES)} types: {wrong} do not agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
