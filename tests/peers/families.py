"""Blocks of Hugging Face transformers from their own checkpoints, against `moe-oracle run`, in float64.

For every model type a tiny model with random weights is saved by `save_pretrained`; `run CONFIG --weights --layer --backward` reads
that config.json and that checkpoint, and y and grad.x are compared with the block's own. What a block rounds to float32 by name
it keeps in float64 here. Prints the largest error relative to the largest number, or why there is none; exits with 1 where one is
above 1e-12.
"""
import argparse
import importlib
import pathlib
import subprocess
import sys
import tempfile
import warnings

import torch
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

F = 24  # in every type below
WIDE = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "num_hidden_layers": 2,
        "vocab_size": 64, "intermediate_size": F, "moe_intermediate_size": F, "max_position_embeddings": 64, "pad_token_id": 0}
MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
       "first_k_dense_replace": 0, "n_routed_experts": 8, "num_experts_per_tok": 2, "n_group": 4, "topk_group": 2}
LOCAL, PLAIN = {"num_local_experts": 8, "num_experts_per_tok": 2}, {"num_experts": 8, "num_experts_per_tok": 2}
GLM = {**MLA, "n_shared_experts": 1, "n_group": 2, "topk_group": 1}
GEMMA = {"num_experts": 8, "top_k_experts": 2, "enable_moe_block": True, "layer_types": ["full_attention", "full_attention"],
         "global_head_dim": 16, "num_global_key_value_heads": 2, "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 64}
INDEX = {"index_n_heads": 2, "index_head_dim": 16, "index_topk": 8}

# What a tiny model of each type is made of, besides WIDE. A type that is not here has no entry in `run`'s table.
TYPES = {
    "mixtral": LOCAL, "granitemoe": LOCAL, "granitemoeshared": {**LOCAL, "shared_intermediate_size": 20},
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
    "kimi_linear": {"num_experts": 8, "num_experts_per_token": 2, "num_expert_group": 2, "topk_group": 1, "first_k_dense_replace": 0,
                    "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8},
    "bailing_hybrid": {"num_experts": 8, "num_experts_per_token": 2, "num_expert_group": 2, "topk_group": 1,
                       "first_k_dense_replace": 0},
    "glm4_moe": GLM, "glm4_moe_lite": GLM, "glm4v_moe_text": GLM, "glm_moe_dsa": {**GLM, **INDEX},
    "glm5_next_text": {**GLM, **INDEX, "index_kpool": 4, "qk_rope_head_dim": 0, "swiglu_limit": 0.25,
                                           "mlp_layer_types": ["sparse", "sparse"]}, "dots1": {**GLM, "norm_topk_prob": True},
    "exaone_moe": {**PLAIN, "n_group": 2, "topk_group": 1, "first_k_dense_replace": 0, "is_moe_layer": [True, True]},
    "solar_open": GLM, "sarvam_moe": GLM, "mimo_v2_flash": {**GLM, "n_shared_experts": None}, "hy_v4": {**GLM, **INDEX, "swiglu_limit": 0.25},
    "mistral4": {**GLM, "n_group": 2},
    "nemotron_h": {**GLM, "moe_shared_expert_intermediate_size": 20, "layers_block_type": ["moe", "moe"]},
    "longcat_flash": {"n_routed_experts": 6, "zero_expert_num": 2, "moe_topk": 3, "expert_ffn_hidden_size": F, "ffn_hidden_size": F,
                      "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
                      "num_layers": 2},
    "llama4_text": {"num_local_experts": 8, "num_experts_per_tok": 2, "interleave_moe_layer_step": 1, "intermediate_size_mlp": F},
    "gpt_oss": {**LOCAL, "swiglu_limit": 0.25, "layer_types": ["full_attention", "full_attention"]},
    "afmoe": {**PLAIN, "num_dense_layers": 0}, "hy_v3": {**PLAIN, "first_k_dense_replace": 0}, "minimax_m2": LOCAL,
    "lfm2_moe": {**PLAIN, "num_dense_layers": 0, "layer_types": ["full_attention", "full_attention"]},
    "kolibri1": {**LOCAL, "norm_topk_prob": True, "shared_expert_intermediate_size": 20}, "flint": {**PLAIN, "shared_expert_intermediate_size": 20, "mlp_only_layers": []},
    "dots3_note_text": {**GLM, "shared_experts_intermediate_size": 20},
    "beam": {**PLAIN, "n_group": 4, "topk_group": 2, "first_k_dense_replace": 0, "mlp_layer_types": ["sparse", "sparse"]},
    "deepseek_ocr2_text": {**MLA, "topk_method": "greedy", "mlp_layer_types": ["sparse", "sparse"]},
    "unlimited_ocr_text": {**MLA, "topk_method": "greedy"},
    "mistral_large4_text": GLM, "hy_v4_vl_text": {**GLM, **INDEX, "swiglu_limit": 0.25, "rope_parameters":
                                                     {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}},
    "minimax_m3_vl_text": {**LOCAL, "shared_intermediate_size": 20, "swiglu_limit": 0.25, "mlp_layer_types": ["sparse", "sparse"]},
    "step3p5": {**MLA, "share_expert_dim": 20, "mlp_layer_types": ["sparse", "sparse"]},
    "dbrx": {"d_model": 32, "n_heads": 2, "n_layers": 2,
             "ffn_config": {"ffn_hidden_size": F, "moe_num_experts": 8, "moe_top_k": 2, "hidden_size": 32},
             "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0}},
    "laguna": {**PLAIN, "shared_expert_intermediate_size": 20, "num_attention_heads_per_layer": [2, 2]},
    "laguna with a softcap": {**PLAIN, "shared_expert_intermediate_size": 20, "num_attention_heads_per_layer": [2, 2],
                              "moe_router_logit_softcapping": 2.0},
    "step3p5 with limits": {**MLA, "share_expert_dim": 20, "mlp_layer_types": ["sparse", "sparse"], "swiglu_limits": [0.25, 0.25],
                            "swiglu_limits_shared": [0.5, 0.5]},
    "dbrx by squares": {"d_model": 32, "n_heads": 2, "n_layers": 2,
                        "ffn_config": {"ffn_hidden_size": F, "moe_num_experts": 8, "moe_top_k": 2, "hidden_size": 32,
                                       "moe_normalize_expert_weights": 2.0},
                        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0}},
    "nemotron_h with a latent space": {**GLM, "moe_shared_expert_intermediate_size": 20, "layers_block_type": ["moe", "moe"],
                                       "moe_latent_size": 12},
    "jetmoe": {**LOCAL, "kv_channels": 16, "num_key_value_heads": 2}, "axk1": MLA, "axk2": {**MLA, **INDEX},
    "axk2 without groups": {**MLA, **INDEX, "n_group": None, "topk_group": None},
    "gemma4_text": GEMMA, "diffusion_gemma_text": GEMMA, "openai_privacy_filter": {**LOCAL, "swiglu_limit": 0.25},
    "dots3_note_vision_encoder": {**LOCAL, "mlp_layer_types": ["sparse", "sparse"], "router_scaling_factor": 1.5, "adapter_in_dim": 32,
                          "adapter_out_dim": 32},
    "switch_transformers": {"d_model": 32, "d_ff": F, "num_experts": 8, "num_layers": 2, "num_sparse_encoder_layers": 2,
                            "num_decoder_layers": 2, "num_sparse_decoder_layers": 0, "num_heads": 2, "d_kv": 16,
                            "expert_capacity": 2},
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
    sizes = {key: with_width(value, width) if isinstance(value, dict) else value for key, value in fields.items()}
    return {key: width if value == F else value for key, value in sizes.items()}


def model_of(kind, width=F):
    model_type = kind.split()[0]
    keys = AutoConfig.for_model(model_type).to_dict()
    usual = {key: value for key, value in WIDE.items() if key in keys or key == "intermediate_size"}
    theirs = AutoConfig.for_model(model_type, **with_width({**usual, **TYPES[kind]}, width))
    theirs._experts_implementation = "eager"
    for cls in (AutoModelForCausalLM, AutoModel):
        try:
            return cls.from_config(theirs).double()
        except ValueError as error:
            if "Unrecognized configuration class" not in str(error):
                raise
    module = importlib.import_module(type(theirs).__module__.replace("configuration", "modeling"))  # a part of another model
    parts = [value for name, value in vars(module).items()
             if name.endswith("Model") and "PreTrained" not in name and getattr(value, "config_class", None) is type(theirs)]
    return parts[0]._from_config(theirs).double()


def block_of(model):
    """The last layer's block with a router and experts, its layer, and what stands beside it."""
    found = None
    for name, module in model.named_modules():
        children = dict(module.named_children())
        experts = "experts" in children or {"input_linear", "output_linear"} <= children.keys()  # JetMoE
        if experts and ("gate" in children or "router" in children) and not type(module).__name__.endswith("MoA"):
            found = name, module
    name, block = found
    parts = name.split(".")
    layer = max(i for i, part in enumerate(parts) if part in ("layers", "blocks", "block")) + 1
    holder = model.get_submodule(".".join(parts[:layer + 1]))
    before = len(model.encoder.block) if parts[0] == "decoder" else 0  # layers of a decoder come after those of its encoder
    return block, int(parts[layer]) + before, getattr(holder, "shared_mlp", None)


def compared(program, kind, folder, width=F):
    torch.manual_seed(7)
    model = model_of(kind, width).eval()
    with torch.no_grad():
        for tensor in [*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())]:
            tensor.copy_(torch.randn_like(tensor) * (0.5 if tensor.dim() > 1 else 0.25))
    block, layer, beside = block_of(model)
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    x = torch.randn(24, model.config.get_text_config().hidden_size, dtype=torch.float64, requires_grad=True)
    dy = torch.randn_like(x)
    inputs = {"x": x.detach(), "dy": dy}
    with Double():
        if hasattr(block, "router") and hasattr(block.router, "proj"):  # Gemma 4: a layer, whose router sees something else
            seen = []
            block.router.proj.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
            seen_by_layer = torch.randn_like(x, requires_grad=True)
            _, weights_of, ids = block.router(seen_by_layer)
            seen[0].retain_grad()
            y = block.experts(x, ids, weights_of)
            inputs["router.x"] = seen[0].detach().clone()
        else:
            y = block(x[None])
            y = (y[0] if isinstance(y, tuple) else y).reshape(x.shape)
        if beside is not None:
            y = y + beside(x)
        (y * dy).sum().backward()
    save_file(inputs, folder / "x.safetensors")
    wanted = {"y": y.detach(), "grad.x": x.grad}
    if "router.x" in inputs:
        wanted["grad.router.x"] = seen[0].grad
    command = [program, "run", str(folder / "config.json"), "--weights", str(weights), "--layer", str(layer), "--input",
               str(folder / "x.safetensors"), "--tokens", "24", "--set", "aux=[]", "--backward", "--out", str(folder / "out.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return None, done.stderr.strip()
    from safetensors.torch import load_file
    got = load_file(folder / "out.safetensors")
    errors = [((got[name] - want).abs().max() / want.abs().max()).item() for name, want in wanted.items()]
    return max(errors), ""


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
        with tempfile.TemporaryDirectory() as folder:
            try:
                error, reason = compared(str(options.program), kind, pathlib.Path(folder), options.ffn)
            except Exception as fault:  # a model that transformers itself does not make
                error, reason = None, f"{type(fault).__name__}: {fault}"
        wrong += error is None or not error <= 1e-12
        said = f"{error:.1e}" if error is not None else (reason.splitlines() or ["no answer"])[0]
        print(f"| `{kind}` | {said} |" if options.page else f"{kind:20} {said}", flush=True)
    if not options.page:
        print(f"{len(options.types or TYPES)} types: {wrong} do not agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
