"""Small networks of the shapes and names that onnx-asr expects, which know tones instead of words.

A tone of a token's frequency is heard as that token, anything else as nothing: so a known sound has
a known text with known times.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx_asr
from onnx import TensorProto, helper, numpy_helper

RATE = 16_000
STEP = 0.08
"""Seconds that a frame of the encoders takes."""
TONES = {"▁Hello": 400, "▁wor": 750, "ld": 1300, ",": 1900, "▁again": 2700, ".": 3900}
"""Hz by token."""
TOKENS = ["<unk>", *TONES]
FRAMES = ["batch", "frames"]


def _bins(features: int) -> list[int]:
    """The mel band of each tone."""
    data = Path(onnx_asr.__file__).parent / "preprocessors/data/fbanks.npz"
    with np.load(data) as filters:
        bank = filters[f"nemo{features}"]
    return [int(bank[round(hertz * 512 / RATE)].argmax()) for hertz in TONES.values()]


def _save(path: Path, nodes, inputs, outputs, weights) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


def _heard(features: int, rows: int) -> dict[str, np.ndarray]:
    """Weights of a convolution from mel bands to a score for each token, and one for the blank."""
    weight = np.zeros((rows, features, 1), dtype=np.float32)
    for token, band in enumerate(_bins(features)):
        weight[1 + token, band] = 4.0
    bias = np.full(rows, -8.0, dtype=np.float32)
    bias[1 : len(TOKENS)] = 0.0
    bias[-1] = 6.0
    return {"weight": weight, "bias": bias}


def _config(folder: Path, kind: str, features: int, names: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": kind, "features_size": features, "subsampling_factor": 8}
    (folder / "config.json").write_text(json.dumps(config))
    lines = [f"{token} {number}\n" for number, token in enumerate(names)]
    (folder / "vocab.txt").write_text("".join(lines), encoding="utf-8")


SOUND = [
    ("audio_signal", TensorProto.FLOAT, ["batch", "features", "frames"]),
    ("length", TensorProto.INT64, ["batch"]),
]
LENGTHS = [
    helper.make_node("Sub", ["length", "one"], ["less"]),
    helper.make_node("Div", ["less", "eight"], ["steps"]),
    helper.make_node("Add", ["steps", "one"], ["encoded_lengths"]),
]
NUMBERS = {"one": np.array(1, dtype=np.int64), "eight": np.array(8, dtype=np.int64)}


def ctc(folder: Path, precision: str = "", features: int = 80) -> Path:
    """As Parakeet CTC: one network."""
    names = [*TOKENS, "<blk>"]
    _config(folder, "nemo-conformer-ctc", features, names)
    nodes = [
        helper.make_node("Conv", ["audio_signal", "weight", "bias"], ["scores"], strides=[8]),
        helper.make_node("Transpose", ["scores"], ["turned"], perm=[0, 2, 1]),
        helper.make_node("LogSoftmax", ["turned"], ["logprobs"], axis=-1),
    ]
    outputs = [("logprobs", TensorProto.FLOAT, ["batch", "steps", len(names)])]
    path = folder / f"model{precision}.onnx"
    _save(path, nodes, SOUND, outputs, _heard(features, len(names)))
    return folder


def transducer(
    folder: Path, precision: str = "", *, durations: int = 5, features: int = 128
) -> Path:
    """As Parakeet TDT (or RNN-T, without ``durations``): an encoder, and a decoder with its joint.
    A token is not heard twice in a row."""
    names = [*TOKENS, "<blk>"]
    kind = "nemo-conformer-tdt" if durations else "nemo-conformer-rnnt"
    _config(folder, kind, features, names)
    size = len(names)
    _save(
        folder / f"encoder-model{precision}.onnx",
        [
            helper.make_node("Conv", ["audio_signal", "weight", "bias"], ["outputs"], strides=[8]),
            *LENGTHS,
        ],
        SOUND,
        [
            ("outputs", TensorProto.FLOAT, ["batch", size, "steps"]),
            ("encoded_lengths", TensorProto.INT64, ["batch"]),
        ],
        _heard(features, size) | NUMBERS,
    )
    forget = np.full(size, 100.0, dtype=np.float32)
    forget[-1] = 0.0
    last = np.zeros((1, 1, 1, durations), dtype=np.float32)
    last[..., 1:2] = 1.0  # one step further
    joint = [
        helper.make_node("Transpose", ["encoder_outputs"], ["frame"], perm=[0, 2, 1]),
        helper.make_node("Gather", ["every", "targets"], ["before"], axis=0),
        helper.make_node("Mul", ["before", "forget"], ["penalty"]),
        helper.make_node("Sub", ["frame", "penalty"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "axis"], ["joined"]),
        helper.make_node("Concat", ["joined", "durations"], ["outputs"], axis=-1),
        helper.make_node("Identity", ["input_states_1"], ["output_states_1"]),
        helper.make_node("Identity", ["input_states_2"], ["output_states_2"]),
    ]
    state = ["layers", "batch", 4]
    state[0] = 1
    _save(
        folder / f"decoder_joint-model{precision}.onnx",
        joint,
        [
            ("encoder_outputs", TensorProto.FLOAT, ["batch", size, "steps"]),
            ("targets", TensorProto.INT32, ["batch", "tokens"]),
            ("target_length", TensorProto.INT32, ["batch"]),
            ("input_states_1", TensorProto.FLOAT, state),
            ("input_states_2", TensorProto.FLOAT, state),
        ],
        [
            ("outputs", TensorProto.FLOAT, ["batch", "steps", "tokens", size + durations]),
            ("output_states_1", TensorProto.FLOAT, state),
            ("output_states_2", TensorProto.FLOAT, state),
        ],
        {
            "every": np.eye(size, dtype=np.float32),
            "axis": np.array([1], dtype=np.int64),
            "forget": forget,
            "durations": last,
        },
    )
    return folder


SAYS = {"en": ["▁Hello", "▁wor", "ld", "."], "fr": ["▁Bonjour", "."]}
"""What the attention decoder says of any sound, by language."""
_PROMPT = (
    "▁ <|startofcontext|> <|startoftranscript|> <|emo:undefined|> <|en|> <|fr|> <|pnc|> <|noitn|> "
    "<|notimestamp|> <|nodiarize|> <|endoftext|>"
).split()


def attention(folder: Path, precision: str = "", features: int = 128) -> Path:
    """As Canary: an encoder, and a decoder that follows its prompt and attends to the sound. This
    one says what it says of any sound."""
    names = [*_PROMPT, *dict.fromkeys(token for line in SAYS.values() for token in line)]
    _config(folder, "nemo-conformer-aed", features, names)
    size, width = len(names), 4
    ids = {name: number for number, name in enumerate(names)}
    following = np.zeros((size, size), dtype=np.float32)
    start = np.zeros((size, size), dtype=np.float32)
    for language, line in SAYS.items():
        start[ids[f"<|{language}|>"], ids[line[0]]] = 9.0
        for one, other in zip(line, [*line[1:], "<|endoftext|>"], strict=True):
            if one != "▁Hello" or language == "en":
                following[ids[one], ids[other]] = 9.0
    _save(
        folder / f"encoder-model{precision}.onnx",
        [
            helper.make_node("Conv", ["audio_signal", "weight", "bias"], ["scores"], strides=[8]),
            helper.make_node("Transpose", ["scores"], ["encoder_embeddings"], perm=[0, 2, 1]),
            helper.make_node("ReduceMax", ["encoder_embeddings"], ["top"], axes=[2], keepdims=0),
            helper.make_node("IsNaN", ["top"], ["wrong"]),
            helper.make_node("Not", ["wrong"], ["right"]),
            helper.make_node("Cast", ["right"], ["encoder_mask"], to=TensorProto.INT64),
        ],
        SOUND,
        [
            ("encoder_embeddings", TensorProto.FLOAT, ["batch", "steps", width]),
            ("encoder_mask", TensorProto.INT64, ["batch", "steps"]),
        ],
        {
            "weight": np.ones((width, features, 1), dtype=np.float32),
            "bias": np.zeros(width, dtype=np.float32),
        },
    )
    # The language is the fifth token of the prompt; later calls get the last token alone.
    _save(
        folder / f"decoder-model{precision}.onnx",
        [
            helper.make_node("Shape", ["input_ids"], ["shape"]),
            helper.make_node("Gather", ["shape", "one"], ["count"], axis=0),
            helper.make_node("Sub", ["count", "one"], ["last"]),
            helper.make_node("Min", ["last", "four"], ["place"]),
            helper.make_node("Gather", ["input_ids", "last"], ["token"], axis=1),
            helper.make_node("Gather", ["input_ids", "place"], ["language"], axis=1),
            helper.make_node("Gather", ["following", "token"], ["next"], axis=0),
            helper.make_node("Gather", ["start", "language"], ["first"], axis=0),
            helper.make_node("Add", ["next", "first"], ["scores"]),
            helper.make_node("Unsqueeze", ["scores", "axis"], ["row"]),
            helper.make_node("LogSoftmax", ["row"], ["logits"], axis=-1),
            helper.make_node("Gather", ["encoder_embeddings", "zero"], ["step"], axis=1),
            helper.make_node("Unsqueeze", ["step", "layer"], ["memory"]),
            helper.make_node(
                "Concat", ["decoder_mems", "memory"], ["decoder_hidden_states"], axis=2
            ),
        ],
        [
            ("input_ids", TensorProto.INT64, ["batch", "tokens"]),
            ("encoder_embeddings", TensorProto.FLOAT, ["batch", "steps", width]),
            ("encoder_mask", TensorProto.INT64, ["batch", "steps"]),
            ("decoder_mems", TensorProto.FLOAT, [1, "batch", "memory", width]),
        ],
        [
            ("logits", TensorProto.FLOAT, ["batch", "tokens", size]),
            ("decoder_hidden_states", TensorProto.FLOAT, [1, "batch", "memory", width]),
        ],
        {
            "one": np.array(1, dtype=np.int64),
            "four": np.array(4, dtype=np.int64),
            "zero": np.array([0], dtype=np.int64),
            "axis": np.array([1], dtype=np.int64),
            "layer": np.array([0], dtype=np.int64),
            "following": following,
            "start": start,
        },
    )
    return folder


def quantize(folder: Path) -> Path:
    """Replace the networks of a folder by int8 ones, in the way that those on the hub were made."""
    from onnxruntime.quantization import quantize_dynamic

    for path in [*folder.glob("*.onnx")]:
        quantize_dynamic(path, path.with_suffix(".int8.onnx"))
        path.unlink()
    return folder


def tones(*tokens: tuple[str, float, float], seconds: float) -> np.ndarray:
    """Float samples in which each token is heard from a second to another."""
    samples = np.zeros(round(seconds * RATE), dtype=np.float32)
    for token, start, end in tokens:
        span = slice(round(start * RATE), round(end * RATE))
        at = np.arange(span.start, span.stop) / RATE
        edge = np.minimum(1.0, np.minimum(at - at[0], at[-1] - at) / 0.03)  # without a click
        samples[span] = 0.3 * edge * np.sin(2 * np.pi * TONES[token] * at)
    return samples


def write_wav(path: Path, samples: np.ndarray) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path
