"""A real HTTP server that speaks OpenAI's protocol, translates after a fashion, and misbehaves.

    with LLMServer() as server:
        dubkit("talk.srt", "--to", "es", env=server.env)
    assert len(server.chats) == 3

It listens on a free port of 127.0.0.1 and understands both forms of dubkit's prompt. What it says
is always the same for the same requests in the same order: real translations for the sentences of
:data:`SENTENCES`, and for any other line an invented sentence in the target language (es, fr, de,
ja), about as long as the line or as its limit, different for different lines, with the line's
numbers, markup, placeholders and glossary terms in it.

``server.url``       to set as OPENAI_BASE_URL (``server.env`` has that and a key)
``server.requests``  everything asked so far, as :class:`Request`; ``server.chats`` the completions
``server.most``      the most completions that were under way at once

What it is like from beginning to end:

``models``       names that it lists, the first is the one that a client takes (``test-model``)
``strict``       refuses a model that is not among them with 404; else it takes any name
``pages``        whether it has ``/models/NAME``
``may_look``     whether the key is good for listing models, too, and not for completions alone
``key``          the only key that it takes; None for any or none
``schema``       ``"yes"``: keeps to a schema; ``"no"``: refuses one with 400; ``"ignored"``: takes
                 one and answers in plain numbered text all the same
``banned``       a word; a request with it in a line to translate is refused (``banned_as``)
``banned_as``    ``"400"`` or ``"finish"``: how it says so
``delay``        seconds before each answer
``thinks``       puts ``<think>`` before each answer
``refuses``      what it says with status ``refuses_with`` to a system message; "" to take one
``streams``      ``"asked"``: sends a completion in parts if asked to; ``"always"``; ``"only"``:
                 refuses a request for one in a whole, saying ``streams_only``
``counts``       whether it takes ``stream_options``

What goes wrong for single completions is its ``script``: a sequence with one entry for each
completion in the order of arrival, or a function of (number from 1, body) that returns an entry.
An entry is "" or None for a good answer, or several of these words:

``429 [SECONDS]``    a full queue, with Retry-After when seconds are given; ``quota``: no credit
``500``, ``503 [SECONDS]``, ``400``, ``401``, ``403``, ``404`` and any other status
``hang SECONDS``     no answer for so long, then none at all
``drip SECONDS``     a blank every now and then for so long, then the answer
``drop``             the connection ends without an answer; ``reset``: the same, rudely
``drop-body``        it ends in the middle of the body; ``stale``: after the answer, unannounced
``html``, ``garbage``, ``stream``   a page, random bytes, events, each with status 200
``tell-key CODE``    an error that repeats the key
``error-200 CODE``   an error object with status 200
``cut``              half of the text, finish_reason ``length``
``filter``, ``filter-400``, ``refusal``   the content filter, in each of its three ways
``prose``, ``blank``, ``fences``, ``chatty``, ``plain-object``   what is said, or how
``copy``, ``french``, ``empty-line``, ``missing``, ``doubled``, ``invented``, ``shifted``   what
                     is wrong with the translations (with the first or the last line of them)
``lost-numbers``, ``lost-markup``, ``lost-terms``, ``long``   the same, with all of them
``split``            a line in the middle is answered in two halves, under its id and the next; all
                     after it stand one off, and the last is dropped
``merge``            two lines in the middle are answered in one; all after it stand one off, and
                     the last id is missing
``swap``             two neighbours in the middle have each other's translation
``split-begins``, ``merge-begins``, ``swap-begins``   the same by a model that lost count: what it
                     says of how the lines begin goes with the translations, not with the ids
``quotes``, ``loose``  JSON whose quotes are not escaped, or as Python and people write it
``renumber``, ``strings``, ``dotted``, ``table``, ``no-begins``   good translations in other shapes:
                     with ids from 1, as a list of texts, as ``3. text``, as a table, and without
                     the beginnings of the lines
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from openai_server import Answering, HangUpServer

Script = Sequence[str | None] | Callable[[int, dict], str | None]

SENTENCES = {
    "Good morning.": ("Buenos días.", "Bonjour.", "おはようございます。"),
    "Hello, how are you?": (
        "Hola, ¿cómo estás?",
        "Bonjour, comment vas-tu ?",
        "こんにちは、元気ですか？",
    ),
    "Thank you very much.": ("Muchas gracias.", "Merci beaucoup.", "どうもありがとうございます。"),
    "What is your name?": ("¿Cómo te llamas?", "Comment t'appelles-tu ?", "お名前は何ですか？"),
    "My name is Anna.": ("Me llamo Anna.", "Je m'appelle Anna.", "私の名前はAnnaです。"),
    "Where is the station?": ("¿Dónde está la estación?", "Où est la gare ?", "駅はどこですか？"),
    "I would like a cup of coffee.": (
        "Quisiera una taza de café.",
        "Je voudrais une tasse de café.",
        "コーヒーを一杯お願いします。",
    ),
    "How much does it cost?": ("¿Cuánto cuesta?", "Combien ça coûte ?", "いくらですか？"),
    "It is raining today.": (
        "Hoy está lloviendo.",
        "Il pleut aujourd'hui.",
        "今日は雨が降っています。",
    ),
    "See you tomorrow.": ("Hasta mañana.", "À demain.", "また明日。"),
    "I do not understand.": ("No entiendo.", "Je ne comprends pas.", "分かりません。"),
    "Can you help me, please?": (
        "¿Puedes ayudarme, por favor?",
        "Peux-tu m'aider, s'il te plaît ?",
        "手伝ってもらえますか？",
    ),
    "We have been waiting for two hours.": (
        "Llevamos dos horas esperando.",
        "Nous attendons depuis deux heures.",
        "私たちは二時間も待っています。",
    ),
    "The children are playing in the garden.": (
        "Los niños están jugando en el jardín.",
        "Les enfants jouent dans le jardin.",
        "子どもたちは庭で遊んでいます。",
    ),
    "He bought a new car last week.": (
        "Compró un coche nuevo la semana pasada.",
        "Il a acheté une nouvelle voiture la semaine dernière.",
        "彼は先週新しい車を買いました。",
    ),
    "She has never been to Paris.": (
        "Ella nunca ha estado en París.",
        "Elle n'est jamais allée à Paris.",
        "彼女はパリに行ったことがありません。",
    ),
    "I love you.": ("Te quiero.", "Je t'aime.", "愛しています。"),
    "Be careful!": ("¡Ten cuidado!", "Fais attention !", "気をつけて！"),
}
"""Everyday English in Spanish, French and Japanese."""

ORDER = ("es", "fr", "ja")

# A short answer, or who, what and when; each part goes with each other.
PHRASES = {
    "es": (
        "Claro que sí|Por supuesto|Desde luego|Ya veremos|No lo sé|Qué lástima|Está bien|Muy bien|"
        "De acuerdo|Qué alegría|Ni hablar|Todavía no|Ahora mismo|Por favor|Enseguida|Tal vez",
        "Mi hermana|El vecino|La profesora|Nuestro amigo|El médico|La señora|Su padre|La gente|"
        "El niño|La abuela|Aquel hombre|Esta mujer|El cartero|La reina|Mi primo|El capitán",
        "compra pan|lee el periódico|escribe una carta|mira la calle|abre la ventana|"
        "canta una canción|busca las llaves|cuenta una historia|prepara la cena|cierra la puerta|"
        "espera el tren|limpia la mesa|pinta la casa|llama al perro|lava los platos|"
        "recoge las flores",
        "por la mañana|todos los días|en la plaza|con mucho cuidado|antes de salir|"
        "sin decir nada|desde el domingo|cerca del río|para los demás|otra vez|"
        "cuando hace frío|después de comer|con su familia|en silencio|como siempre|de madrugada",
    ),
    "fr": (
        "Bien sûr|Tout à fait|Pas encore|Je ne sais pas|Quel dommage|Très bien|D'accord|"
        "Peut-être|Tout de suite|S'il vous plaît|Pas question|Quelle joie|On verra|C'est vrai|"
        "Jamais de la vie|Avec plaisir",
        "Ma sœur|Le voisin|La maîtresse|Notre ami|Le médecin|La dame|Son père|Cette femme|"
        "L'enfant|La grand-mère|Cet homme|Le facteur|La reine|Mon cousin|Le capitaine|Quelqu'un",
        "achète du pain|lit le journal|écrit une lettre|regarde la rue|ouvre la fenêtre|"
        "chante une chanson|cherche les clés|raconte une histoire|prépare le dîner|"
        "ferme la porte|attend le train|nettoie la table|peint la maison|appelle le chien|"
        "lave les assiettes|cueille des fleurs",
        "le matin|tous les jours|sur la place|avec beaucoup de soin|avant de partir|"
        "sans rien dire|depuis dimanche|près de la rivière|pour les autres|encore une fois|"
        "quand il fait froid|après le repas|avec sa famille|en silence|comme toujours|à l'aube",
    ),
    "de": (
        "Aber natürlich|Selbstverständlich|Noch nicht|Ich weiß nicht|Wie schade|Sehr gut|"
        "Einverstanden|Vielleicht|Sofort|Bitte sehr|Auf keinen Fall|Welche Freude|Mal sehen|"
        "Das stimmt|Niemals|Sehr gerne",
        "Meine Schwester|Der Nachbar|Die Lehrerin|Unser Freund|Der Arzt|Die Dame|Sein Vater|"
        "Diese Frau|Das Kind|Die Großmutter|Jener Mann|Der Briefträger|Die Königin|Mein Vetter|"
        "Der Kapitän|Jemand",
        "kauft das Brot|liest die Zeitung|schreibt einen Brief|schaut auf die Straße|"
        "öffnet das Fenster|singt ein Lied|sucht die Schlüssel|erzählt eine Geschichte|"
        "kocht das Essen|schließt die Tür|wartet auf den Zug|putzt den Tisch|streicht das Haus|"
        "ruft den Hund|wäscht die Teller|pflückt die Blumen",
        "am Morgen|jeden Tag|auf dem Platz|mit großer Sorgfalt|vor der Abreise|ohne ein Wort|"
        "seit dem Sonntag|nahe am Fluss|für die anderen|noch einmal|wenn es kalt ist|"
        "nach dem Essen|mit der Familie|in aller Stille|wie immer|in der Dämmerung",
    ),
    "ja": (
        "もちろんです|そうですね|まだです|分かりません|残念です|いいですよ|たぶんね|すぐです|"
        "お願いします|嫌ですよ|嬉しいな|どうかな|本当です|大丈夫|なるほど|喜んで",
        "妹は|隣の人は|先生は|友達は|お医者さんは|奥さんは|お父さんは|あの女の人は|"
        "子どもは|おばあさんは|あの男の人は|郵便屋さんは|女王は|いとこは|船長は|誰かは",
        "朝早く|毎日|広場で|とても丁寧に|出かける前に|何も言わずに|日曜日から|川の近くで|"
        "みんなのために|もう一度|寒いときに|食事のあとで|家族と|静かに|いつものように|夜明けに",
        "パンを買います|新聞を読みます|手紙を書きます|道を見ます|窓を開けます|歌を歌います|"
        "鍵を探します|話をします|夕食を作ります|ドアを閉めます|電車を待ちます|机を拭きます|"
        "家を塗ります|犬を呼びます|皿を洗います|花を摘みます",
    ),
}
KEPT = re.compile(r"\{[^{}]*\}|%\(\w+\)s|%[sd]|https?://\S+|\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: dict[str, str]
    """Their names in lower case."""
    body: dict
    at: float
    """By the monotonic clock."""
    fault: str
    """What it was answered with, by the script."""

    @property
    def lines(self) -> dict[str, str]:
        """The lines to translate, by id."""
        return {line["id"]: line["text"] for line in _asked(self.body)["lines"]}

    @property
    def form(self) -> str:
        return "schema" if "response_format" in self.body else "numbered"

    @property
    def system(self) -> str:
        return self.body["messages"][0]["content"]

    @property
    def user(self) -> str:
        return self.body["messages"][-1]["content"]


@dataclass
class LLMServer:
    """See the module."""

    script: Script = ()
    models: Sequence[str] = ("test-model",)
    strict: bool = False
    pages: bool = True
    may_look: bool = True
    key: str | None = None
    schema: str = "yes"
    banned: str = ""
    banned_as: str = "400"
    delay: float = 0.0
    thinks: bool = False
    refuses: str = ""
    refuses_with: int = 400
    streams: str = "asked"
    streams_only: str = "This model only support stream mode, please enable the stream parameter"
    counts: bool = True
    requests: list[Request] = field(default_factory=list)
    most: int = 0
    errors: list[BaseException] = field(default_factory=list)
    """Faults of this server itself; there are none at the end of a ``with``."""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self._under_way = 0
        self._said: dict[tuple[str, str, int], str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    @property
    def env(self) -> dict[str, str]:
        """For a command that is to use it."""
        return {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": self.key or "a-key-for-tests"}

    @property
    def chats(self) -> list[Request]:
        return [one for one in self.requests if one.path.endswith("/chat/completions")]

    def __enter__(self) -> LLMServer:
        server = self

        class Http(HangUpServer):
            block_on_close = False

            def failed(self, error: BaseException) -> None:
                server.errors.append(error)

        class Handler(_Handler):
            llm, stopped = server, server.stopped

        self._http = Http(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        assert not self.errors, self.errors

    @contextlib.contextmanager
    def begun(self, path: str, headers: dict[str, str], body: dict):
        """One request from its arrival to its end; gives its fault."""
        chat = path.endswith("/chat/completions")
        with self.lock:
            number = len(self.chats) + 1
            fault = ""
            if chat and callable(self.script):
                fault = self.script(number, body) or ""
            elif chat and number <= len(self.script):
                fault = self.script[number - 1] or ""
            self.requests.append(Request(path, headers, body, time.monotonic(), fault))
            self._under_way += chat
            self.most = max(self.most, self._under_way)
        try:
            yield fault
        finally:
            with self.lock:
                self._under_way -= chat

    # ------------------------------------------------------------ translating

    def translated(self, line: dict, target: str, glossary: dict[str, str]) -> str:
        """A line in another language; its tags stay where they are."""
        text = line["text"]
        target = target.split("-")[0].lower()
        if text in SENTENCES and target in ORDER:
            return SENTENCES[text][ORDER.index(target)]
        parts = re.split(r"(</?[ibu]>)", text)
        words = len(re.sub(r"</?[ibu]>", "", text)) or 1
        limit = line.get("max_chars") or 0
        for share in (1.0, 0.8, 0.6, 0.4, 0.2):
            room = share * (limit or round(1.2 * words) + 4) / words
            said = "".join(
                part
                if not re.search(r"\w", part) or re.fullmatch(r"</?[ibu]>", part)
                else self._invented(part, target, round(room * len(part)), glossary)
                for part in parts
            )
            if not limit or len(said) <= limit:
                break
        return said

    def _invented(self, text: str, target: str, limit: int, glossary: dict[str, str]) -> str:
        with self.lock:
            known = (text, target, limit)
            if known in self._said:
                return self._said[known]
            used = {said for (other, *_), said in self._said.items() if other != text}
            seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
            for step in range(300):
                said = _sentence(text, target, limit, glossary, seed + step * 7919)
                if said not in used:
                    break
            self._said[known] = said
            return said


def _sentence(text: str, target: str, limit: float, glossary: dict[str, str], seed: int) -> str:
    short, *parts = [part.split("|") for part in PHRASES.get(target, PHRASES["es"])]
    japanese = target == "ja"
    pick = random.Random(seed)
    terms = [use for term, use in glossary.items() if term.lower() in text.lower()]
    kept = [*terms, *KEPT.findall(text)]
    room = limit - sum(len(one) + 1 for one in kept) - 1
    who, what, when = (pick.choice(part) for part in parts)
    gap = "" if japanese else " "
    candidates = [gap.join((who, what, when)), gap.join((who, when if japanese else what))]
    fitting = [one for one in short if len(one) <= room] or sorted(short, key=len)[:6]
    said = next((one for one in candidates if len(one) <= room), pick.choice(fitting))
    while len(said) < 0.6 * min(room, len(text)) and not japanese:
        more = [pick.choice(part) for part in parts]
        said += {"fr": " et ", "de": " und "}.get(target, " y ") + _small(gap.join(more))
    said = (said + " " + " ".join(kept)).strip()
    lead = text[: len(text) - len(text.lstrip())]
    tail = text[len(text.rstrip()) :]
    stop = next((mark for mark in "?!." if text.rstrip().endswith(mark)), "")
    if japanese:
        said += {"?": "か？", "!": "！", ".": "。"}.get(stop, "")
    elif target == "es" and stop in ("?", "!"):
        said = {"?": "¿", "!": "¡"}[stop] + said + stop
    else:
        said += stop
    return lead + said + tail


def _small(text: str) -> str:
    return text[0].lower() + text[1:]


Said = tuple[str, str]
"""How a line begins, and its translation."""


def begins(text: str) -> str:
    """How a line begins, as a model is to say it."""
    return " ".join(text.split()[:3]) if " " in text else text[:5]


def _halves(text: str) -> tuple[str, str]:
    gap = " " if " " in text else ""
    parts = text.split() if gap else list(text)
    middle = len(parts) // 2
    return gap.join(parts[:middle]), gap.join(parts[middle:])


def split(said: list[Said], k: int, line: str) -> list[Said]:
    """``k`` in two, of which the second says how the second half of the line begins."""
    first, second = _halves(said[k][1])
    more = (begins(_halves(line)[1]), second)
    return [*said[:k], (said[k][0], first), more, *said[k + 1 : -1]]


def merge(said: list[Said], k: int) -> list[Said]:
    """``k`` and the next in one."""
    (begin, text), (_, more) = said[k : k + 2]
    return [*said[:k], (begin, f"{text} {more}"), *said[k + 2 :]]


def swap(said: list[Said], k: int) -> list[Said]:
    """``k`` and the next, the other way round."""
    return [*said[:k], said[k + 1], said[k], *said[k + 2 :]]


def miscounted(said: list[Said], lines: Sequence[str], fault: str) -> list[Said]:
    """As by a model that lost count in the middle of them; short requests stay good."""
    k = (len(said) - 1) // 2
    how, _, whole = fault.partition("-")
    if len(said) < 4:
        return said
    if how == "split":
        wrong = split(said, k, lines[k])
    else:
        wrong = merge(said, k) if how == "merge" else swap(said, k)
    if whole:
        return wrong
    return [(begin, text) for (begin, _), (_, text) in zip(said, wrong, strict=False)]


def _asked(body: dict) -> dict:
    """The lines and the glossary of a prompt, in either form."""
    user = body["messages"][-1]["content"]
    with contextlib.suppress(ValueError):
        asked = json.loads(user[user.find("\n\n{") + 2 :] if "\n\n{" in user else user)
        return {"glossary": {}, **asked}
    part = dict(
        block.split(":\n", 1) for block in user.split("\n\n") if ":\n" in block
    )  # name: its lines
    bracketed = {
        name: dict(re.findall(r"^\[([^\]]+)\] (.*)$", text, re.M)) for name, text in part.items()
    }
    limits = bracketed.get("Limits", {})
    return {
        "glossary": _glossary(part),
        "lines": [
            {"id": name, "text": text, "max_chars": int(limits.get(name, "0").split()[0])}
            for name, text in bracketed.get("Lines", {}).items()
        ],
    }


def _glossary(part: dict[str, str]) -> dict[str, str]:
    return dict(
        line.split(" = ", 1) for line in part.get("Glossary", "").splitlines() if " = " in line
    )


def _quoted(item: dict) -> str:
    """An item without its braces, whose text is a quotation that nobody has escaped."""
    return f'"id": "{item["id"]}", "begins": "{item["begins"]}", "text": ""{item["text"]}""'


def _events(content: str, ending: str, counts: dict | None) -> bytes:
    """A completion in parts, as server-sent events."""
    pieces = [content[at : at + 7] for at in range(0, len(content), 7)]
    parts: list[dict] = [{"delta": {"role": "assistant", "content": ""}}]
    parts += [{"delta": {"content": piece}} for piece in pieces]
    parts.append({"delta": {}, "finish_reason": ending})
    chunks = [{"model": "test-model", "choices": [{"index": 0, **part}]} for part in parts]
    chunks += [{"choices": [], "usage": counts}] if counts else []
    lines = [f"data: {json.dumps(chunk, ensure_ascii=False)}" for chunk in chunks]
    return "\r\n\r\n".join([": hello", *lines, "data: [DONE]", ""]).encode()


class _Handler(Answering):
    llm: LLMServer

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.llm.begun(self.path, headers, {}):
            models = [{"id": name, "object": "model"} for name in self.llm.models]
            page = self.path.partition("/models/")[2]
            if self._wrong_key():
                self.error(401, "Incorrect API key provided.", "invalid_api_key")
            elif not self.llm.may_look:
                self.error(403, "Missing scopes: api.model.read", "missing_scope")
            elif self.path == "/v1/models":
                self.send(200, {"object": "list", "data": models})
            elif self.llm.pages and page in self.llm.models:
                self.send(200, {"id": page, "object": "model"})
            elif self.llm.pages and page:
                self.error(404, f"The model '{page}' does not exist", "model_not_found")
            else:
                self.send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.llm.begun(self.path, headers, body) as fault:
            self.llm.stopped.wait(self.llm.delay)
            if self._wrong_key():
                self.error(401, f"Incorrect API key provided: {self.key}.", "invalid_api_key")
            elif self.path != "/v1/chat/completions":
                self.send(404, {"detail": "Not Found"})
            elif self.llm.strict and body["model"] not in self.llm.models:
                self.error(404, f"The model `{body['model']}` does not exist", "model_not_found")
            elif "response_format" in body and self.llm.schema == "no":
                self.error(400, "response_format json_schema is not supported", "bad_request")
            elif self.llm.refuses and body["messages"][0]["role"] == "system":
                self.error(self.llm.refuses_with, self.llm.refuses, "bad_request")
            elif self.llm.streams == "only" and not body.get("stream"):
                self.error(400, self.llm.streams_only, "invalid_parameter_error")
            elif "stream_options" in body and not self.llm.counts:
                self.error(400, "Unrecognized request argument supplied: stream_options", "bad")
            else:
                self._chat(body, *(fault.split() or [""]))

    def _wrong_key(self) -> bool:
        return self.llm.key is not None and self.key != self.llm.key

    # ------------------------------------------------------------ answering

    def _chat(self, body: dict, fault: str, value: str = "") -> None:
        if self.misbehaves(fault, value):
            return
        if fault == "garbage":
            self.send(200, random.Random(1).randbytes(2000), "application/json")
        elif fault == "stream":
            self.send(200, b'data: {"rub\n\ndata: bish\n\n: ping\n\n', "text/event-stream")
        else:
            self._answer(body, fault, float(value or 0))

    def _answer(self, body: dict, fault: str, seconds: float) -> None:
        content, ending, refusal = "yes", "stop", None
        if "max_tokens" not in body:  # not the probe
            asked = _asked(body)
            banned = self.llm.banned.lower()
            if banned and any(banned in line["text"].lower() for line in asked["lines"]):
                if self.llm.banned_as == "400":
                    self.error(400, "Invalid prompt: flagged by usage policy", "invalid_prompt")
                    return
                fault = "filter"
            content = self._content(body, asked, fault)
        if fault == "filter":
            content, ending = "", "content_filter"
        elif fault == "refusal":
            content, refusal = None, "I'm sorry, I can't help with that."
        elif fault == "blank":
            content = ""
        elif fault == "cut":
            content, ending = content[: len(content) // 2], "length"
        if self.llm.thinks and content:
            content = '<think>\nThe user wants {"lines": []}. [1] Hm.\n</think>\n\n' + content
        prompt = sum(len(message["content"]) for message in body["messages"])
        said = len(content or "")
        answer = {
            "id": "chatcmpl-test",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "finish_reason": ending,
                    "message": {"role": "assistant", "content": content, "refusal": refusal},
                }
            ],
            "usage": {
                "prompt_tokens": prompt // 4,
                "completion_tokens": said // 4,
                "total_tokens": prompt // 4 + said // 4,
            },
        }
        data = json.dumps(answer).encode()
        if self.llm.streams == "always" or body.get("stream"):
            options = body.get("stream_options") or {}
            counts = answer["usage"] if options.get("include_usage") else None
            self.send(200, _events(content, ending, counts), "text/event-stream")
        elif fault == "drop-body":
            self.head(200, len(data), "application/json", {})
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
        elif fault == "drip":
            blanks = max(1, round(seconds / 0.05))
            self.head(200, len(data) + blanks, "application/json", {})
            for _ in range(blanks):
                self.wfile.write(b" ")
                self.wfile.flush()
                self.llm.stopped.wait(0.05)
            self.wfile.write(data)
        else:
            self.send(200, data, "application/json")
            self.close_connection = fault == "stale"

    def _content(self, body: dict, asked: dict, fault: str) -> str:
        """What the model says."""
        tags = re.search(r"from .+? \(([\w-]+)\) to .+? \(([\w-]+)\)", str(body["messages"][0]))
        target = "fr" if fault == "french" else tags[2]
        lines = asked["lines"]
        glossary = {} if fault == "lost-terms" else asked["glossary"]
        texts = [self.llm.translated(line, target, glossary) for line in lines]
        ids = [line["id"] for line in lines]
        if fault == "copy":
            texts = [line["text"] for line in lines]
        elif fault == "lost-numbers":
            texts = [re.sub(r"\d+", "", text) for text in texts]
        elif fault == "lost-markup":
            texts = [re.sub(r"</?[ibu]>", "", text) for text in texts]
        elif fault == "long":
            texts = [" ".join([text] * 4) for text in texts]
        elif fault == "empty-line":
            texts[0] = ""
        elif fault == "shifted":
            texts = [*texts[1:], texts[0]]
        said = [(begins(line["text"]), text) for line, text in zip(lines, texts, strict=True)]
        if re.match("(split|merge|swap)", fault):
            said = miscounted(said, [line["text"] for line in lines], fault)
        items = [
            {"id": name, "begins": begin, "text": text}
            for name, (begin, text) in zip(ids, said, strict=False)
        ]
        if fault == "missing":
            items.pop()
        elif fault == "doubled":
            items.append(items[0] | {"text": items[-1]["text"]})
        elif fault == "invented":
            items.append({"id": "no-such-id", "begins": "Nothing", "text": "Aquí no hay nada."})
        elif fault == "renumber":
            items = [item | {"id": str(number)} for number, item in enumerate(items, 1)]
        elif fault == "no-begins":
            items = [{"id": item["id"], "text": item["text"]} for item in items]
        summary = f"{len(lines)} lines were said, beginning with: {lines[0]['text']}"
        if fault == "prose":
            return "Here is what I think of your lovely video: it is a joy to watch, all of it."
        said = self._shaped(items, summary, fault, "response_format" in body)
        if fault == "fences":
            return f"```json\n{said}\n```"
        if fault == "chatty":
            return f"Sure! Here is the translation:\n\n{said}\n\nI hope that helps {{you}}!"
        return said

    def _shaped(self, items: list[dict], summary: str, fault: str, schema: bool) -> str:
        """The translations in the form that was asked for, or in one of those that were not."""
        pairs = [(item["id"], item["text"]) for item in items]
        if fault == "strings" and schema:
            return json.dumps({"lines": [text for _, text in pairs], "summary": summary})
        if fault == "strings":
            return json.dumps([text for _, text in pairs])
        if fault == "dotted":
            return "\n".join(f"{name}. {text}" for name, text in [*pairs, ("Summary", summary)])
        if fault == "table":
            rows = [("id", "translation"), ("---", "---"), *pairs]
            table = "\n".join(f"| {name} | {text} |" for name, text in rows)
            return f"{table}\n\n[summary] {summary}"
        if schema and self.llm.schema == "yes":
            value = {"lines": items, "summary": summary}
            if fault == "plain-object":
                value = dict(pairs)
            if fault == "quotes":
                return '{"lines": [{' + "}, {".join(_quoted(item) for item in items) + "}]}"
            if fault == "loose":
                return f"```\n{value!r},\n// done\n```"
            return json.dumps(value, ensure_ascii=False, indent=1 if fault else None)
        return "\n".join(f"[{name}] {text}" for name, text in [*pairs, ("summary", summary)])
