"""Two small networks with random weights in place of OpenVoice's, in ``FOLDER/hub``, where
voiceclonnx looks for them."""

import sys
from pathlib import Path

import numpy as np
from hub import snapshot
from onnx import TensorProto, helper, numpy_helper, save

BINS, HOP, TONE = 513, 256, 256


def network(path: Path, nodes, inputs, output, weights) -> None:
    """Write an ONNX file of these."""
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    versions = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=versions, ir_version=9), path)


def main(folder: Path) -> None:
    random = np.random.default_rng(0)
    files = snapshot(folder, "TigreGotico/voiceclonnx-openvoice-v2")
    real = TensorProto.FLOAT
    network(
        files / "tone_ref_encoder.onnx",
        [
            helper.make_node("ReduceMean", ["spec"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["mean", "project"], ["tone"]),
        ],
        [("spec", real, [1, "frames", BINS])],
        ("tone", [1, TONE]),
        {"project": random.normal(size=(BINS, TONE)).astype("f")},
    )
    # Each frame becomes a few periods of a tone, louder the further apart the voices are.
    network(
        files / "tone_converter.onnx",
        [
            helper.make_node("Sub", ["tgt_g", "src_g"], ["moved"]),
            helper.make_node("Abs", ["moved"], ["distance"]),
            helper.make_node("ReduceMean", ["distance"], ["by"], axes=[1], keepdims=1),
            helper.make_node("Add", ["by", "one"], ["gain"]),
            helper.make_node("Mul", ["spec", "gain"], ["louder"]),
            helper.make_node("ConvTranspose", ["louder", "kernel"], ["raw"], strides=[HOP]),
            helper.make_node("Tanh", ["raw"], ["audio"]),
        ],
        [
            ("spec", real, [1, BINS, "frames"]),
            ("spec_lengths", TensorProto.INT64, [1]),
            ("src_g", real, [1, TONE, 1]),
            ("tgt_g", real, [1, TONE, 1]),
        ],
        ("audio", [1, 1, "samples"]),
        {"kernel": (0.01 * random.normal(size=(BINS, 1, HOP))).astype("f"), "one": np.float32([1])},
    )


main(Path(sys.argv[1]))
