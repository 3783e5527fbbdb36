"""The part of f5-tts that a worker uses, with the same names and no others."""

from standin import read_wav, spoken, write_wav


class F5TTS:
    def __init__(
        self,
        model: str = "F5TTS_v1_Base",
        ckpt_file: str = "",
        vocab_file: str = "",
        device: str | None = None,
    ):
        assert model in ("F5TTS_v1_Base", "F5TTS_Base", "E2TTS_Base"), model
        assert device != ""

    def infer(
        self,
        ref_file: str,
        ref_text: str,
        gen_text: str,
        nfe_step: int = 32,
        file_wave: str | None = None,
        seed: int | None = None,
    ) -> None:
        print("gen_text 0", gen_text)
        assert ref_text.strip() and type(nfe_step) is int and type(seed) is int
        write_wav(file_wave, spoken(gen_text, 24000, read_wav(ref_file)[0], seed), 24000)
