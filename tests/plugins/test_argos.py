"""``argos``: real packages (of networks that know nothing), from a real server on this machine."""

import http.server
import io
import json
import os
import stat
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import ctranslate2
import numpy as np
import pytest

pytest.importorskip("argostranslate")
import sentencepiece

WORDS = "the a sea house tree old new boat goes comes sees and under over by man child dog".split()
WIDTH = 32
LAYERS = 2


def random_network(folder: Path, vocabulary: list[str], seed: int) -> None:
    """A Transformer that CTranslate2 runs like any other."""
    numbers = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return numbers.normal(0, 0.3, shape).astype(np.float32)

    def fill(spec: object, name: str, *shape: int) -> None:
        layer = getattr(spec, name)
        layer.weight = weights(*shape)
        if hasattr(layer, "bias"):
            layer.bias = np.zeros(shape[0], dtype=np.float32)

    def norm(layer: object) -> None:
        layer.gamma = np.ones(WIDTH, dtype=np.float32)
        layer.beta = np.zeros(WIDTH, dtype=np.float32)

    def linear(layer: object, out: int, into: int = WIDTH) -> None:
        layer.weight = weights(out, into)
        layer.bias = np.zeros(out, dtype=np.float32)

    spec = ctranslate2.specs.TransformerSpec.from_config(LAYERS, 4)
    for side in (spec.encoder, spec.decoder):
        tables = side.embeddings if isinstance(side.embeddings, list) else [side.embeddings]
        for table in tables:
            table.weight = weights(len(vocabulary), WIDTH)
        norm(side.layer_norm)
        for layer in side.layer:
            linear(layer.self_attention.linear[0], 3 * WIDTH)
            linear(layer.self_attention.linear[1], WIDTH)
            norm(layer.self_attention.layer_norm)
            if hasattr(layer, "attention"):
                linear(layer.attention.linear[0], WIDTH)
                linear(layer.attention.linear[1], 2 * WIDTH)
                linear(layer.attention.linear[2], WIDTH)
                norm(layer.attention.layer_norm)
            linear(layer.ffn.linear_0, 2 * WIDTH)
            linear(layer.ffn.linear_1, WIDTH, 2 * WIDTH)
            norm(layer.ffn.layer_norm)
    linear(spec.decoder.projection, len(vocabulary))
    spec.register_source_vocabulary(vocabulary)
    spec.register_target_vocabulary(vocabulary)
    spec.validate()
    folder.mkdir()
    spec.save(str(folder))


@pytest.fixture(scope="session")
def packages(tmp_path_factory):
    """Packages by file name: es→en, en→de, en→zt."""
    root = tmp_path_factory.mktemp("packages")
    numbers = np.random.default_rng(1)
    sentences = (" ".join(numbers.choice(WORDS, 8)).capitalize() + "." for _ in range(400))
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=60,
        hard_vocab_limit=False, minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocabulary = ["<unk>", "<s>", "</s>"]
    vocabulary += [pieces.id_to_piece(i) for i in range(3, pieces.get_piece_size())]
    found = {}
    for seed, (source, target) in enumerate([("es", "en"), ("en", "de"), ("en", "zt")]):
        folder = root / f"translate-{source}_{target}-1_0"
        folder.mkdir()
        random_network(folder / "model", vocabulary, seed)
        (folder / "sentencepiece.model").write_bytes(model.getvalue())
        about = {
            "package_version": "1.0",
            "argos_version": "1.0",
            "type": "translate",
            "from_code": source,
            "from_name": source,
            "to_code": target,
            "to_name": target,
        }
        (folder / "metadata.json").write_text(json.dumps(about))
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(root))
        found[f"{source}_{target}.argosmodel"] = packed.getvalue()
    return found  # fmt: skip


class Server:
    """What a server with an index has, which requests it got, and how it misbehaves."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = dict(files)
        self.asked: list[str] = []
        self.cut: set[str] = set()
        self.moved: dict[str, str] = {}
        self.index: list[object] | None = None
        self.link = "{url}{name}"


@pytest.fixture
def server(packages, tmp_path):
    state = Server(packages)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            state.asked.append(name)
            if name in state.moved:
                self.send_response(302)
                self.send_header("Location", state.moved[name])
                self.send_header("Content-Length", "0")
                return self.end_headers()
            if name == "index.json" and name not in state.files:
                data = json.dumps(index()).encode()
            elif name in state.files:
                data = state.files[name]
            else:
                return self.send_error(404)
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if name in state.cut else data)

        def log_message(self, *_):
            pass

    def index():
        if state.index is not None:
            return state.index
        return [
            {"package_version": "1.0", "from_code": name[:2], "to_code": name[3:5],
             "links": [state.link.format(url=url, name=name)]}
            for name in packages
        ]  # fmt: skip

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{running.server_port}/"
        state.env = {
            "HF_HUB_OFFLINE": "0",
            "ARGOS_PACKAGE_INDEX": url,
            "ARGOS_PACKAGES_DIR": str(tmp_path / "home/packages"),
            "XDG_DATA_HOME": str(tmp_path / "home/data"),
            "XDG_CONFIG_HOME": str(tmp_path / "home/config"),
            "XDG_CACHE_HOME": str(tmp_path / "home/cache"),
        }
        state.home = tmp_path / "home"
        yield state
        running.shutdown()


CODE = """
import json, logging, sys
from dubkit import DubkitError, Line, TranslationRequest, Translator, engines
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
engine = engines.load(Translator, "argos")
source, target, *texts = sys.argv[1:]
steps = []
before = engine.supports(source, target)
try:
    engine.prepare(None, target, lambda *what: steps.append(what))
    assert not steps
    engine.prepare(source, target, lambda *what: steps.append(what))
    lines = tuple(Line(str(i), text) for i, text in enumerate(texts))
    reply = engine.translate(TranslationRequest(source, target, lines))
    made = [dict(reply.texts), reply.model]
except DubkitError as failure:
    made = [type(failure).__name__, failure.message, failure.hint]
heavy = [name for name in ("stanza", "spacy", "torch") if name in sys.modules]
print(json.dumps([made, steps, before, engine.supports(source, target), heavy]))
"""
LANGUAGE_KNOWN = CODE.replace("engine.prepare(None, target, lambda *what: steps.append(what))", "")

TEXTS = ("The old man sees the sea. The dog comes.", "a boat", "¡Nada de esto se sabe!", "  ")


def ran(server, source="es", target="de", texts=TEXTS, code=CODE, **env):
    """In a separate process: the library reads the environment when it is imported."""
    done = subprocess.run(
        [sys.executable, "-c", code, source, target, *texts],
        env=os.environ | server.env | env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return *json.loads(done.stdout), done.stderr


def left(server):
    """What lies where packages belong."""
    return sorted(path.name for path in (server.home / "packages").iterdir())


def assert_nothing_half(server):
    assert not [path for path in server.home.rglob("*") if path.name.startswith(".dubkit-")]


def test_two_packages_are_fetched_and_both_translate(server):
    (texts, model), steps, before, after, heavy, log = ran(server)
    assert model == "Argos es→en en→de" and before and after and not heavy
    assert set(texts) <= {"0", "1", "2"}  # an empty line is left out
    assert texts and all(isinstance(text, str) and text for text in texts.values())
    assert "downloading argos es→en from http://127.0.0.1:" in log and " MB" in log
    stages = [stage for stage, _, _ in steps]
    assert set(stages) == {"download argos es→en", "download argos en→de"}
    assert [done for stage, done, total in steps if done == total]
    assert left(server) == ["translate-en_de-1_0", "translate-es_en-1_0"]
    assert_nothing_half(server)
    asked = len(server.asked)
    # From then on it is here, with the internet and without, and the same every time.
    again, steps, before, *_ = ran(server, HF_HUB_OFFLINE="1")
    assert again == [texts, model] and not steps and before
    assert len(server.asked) == asked


def test_one_direct_package(server):
    (texts, model), *_ = ran(server, "en-GB", "de")
    assert model == "Argos en→de" and texts
    assert left(server) == ["translate-en_de-1_0"]
    (_, model), *_ = ran(server, "en", "zh-Hant")
    assert model == "Argos en→zt"


def test_the_pivot_runs_both_models(server):
    ((first, _), *_), ((both, _), *_) = ran(server, "es", "en"), ran(server)
    ((second, _), *_) = ran(server, "en", "de", texts=[first.get(str(i), "") for i in range(4)])
    assert both == second


def test_directions(server):
    (*_, before, after, _, _) = ran(server, "es", "fr")
    assert before and not after  # anything plausible, until the index says otherwise
    for source, target, can in (("es", "de", True), ("de", "es", False), ("en", "en-GB", False)):
        _, _, before, *_ = ran(server, source, target)
        assert before is can
    made, *_ = ran(server, "es", "fr")
    assert made[0] == "UsageError" and "no package from es to fr" in made[1]


@pytest.mark.parametrize(
    ("code", "names"), [(CODE, "translate-en_de"), (LANGUAGE_KNOWN, "translate-es_de")]
)
def test_without_internet(code, names, server):
    """Which is refused before the language spoken is known: finding that out takes long."""
    made, _, _, _, _, log = ran(server, code=code, HF_HUB_OFFLINE="1")
    assert made[0] == "MissingDependency" and "HF_HUB_OFFLINE" in made[1]
    assert f"argospm install {names}," in made[2] and not server.asked
    made, *_ = ran(server, code=code, ARGOS_PACKAGE_INDEX="http://127.0.0.1:9/")
    assert made[0] == "MissingDependency" and "cannot be fetched" in made[1]
    assert f"argospm install {names};" in made[2] and "Traceback" not in log
    assert not left(server)


def test_only_https(server):
    made, *_ = ran(server, ARGOS_PACKAGE_INDEX="http://example.com/")
    assert made[0] == "InputError" and "https" in made[1]
    server.link = "http://example.com/{name}"
    made, *_ = ran(server)
    assert made[0] == "InputError" and "https" in made[1] and not left(server)
    server.link = "file:///etc/{name}"
    made, *_ = ran(server)
    assert made[0] == "InputError" and not left(server)


def test_a_package_that_moved_over_https_alone(server):
    server.moved["es_en.argosmodel"] = "/new"
    server.files["new"] = server.files["es_en.argosmodel"]
    (_, model), *_ = ran(server, "es", "en")
    assert model == "Argos es→en" and "new" in server.asked
    # Whoever answers for the first of these could send on to anything over https, too.
    server.moved["en_de.argosmodel"] = "http://example.com/en_de"
    made, *_ = ran(server, "en", "de")
    assert made[0] == "InputError" and "not from http://example.com/en_de" in made[1]
    assert left(server) == ["translate-es_en-1_0"]


def test_a_download_that_breaks_off(server):
    server.cut.add("en_de.argosmodel")
    made, *_ = ran(server)
    assert made[0] == "MissingDependency" and "broke off" in made[1] and "again" in made[2]
    assert left(server) == ["translate-es_en-1_0"]  # whole
    assert_nothing_half(server)
    server.cut.clear()
    (_, model), *_ = ran(server)
    assert model == "Argos es→en en→de"


def test_a_package_that_is_not_there(server):
    del server.files["es_en.argosmodel"]
    made, *_ = ran(server)
    assert made[0] == "MissingDependency" and "404" in made[1] and not left(server)
    assert_nothing_half(server)


def test_a_second_address_is_tried(server):
    url = server.env["ARGOS_PACKAGE_INDEX"]
    server.index = [
        {"package_version": "1.9", "from_code": "es", "to_code": "en", "links": [url + "no"]},
        {"package_version": "1.10", "from_code": "es", "to_code": "en",
         "links": [url + "gone", url + "es_en.argosmodel"]},
    ]  # fmt: skip
    (_, model), *_ = ran(server, "es", "en")
    assert model == "Argos es→en" and "no" not in server.asked and "gone" in server.asked


@pytest.mark.parametrize("index", [b"<html>", b"{}", b"[]", b'[1, {"from_code": "../x"}]'])
def test_an_index_that_is_none(index, server):
    server.files["index.json"] = index
    made, *_ = ran(server)
    assert made[0] == "InputError" and "no index" in made[1]
    assert not (server.home / "data/argos-translate/index.json").exists()


def changed(packed: bytes, change: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(packed)) as old, zipfile.ZipFile(out, "w") as new:
        for member in old.infolist():
            if change == "no model" and "model.bin" in member.filename:
                continue
            content = old.read(member)
            if change == "another direction" and member.filename.endswith("metadata.json"):
                content = content.replace(b'"es"', b'"fr"')
            new.writestr(member.filename, content)
        extra = {"parent": "en_es/../../evil", "absolute": "/tmp/dubkit-evil", "two": "evil/x",
                 "windows": "en_es\\..\\..\\evil", "drive": "C:/evil"}  # fmt: skip
        if change in extra:
            new.writestr(extra[change], "evil")
        if change == "link":
            link = zipfile.ZipInfo("translate-es_en-1_0/link")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            new.writestr(link, "/etc/passwd")
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("not a zip", "not a zip"), ("cut", "not a zip"), ("damaged", "CRC"),
        ("parent", "would write to"), ("absolute", "would write to"),
        ("windows", "would write to"), ("drive", "would write to"), ("link", "is a link"),
        ("two", "not one folder"), ("no model", "no model"), ("another direction", "no model"),
    ],
)  # fmt: skip
def test_packages_that_are_refused(change, reason, server):
    packed = server.files["es_en.argosmodel"]
    if change == "not a zip":
        packed = b"<html>sorry</html>"
    elif change == "cut":
        packed = packed[: len(packed) // 2]
    elif change == "damaged":
        middle = len(packed) // 2
        packed = packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :]
    else:
        packed = changed(packed, change)
    server.files["es_en.argosmodel"] = packed
    made, _, _, _, _, log = ran(server, "es", "en")
    assert made[0] == "InputError" and "no Argos package" in made[1] and reason in made[1], made
    assert not left(server) and made[2] and "Traceback" not in log
    assert_nothing_half(server)
    assert not list(server.home.rglob("*evil*"))


def test_a_package_that_was_damaged_later(server):
    ran(server, "es", "en")
    folder = server.home / "packages/translate-es_en-1_0"
    (folder / "model/model.bin").write_bytes(b"no")
    made, *_ = ran(server, "es", "en")
    assert made[0] == "PluginError" and "damaged" in made[1] and str(folder) in made[2]
    # Folders that are no package do no harm.
    (server.home / "packages/notes").mkdir()
    (folder / "metadata.json").write_text("{")
    made, *_ = ran(server, "en", "de")
    assert made[1] == "Argos en→de"
