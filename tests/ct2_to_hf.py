"""Turn a CTranslate2 Whisper folder into a transformers one.

No package index carries a transformers checkpoint of Whisper, but some carry CTranslate2's. The
tests of the torch engine therefore run on the same real weights as those of the other engine.
Reads fp16 and fp32 models (``model.bin`` version 4 to 6; source: CTranslate2
``python/ctranslate2/specs/model_spec.py``).

    python ct2_to_hf.py CT2_FOLDER NEW_FOLDER
"""

from __future__ import annotations

import json
import re
import struct
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

Tensors: TypeAlias = dict[str, npt.NDArray[np.generic]]

DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
"""CTranslate2's numbers of types (5, bfloat16, is not read)."""


def convert(source: Path, target: Path) -> Path:
    """Write ``target`` from ``source``'s model.bin, config.json and tokenizer.json."""
    target.mkdir(parents=True, exist_ok=True)
    spec, variables = read_model(source / "model.bin")
    if spec != "WhisperSpec":
        raise ValueError(f"not a Whisper model but a {spec}")
    weights = transformers_names(variables)
    theirs = json.loads((source / "config.json").read_text("utf-8"))
    tokenizer = json.loads((source / "tokenizer.json").read_text("utf-8"))
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    vocabulary, width = weights["model.decoder.embed_tokens.weight"].shape
    mels = weights["model.encoder.conv1.weight"].shape[1]
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    special = {
        "bos_token_id": end,
        "eos_token_id": end,
        "pad_token_id": end,
        "decoder_start_token_id": start,
        "begin_suppress_tokens": theirs["suppress_ids_begin"],
    }
    config: dict[str, Any] = {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "vocab_size": vocabulary,
        "d_model": width,
        "num_mel_bins": mels,
        "max_source_positions": len(weights["model.encoder.embed_positions.weight"]),
        "max_target_positions": len(weights["model.decoder.embed_positions.weight"]),
        **special,
    }
    for side in ("encoder", "decoder"):
        config[f"{side}_layers"] = layer_count(variables, side)
        config[f"{side}_attention_heads"] = int(variables[f"{side}/num_heads"])
        config[f"{side}_ffn_dim"] = len(weights[f"model.{side}.layers.0.fc1.bias"])
    generation: dict[str, Any] = {
        "alignment_heads": theirs["alignment_heads"],
        "suppress_tokens": theirs["suppress_ids"],
        "max_length": 448,
        "max_initial_timestamp_index": 50,
        "no_timestamps_token_id": ids["<|notimestamps|>"],
        "prev_sot_token_id": ids["<|startofprev|>"],
        "is_multilingual": vocabulary >= 51_865,
        **special,
    }
    if generation["is_multilingual"]:
        tasks = {name: ids[f"<|{name}|>"] for name in ("transcribe", "translate")}
        languages = range(start + 1, min(tasks.values()))
        generation["lang_to_id"] = {text: i for text, i in ids.items() if i in languages}
        # Without a task, generate() with automatic language leaves its token out and loops.
        generation |= {"task_to_id": tasks, "task": "transcribe"}
    features = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": mels,
        "sampling_rate": 16_000,
        "hop_length": 160,
        "n_fft": 400,
        "chunk_length": 30,
    }
    files = {
        "config": config,
        "generation_config": generation,
        "preprocessor_config": features,
        "tokenizer": tokenizer,
        "tokenizer_config": {"tokenizer_class": "WhisperTokenizer"},
    }
    for name, content in files.items():
        (target / f"{name}.json").write_text(json.dumps(content), "utf-8")
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    return target


def read_model(path: Path) -> tuple[str, Tensors]:
    """The name of the specification and the variables of a ``model.bin``."""
    data, offset = path.read_bytes(), 0

    def number(format_: str) -> int:
        nonlocal offset
        (value,) = struct.unpack_from(f"<{format_}", data, offset)
        offset += struct.calcsize(format_)
        return int(value)

    def text() -> str:
        nonlocal offset
        length = number("H")
        offset += length
        return data[offset - length : offset - 1].decode()

    version = number("I")
    if not 4 <= version <= 6:
        raise ValueError(f"{path}: version {version} of the format is not known")
    spec, _revision = text(), number("I")
    variables: Tensors = {}
    for _ in range(number("I")):
        name = text()
        shape = [number("I") for _ in range(number("B"))]
        dtype, size = np.dtype(DTYPES[number("B")]), number("I")
        variables[name] = np.frombuffer(data, dtype, size // dtype.itemsize, offset).reshape(shape)
        offset += size
    return spec, variables


def transformers_names(variables: Tensors) -> Tensors:
    """The weights under the names of WhisperForConditionalGeneration, projections taken apart."""
    weights: Tensors = {}

    def put(name: str, source: str, *projections: str) -> None:
        """A layer with weight and bias, or what CTranslate2 fused, cut into ``projections``."""
        for part in ("weight", "bias"):
            value = variables[f"{source}/{part}"]
            if value.dtype not in (np.float16, np.float32):
                raise ValueError(f"{source} is quantised to {value.dtype}")
            for projection, piece in zip(
                projections or ("",), np.split(value, len(projections) or 1), strict=True
            ):
                if projection == ".k_proj" and part == "bias":
                    continue  # Whisper has none; CTranslate2 writes zeros
                weights[f"{name}{projection}.{part}"] = np.ascontiguousarray(piece)

    def put_norm(name: str, source: str) -> None:
        weights[f"{name}.weight"] = variables[f"{source}/gamma"]
        weights[f"{name}.bias"] = variables[f"{source}/beta"]

    put("model.encoder.conv1", "encoder/conv1")
    put("model.encoder.conv2", "encoder/conv2")
    weights["model.decoder.embed_tokens.weight"] = variables["decoder/embeddings/weight"]
    for side in ("encoder", "decoder"):
        positions = variables[f"{side}/position_encodings/encodings"]
        weights[f"model.{side}.embed_positions.weight"] = positions
        put_norm(f"model.{side}.layer_norm", f"{side}/layer_norm")
        for index in range(layer_count(variables, side)):
            name, source = f"model.{side}.layers.{index}", f"{side}/layer_{index}"
            put_norm(f"{name}.self_attn_layer_norm", f"{source}/self_attention/layer_norm")
            put(
                f"{name}.self_attn",
                f"{source}/self_attention/linear_0",
                *(".q_proj", ".k_proj", ".v_proj"),
            )
            put(f"{name}.self_attn.out_proj", f"{source}/self_attention/linear_1")
            if side == "decoder":
                cross = f"{name}.encoder_attn"
                put_norm(f"{cross}_layer_norm", f"{source}/attention/layer_norm")
                put(f"{cross}.q_proj", f"{source}/attention/linear_0")
                put(cross, f"{source}/attention/linear_1", ".k_proj", ".v_proj")
                put(f"{cross}.out_proj", f"{source}/attention/linear_2")
            put_norm(f"{name}.final_layer_norm", f"{source}/ffn/layer_norm")
            put(f"{name}.fc1", f"{source}/ffn/linear_0")
            put(f"{name}.fc2", f"{source}/ffn/linear_1")
    return weights


def layer_count(variables: Tensors, side: str) -> int:
    """Layers of the ``encoder`` or the ``decoder``."""
    found = (re.match(rf"{side}/layer_(\d+)/", name) for name in variables)
    return 1 + max(int(match[1]) for match in found if match)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
