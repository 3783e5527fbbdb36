"""A small pocket-tts with random weights, ``FOLDER/tiny.yaml``; run by the Python that has it."""

import sys
from pathlib import Path

import torch
import yaml
from pocket_tts import TTSModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

VOCABULARY = {"a word": 0, ".": 1, ",": 2, "?": 3, "!": 4}
SEANET = {
    "dimension": 32, "channels": 1, "n_filters": 4, "n_residual_layers": 1, "ratios": [6, 5, 4],
    "kernel_size": 7, "residual_kernel_size": 3, "last_kernel_size": 3, "dilation_base": 2,
    "pad_mode": "constant", "compress": 2,
}  # fmt: skip
ATTENTION = {
    "d_model": 32, "num_heads": 2, "num_layers": 1, "layer_scale": 0.01, "context": 50,
    "dim_feedforward": 64, "input_dimension": 32, "output_dimensions": [32],
}  # fmt: skip


def main(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="a word"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "flow_lm": {
            "dtype": "float32",
            "insert_bos_before_voice": True,
            "flow": {"depth": 1, "dim": 32},
            "transformer": {
                "d_model": 32, "hidden_scale": 2, "max_period": 10000, "num_heads": 2,
                "num_layers": 1,
            },
            "lookup_table": {
                "dim": 32, "n_bins": len(VOCABULARY), "tokenizer": "tokenizers",
                "tokenizer_path": str(folder / "tokenizer.json"),
            },
        },
        "mimi": {
            "dtype": "float32", "sample_rate": 24000, "inner_dim": 8, "outer_dim": 32,
            "channels": 1, "frame_rate": 12.5, "seanet": SEANET, "transformer": ATTENTION,
            "quantizer": {"dimension": 8, "output_dimension": 32},
        },
    }  # fmt: skip
    shape = folder / "shape.yaml"
    shape.write_text(yaml.safe_dump(config))
    model = TTSModel.load_model(config=shape)
    torch.nn.init.normal_(model.flow_lm.speaker_proj_weight)
    # It never ends by itself, but at the length that pocket-tts expects of so many words.
    torch.nn.init.constant_(model.flow_lm.out_eos.bias, -100.0)
    save_file(model.state_dict(), folder / "tiny.safetensors")
    config["weights_path"] = str(folder / "tiny.safetensors")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(config))


main(Path(sys.argv[1]))
