"""Takes what ``python -m scripts.inference`` of LatentSync takes, as a program and as a module;
makes 25 frames a second."""

import argparse
import shutil
from pathlib import Path
from types import SimpleNamespace

from latentsync.utils.image_processor import ImageProcessor
from standin import loading, must_exist, read_wav, redraw


class OmegaConf:
    @staticmethod
    def load(path):
        must_exist(path)
        return SimpleNamespace(model={"cross_attention_dim": 384})


class Audio2Feature:
    def __init__(self, model_path="checkpoints/whisper/tiny.pt", device=None):
        must_exist(model_path)
        loading("whisper")


class AutoencoderKL:
    @classmethod
    def from_pretrained(cls, name, torch_dtype=None):
        loading("vae")


class UNet3DConditionModel:
    wrapped = False

    @classmethod
    def from_pretrained(cls, model_config, ckpt_path, device="cpu"):
        must_exist(ckpt_path)
        loading("unet")
        return cls(), 0


class DeepCacheSDHelper:
    def __init__(self, pipe=None):
        self.pipe = pipe

    def set_params(self, cache_interval=1, cache_branch_id=0, skip_mode="uniform"):
        pass

    def enable(self, pipe=None):
        assert not self.pipe.unet.wrapped, "wrapped twice"
        self.pipe.unet.wrapped = True

    def disable(self):
        self.pipe.unet.wrapped = False


class LipsyncPipeline:
    def __init__(self, vae, audio_encoder, unet):
        self.unet = unet

    def to(self, device):
        assert device == "cuda"
        return self

    def __call__(self, video_path, audio_path, video_out_path, temp_dir="temp"):
        ImageProcessor(512, device="cuda")
        for folder in ("temp", temp_dir):  # the first even if another is given
            shutil.rmtree(folder, ignore_errors=True)
            Path(folder).mkdir()
        samples, rate = read_wav(audio_path)
        assert rate == 16000
        must_exist("latentsync/utils/image_processor.py")  # the mask is there, too
        redraw(video_path, audio_path, video_out_path, int(len(samples) / rate * 25))


def main(config, args):
    for what, path in (("Video", args.video_path), ("Audio", args.audio_path)):
        if not Path(path).exists():
            raise RuntimeError(f"{what} path '{path}' not found")
    assert config.model["cross_attention_dim"] == 384
    assert type(args.inference_steps) is type(args.seed) is int
    assert type(args.guidance_scale) is float
    encoder = Audio2Feature(model_path="checkpoints/whisper/tiny.pt", device="cuda")
    vae = AutoencoderKL.from_pretrained("stabilityai/sd-vae-ft-mse", torch_dtype="float16")
    unet, _ = UNet3DConditionModel.from_pretrained(
        config.model, args.inference_ckpt_path, device="cpu"
    )
    pipeline = LipsyncPipeline(vae=vae, audio_encoder=encoder, unet=unet).to("cuda")
    if args.enable_deepcache:
        helper = DeepCacheSDHelper(pipe=pipeline)
        helper.set_params(cache_interval=3, cache_branch_id=0)
        helper.enable()
    pipeline(
        video_path=args.video_path,
        audio_path=args.audio_path,
        video_out_path=args.video_out_path,
        temp_dir=args.temp_dir,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--unet_config_path", default="configs/unet.yaml")
    parser.add_argument("--inference_ckpt_path", required=True)
    parser.add_argument("--video_path", required=True)
    parser.add_argument("--audio_path", required=True)
    parser.add_argument("--video_out_path", required=True)
    parser.add_argument("--inference_steps", type=int, default=20)
    parser.add_argument("--guidance_scale", type=float, default=1.0)
    parser.add_argument("--temp_dir", default="temp")
    parser.add_argument("--seed", type=int, default=1247)
    parser.add_argument("--enable_deepcache", action="store_true")
    arguments = parser.parse_args()
    main(OmegaConf.load(arguments.unet_config_path), arguments)
