"""A small so-vits-svc with random weights, ``FOLDER/logs/44k`` and ``FOLDER/configs/44k``, and the
encoder that it takes from the hub, ``FOLDER/hub``; run by the Python that has it."""

import importlib.resources
import json
import sys
from pathlib import Path

import torch
from hub import snapshot
from so_vits_svc_fork.modules.synthesizers import SynthesizerTrn
from transformers import HubertConfig, HubertModel

SMALL = {
    "inter_channels": 16, "hidden_channels": 16, "filter_channels": 16, "n_layers": 1,
    "upsample_initial_channel": 32, "gin_channels": 16, "ssl_dim": 32, "n_speakers": 2,
}  # fmt: skip


def main(folder: Path) -> None:
    torch.manual_seed(0)
    templates = importlib.resources.files("so_vits_svc_fork.preprocessing.config_templates")
    config = json.loads((templates / "so-vits-svc-4.0v1.json").read_text())
    config["model"] |= SMALL
    config["spk"] = {"alice": 0, "bob": 1}
    at = folder / "configs/44k/config.json"
    at.parent.mkdir(parents=True)
    at.write_text(json.dumps(config))
    data = config["data"]
    net = SynthesizerTrn(
        data["filter_length"] // 2 + 1,
        config["train"]["segment_size"] // data["hop_length"],
        **config["model"],
    )
    logs = folder / "logs/44k"
    logs.mkdir(parents=True)
    state = {"model": net.state_dict(), "iteration": 1, "optimizer": None, "learning_rate": 1e-4}
    torch.save(state, logs / "G_10.pth")
    encoder = HubertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(16,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    HubertModel(encoder).save_pretrained(snapshot(folder, "lengyue233/content-vec-best"))


main(Path(sys.argv[1]))
