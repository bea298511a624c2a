"""The operator MoE of onnxruntime, in a graph of its own, as a client of `moe-oracle check --exec`: it returns y.

The graph is MatMul, which gives the logits of the router, and com.microsoft.MoE, which does the rest, on the CPU provider. The
operator takes the softmax of all logits and of it the k largest, of equal ones the higher id; `normalize_routing_weights`
multiplies them by the reciprocal of their sum, so that one choice alone may have the weight 1 - 2^-24. A choice whose weight is
0 is left out.

Measured with 1.32: `swiglu` is there with `swiglu_fusion` 1 only, gate and up by turns in the rows of fc1; `gelu` is that of
tanh; fc3 is refused; `use_sparse_mixer` is read and changes nothing. The kernel is for float32. In float16 the weights, x and y
are that, and the session puts casts around the two nodes: all between is float32. MatMul has no bfloat16.
"""
import sys

import numpy as np
import onnxruntime
from onnx import helper, numpy_helper

import wire

DTYPES = {"f32": np.float32, "f16": np.float16}
PLAIN = {"relu": "relu", "silu": "silu", "gelu_tanh": "gelu", "identity": "identity"}
SWIGLU = {"activation_type": "swiglu", "swiglu_fusion": 1, "activation_alpha": 1.0, "activation_beta": 0.0}

# What the operator has of a layer. Losses are not its business: they do not change y.
EXPRESSED = {section: dict(fields) for section, fields in wire.EXPRESSED.items()}
EXPRESSED["router"].update({"score_function": ["softmax"], "selection_bias": [False], "n_group": [1],
                            "routed_scaling_factor": [1.0], "second_policy": ["all"]})
EXPRESSED["noise"]["kind"] = EXPRESSED["capacity"]["mode"] = ["none"]
EXPRESSED["shared"]["mode"] = EXPRESSED["bias_update"]["kind"] = ["none"]
EXPRESSED["experts"].update({"activation": list(PLAIN), "bias": ["none", "per_expert"]})


def inspect(config):
    wire.inspect_config(config, EXPRESSED)
    experts = config["experts"]
    wire.need(not experts["glu"] or experts["activation"] == "silu", f"experts.activation = \"{experts['activation']}\"",
              "must be silu where experts.glu = true")


class Layer:
    def __init__(self, dtype):
        self.dtype = DTYPES[dtype]

    def __call__(self, config, inputs, routing):
        wire.need(routing is None, "routing", "cannot be given to the operator")
        x = inputs["x"].astype(self.dtype)
        y, = self.session(config, inputs).run(["y"], {"x": x})
        return {"y": y}

    def session(self, config, inputs):
        weights, attributes = self.weights(config, inputs)
        attributes |= {"k": config["shape"]["top_k"], "normalize_routing_weights": int(config["router"]["renorm"] == "sum")}
        optional = [name if name in weights else "" for name in ("fc1", "fc1_bias", "fc2", "fc2_bias")]
        nodes = [helper.make_node("MatMul", ["x", "router"], ["logits"]),
                 helper.make_node("MoE", ["x", "logits", *optional], ["y"], domain="com.microsoft", **attributes)]
        kind, shape = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype)), inputs["x"].shape
        constants = [numpy_helper.from_array(np.ascontiguousarray(w, dtype=self.dtype), name) for name, w in weights.items()]
        graph = helper.make_graph(nodes, "layer", [helper.make_tensor_value_info("x", kind, shape)],
                                  [helper.make_tensor_value_info("y", kind, shape)], constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def weights(self, config, inputs):
        """The constants of the graph, and the attributes that say what they are."""
        weights = {"router": inputs["router.weight"].T, "fc1": inputs["experts.up"], "fc2": inputs["experts.down"]}
        biased = config["experts"]["bias"] == "per_expert"
        if biased:
            weights |= {"fc1_bias": inputs["experts.up_bias"], "fc2_bias": inputs["experts.down_bias"]}
        if not config["experts"]["glu"]:
            return weights, {"activation_type": PLAIN[config["experts"]["activation"]]}
        weights["fc1"] = by_turns(inputs["experts.gate"], inputs["experts.up"])
        if biased:
            weights["fc1_bias"] = by_turns(inputs["experts.gate_bias"], inputs["experts.up_bias"])
        return weights, dict(SWIGLU)


def by_turns(gate, up):
    """Rows of gate and up (E, F, ...) by turns: (E, 2 F, ...)."""
    return np.stack([gate, up], axis=2).reshape(len(gate), -1, *gate.shape[2:])


def main():
    options = wire.parser(__doc__, DTYPES).parse_args()
    wire.serve(Layer(options.dtype), options.returns, inspect)


if __name__ == "__main__":
    sys.exit(main())
