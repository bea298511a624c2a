"""What torch_layer.py may be, beyond what the layers of all frameworks here may: the values of a field, or a rule for them."""
import wire

EXPRESSED = {section: dict(fields) for section, fields in wire.EXPRESSED.items()}
EXPRESSED["router"]["renorm_stage"] = ["before_drop", "after_drop"]
EXPRESSED["capacity"].update({"priority": ["fcfs", "bpr_top1", "weight", "random"],
                              "dropped_output": ["zero", "identity", "scaled_identity"]})
EXPRESSED["router"].update({"logit_bias": [True], "selection_bias_on": ["scores", "logits"], "renorm_epsilon": wire.weight})
EXPRESSED["router"].update({"input": ["same", "own"], "logit_softcap": wire.weight, "closed_groups": ["excluded", "zero"],
                            "renorm": ["none", "sum", "l2", "sparsemixer"], "sparsemixer_jitter": wire.positive_number, "expert_scale": [False, True], "logit_scale": wire.positive_number,
                            "sinks": wire.count, "renorm_epsilon_mode": ["add", "clamp"]})
EXPRESSED["router"].update({"score_function": ["none", "softmax", "sigmoid", "sqrtsoftplus", "identity"], "score_offset": wire.weight, "choice": ["top_k", "given"],
                            "second_policy": ["all", "random", "threshold"]})
EXPRESSED["combine"] = {"rest": ["none", "x"], "weight_location": ["output", "input"], "norm": ["none", "rms"], "norm_epsilon": wire.positive_number}
LIMITS = {"clamp_gate_max": wire.weight, "clamp_up_abs": wire.weight, "clamp_act_max": wire.weight}
EXPRESSED["experts"].update({"activation": ["silu", "relu", "gelu_erf", "gelu_tanh", "identity", "relu2", "quick_gelu"],
                             "bias": ["none", "per_expert", "after_combine"], "latent_size": wire.count, "act_alpha": wire.positive_number,
                             "up_offset": wire.number, "identity_experts": wire.count,
                             "identity_gives": ["identity", "zero"], "softcap_gate": wire.weight, "softcap_up": wire.weight,
                             "latent_norm": ["none", "rms"], "latent_norm_epsilon": wire.positive_number,
                             "output_norm": ["none", "rms"], "output_norm_epsilon": wire.positive_number, **LIMITS})
EXPRESSED["shared"].update({"mode": ["none", "add", "sigmoid_gate", "average", "weighted_mean"], **LIMITS})
EXPRESSED["bias_update"].update({"count": ["pre_drop", "post_drop"], "kind": ["none", "sign", "sign_centred"]})
LOSS = {**wire.LOSS, "f_stage": ["pre_drop", "post_drop", "post_drop_first"], "divisor": ["tokens", "kept"],
        "p_source": ["normalised_score", "softmax", "softmax_of_scores"], "earlier_tokens": wire.count,
        "p_of_batch": [False, True], "masked": [False, True],
        "z_of": ["scored", "clean"], "load_against": ["rival", "last_chosen"],
        "variance": ["population", "unbiased"], "importance_of": ["weights", "scores", "clean_scores"]}
EXPRESSED["noise"] = {"kind": ["none", "gaussian_learned", "gaussian_fixed", "gumbel", "input_jitter"],
                      "choices": ["all", "second"], "epsilon": wire.positive_number, "scale": wire.positive_number}
EXPRESSED["router"]["second_place"] = ["kept", "freed"]
