"""What of a cue is spoken, and by whom: labels, sounds, songs, several people in one cue.

Subtitles for the hard of hearing name who speaks (``MARY:``, ``[SPEAKER_00]:``, ``>>``, a dash)
and write what else there is to hear (``[DOOR SLAMS]``, ``(sighs)``, ``*footsteps*``, ``♪``).
Viewers see all of it, a synthesizer speaks none of it. The text of a cue keeps it; here it is taken
apart.

A doubtful case is text: what is taken for a label or a sound is not spoken. So ``Mary:`` is a label
only in a text that has others, since ``Remember:`` looks the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from dubkit.languages import primary
from dubkit.types import Cue, Track

from . import phrases
from .text import CLOSING_MARK, MARK, OPENING_MARK, SPACE, unwrap, width, without_marks

LONGEST_NAME = 40
"""Characters of a label."""
LABELED = 0.2
"""Share of cues with names before a colon from which these are taken for labels."""

_NOTES = "♪♫♬♩🎵🎶"
_DASH = re.compile(r"\s*[-–—‐]\s*(?![-–—‐>])")
_CHEVRONS = re.compile(r"\s*>{2,3}\s*")
_SPEAKER_CHANGE = re.compile(r"(?<=\S)\s+(?=>{2,3}\s?\S)|(?<=</v>)\s*(?=<v\.)")
_OPENING = re.compile(rf"(?:(?:{OPENING_MARK})\s*)+")
_CLOSING = re.compile(rf"(?:\s?{CLOSING_MARK}){{1,4}}$")
_OPEN, _CLOSE = rf"((?:(?:{OPENING_MARK})\s?){{0,3}})", rf"((?:\s?{CLOSING_MARK}){{0,3}})"
_COLORED = re.compile(r"<([cv]\.[^<>\s]+)>[^<>]*(?:</?[ibu]>[^<>]*)*</[cv]>\s*")
_VOICE_MARK = re.compile(r"<v\.([^<>\s]+)>")
_VOICE = re.compile(r"\s*<v\.([^<>\s]+)>((?:(?!</v>).)*)</v>\s*", re.DOTALL)
_MANNER = r"(?:\s?[\[(（][^\[\]()（）:]{1,40}[\])）])?"
_BRACKETED = re.compile(
    rf"{_OPEN}[\[(（【［]\s?([^\[\]()（）【】［］:：]{{1,{LONGEST_NAME}}}?)\s?[\])）】］]{_CLOSE}"
    rf"\s?[:：]{_CLOSE}\s*"
)
_NUMBERED = re.compile(
    rf"{_OPEN}[\[(]\s?(speaker[ _]?\d{{1,3}}|S\d{{1,2}})\s?[\])]{_CLOSE}{_CLOSE}\s*", re.IGNORECASE
)
_NAMED = re.compile(
    rf"{_OPEN}([^\W_][^:：\[\]()（）<>.!?…,;¿¡\"“”«»。！？，、\n]{{0,{LONGEST_NAME}}}?"
    rf"(?:\.[^:：\[\]()<>!?…,;\n]{{1,30}})?){_MANNER}{_CLOSE}\s?(?:：|:(?=\s|$|<)){_CLOSE}\s*"
)
_SOUND = (
    r"\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|【[^【】]*】|［[^［］]*］|〔[^〔〕]*〕"
    r"|\*(?!\s)[^*\n]{2,60}(?<!\s)\*"
)
_SOUND_BRACKETS = tuple("[(（【［〔*")
_MARKED = (
    rf"(?:(?P<open>(?:(?:{OPENING_MARK})\s?){{1,3}})(?P<marked>{_SOUND})"
    rf"(?P<close>(?:\s?{CLOSING_MARK}){{1,3}})|(?P<bare>{_SOUND}))"
)
_LEADING = re.compile(rf"{_MARKED}[\s:]*")
_TRAILING = re.compile(rf"\s*{_MARKED}\s*$")
_INSIDE = re.compile(r"\s?(?:\[[^\[\]]*\]|【[^【】]*】|［[^［］]*］)")
_ROUND = re.compile(r"\s?(?:\([^\W\d_][^()\n]{0,40}\)|（[^（）\n]{1,20}）)")
_BETWEEN = re.compile(rf"(?<=[.!?…。！？])\s*(?:{_SOUND})(?=\s*(?:[A-ZÀ-Þ¿¡]|\W|$))")
_PICTURES = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u2669-\u266f\ufe0f\u200d]+"
)
_ENDS = tuple(".!?…,;:\"”'’»。！？」-—")


_VOICED = {
    "en":
        "laugh laughs laughing laughter chuckle chuckles chuckling giggle giggles giggling "
        "snicker snickers sigh sighs sighing sob sobs sobbing weeps weeping cries crying whimpers "
        "whimpering sniff sniffs sniffles sniffling gasp gasps gasping panting groan groans "
        "groaning moans moaning grunt grunts grunting growls screams screaming yells yelling "
        "shouts shouting shrieks whispers whispering mutters muttering mumbles mumbling murmurs "
        "cough coughs coughing sneezes sneezing snores snoring yawns yawning hiccups burps gulps "
        "snorts scoffs whistles whistling hums humming exhales inhales",
    "es":
        "ríe ríen risa risas riendo riéndose carcajada carcajadas suspira suspiran suspiro "
        "suspirando solloza sollozando sollozos llora lloran llorando llanto jadea jadean "
        "jadeando jadeos gime gimen gimiendo gemido gruñe gruñen gruñido grita gritan gritando "
        "susurra susurran susurrando murmura murmurando tose tosen tosiendo estornuda bosteza "
        "ronca silba",
    "pt":
        "ri riem risos rindo gargalhada gargalhadas gargalha suspiram soluça soluçando soluços "
        "chora choram chorando choro ofega ofegante ofegando geme gemem gemendo gemidos grunhe "
        "gritam sussurra sussurram sussurrando murmuram tossindo espirra boceja ronca assobia",
    "fr":
        "rit rient rire rires riant ricane ricanement glousse soupir soupire soupirs soupirent "
        "soupirant sanglote sanglots sanglotant pleure pleurent pleurs pleurant halète halètement "
        "haletant gémit gémissement gémissements grogne grognement crie crient criant hurle "
        "hurlent chuchote chuchotant chuchotements murmure murmurant tousse tousses toux éternue "
        "bâille ronfle siffle renifle",
    "it":
        "ride ridono risata risate ridendo ridacchia sospira sospirano sospiro sospirando "
        "singhiozza singhiozzi singhiozzando piange piangono piangendo pianto ansima ansimano "
        "ansimando geme gemono gemito gemiti grugnisce grida gridano gridando urla urlano "
        "sussurra sussurrano sussurrando mormora tossisce starnutisce sbadiglia fischia",
    "de":
        "lacht lachen lachend gelächter kichert kichern seufzt seufzen seufzend schluchzt "
        "schluchzen schluchzend weint weinen weinend keucht keuchen keuchend stöhnt stöhnen "
        "stöhnend ächzt ächzen grunzt schreit schreien schreiend brüllt flüstert flüstern "
        "flüsternd murmelt murmeln hustet husten hustend niest gähnt schnarcht pfeift schnieft",
    "nl":
        "lach lachje gelach giechelt zucht zuchten zuchtend snikt snikken snikkend huilt huilen "
        "huilend hijgt hijgen hijgend kreunt kreunen kreunend gromt gilt schreeuwt schreeuwen "
        "fluistert fluisterend mompelt hoest hoesten niest gaapt snurkt fluit",
    "ru":
        "смех смеется смеётся смеются хихикает вздох вздыхает плачет плач рыдает стонет стон "
        "кричит крик шепчет шепотом шёпотом кашель кашляет чихает зевает храпит",
    "zh":
        "笑 笑声 大笑 轻笑 哭 哭泣 哭声 叹气 叹息 咳嗽 喘气 尖叫 呻吟",
    "ja":
        "笑 笑い 笑い声 ため息 泣き声 咳 悲鳴",
}  # fmt: skip
"""Sounds that people make between their words, as subtitles name them, by language."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a cue's text: a sound, or what one person speaks or sings."""

    text: str
    """On one line; ``<i>`` and the like only inside it."""
    lead: str = ""
    """What precedes it and is not text: a dash, a label, a bracket, a mark around the whole."""
    tail: str = ""
    label: str = ""
    """The part of ``lead`` that says who speaks, as it came."""
    speaker: str | None = None
    """Who that is, if it has a name."""
    is_speech: bool = True
    """False for a sound and a song."""
    joint: str = "\n"
    """What is between it and the passage before it in its cue: a line break or a space."""


def passages(text: str, language: str, names: Collection[str] = ()) -> list[Passage]:
    """The text of a cue in its passages.

    ``names`` are labels that would not be taken for such by themselves, see :func:`find_names`.
    """
    found: list[Passage] = []
    for turn in turns(text, names):
        for k, part in enumerate(_SPEAKER_CHANGE.split(unwrap("\n".join(turn), language))):
            first, *others = _passages_of_turn(part, names)
            found += [replace(first, joint=" ") if k else first, *others]
    return found


def turns(text: str, names: Collection[str] = ()) -> list[list[str]]:
    """The lines of a text, in groups of those that belong together: one person's, one sound's."""
    lines = [line for line in text.splitlines() if without_marks(line).strip()]
    plain = [without_marks(line) for line in lines]
    dashes = [bool(_DASH.match(line)) for line in plain]
    dialogue = len(lines) > 1 and all(dashes)
    groups: list[list[str]] = []
    for k, line in enumerate(lines):
        begins = (
            not groups
            or dialogue
            or bool(dashes[k] and _begins_sentence(plain[k][_DASH.match(plain[k]).end() :]))  # type: ignore[union-attr]
            or bool(_CHEVRONS.match(plain[k]))
            or plain[k].lstrip()[:1] in _NOTES
            or _ends_song(plain[k - 1])
            or _color(line) != _color(lines[k - 1])
            or _is_sound(plain[k])
            or _is_sound(plain[k - 1])
            or bool(_label(_without_dash(line), names))
        )
        if begins:
            groups.append([line])
        else:
            groups[-1].append(line)
    return groups


def _color(line: str) -> str | None:
    """The color or the voice of a whole line: British subtitles have a color for each person."""
    match = _COLORED.fullmatch(line.strip())
    return match[1] if match else None


def find_names(track: Track) -> set[str]:
    """The names, in lower case, that are labels in this text although they need not be in another.

    They are its speakers' and, if many cues have a name before a colon, those.
    """
    names = {cue.speaker.casefold() for cue in track.cues if cue.speaker}
    candidates: list[str] = []
    for cue in track.cues:
        if not re.search("[:：]", cue.text):
            continue
        for line in cue.text.splitlines():
            match = _NAMED.match(_without_dash(line))
            if match and not _is_strong(match, _without_dash(line)) and _is_name(match[2]):
                candidates.append(_name(match[2]).casefold())
    if len(candidates) < max(2, LABELED * len(track.cues)):
        return names
    text = " ".join(without_marks(cue.text) for cue in track.cues)
    return names | {one for one in set(candidates) if not re.search(rf"\b{re.escape(one)}\b", text)
                    or one.upper() == one}  # fmt: skip


def name_speakers(track: Track) -> Track:
    """The track with the speakers of the cues that a label names; a cue in which several speak has
    the first of them."""
    names = find_names(track)

    def named(cue: Cue) -> Cue:
        if cue.speaker or not cue.text:
            return cue
        first = next(
            (one for one in passages(cue.text, track.language_of(cue), names) if one.label), None
        )
        return replace(cue, speaker=first.speaker) if first and first.speaker else cue

    return replace(track, cues=tuple(map(named, track.cues)))


def rename_speakers(track: Track, names: Mapping[str, str]) -> Track:
    """The track with other names for its speakers, in labels, too."""
    changed = {one: name for one, name in names.items() if one != name}
    if not changed:
        return track
    known = find_names(track)

    def renamed(cue: Cue) -> Cue:
        text, begin = cue.text, 0
        for one in passages(cue.text, track.language_of(cue), known):
            place = text.find(one.label, begin) if one.label else -1
            if place < 0:
                continue
            label = one.label
            if one.speaker in changed:
                new = changed[one.speaker]
                new = new.replace(" ", SPACE) if label.startswith("<v.") else new
                written = rf"[\s{SPACE}]+".join(map(re.escape, one.speaker.split()))
                label = re.sub(written, new.replace("\\", r"\\"), label, count=1)
            text = text[:place] + label + text[place + len(one.label) :]
            begin = place + len(label)
        return replace(cue, text=text, speaker=changed.get(cue.speaker or "", cue.speaker))

    return replace(track, cues=tuple(map(renamed, track.cues)))


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one person speaks in a cue."""

    number: int
    """Of the cue, counted from 1."""
    place: int
    """Among the utterances of the cue, from 0."""
    cue: Cue
    """Its text, without anything that is not spoken, its speaker, and its share of the time."""


def utterances(track: Track) -> Iterator[Utterance]:
    """What is spoken in a track; each in a cue has a share of its time as long as its text."""
    names = find_names(track)
    for number, cue in enumerate(track.cues, 1):
        spoken: list[tuple[str | None, str]] = []
        for one in with_speakers(passages(cue.text, track.language_of(cue), names), cue):
            text = speakable(one.text, track.language_of(cue)) if one.is_speech else ""
            if text and spoken and one.joint != "\n" and not one.label:
                spoken[-1] = (spoken[-1][0], f"{spoken[-1][1]} {text}")
            elif text:
                spoken.append((one.speaker, text))
        total = sum(width(text) for _, text in spoken) or 1
        start = cue.start
        for place, (speaker, text) in enumerate(spoken):
            if len(spoken) == 1:
                yield Utterance(number, 0, replace(cue, text=text, speaker=speaker))
                continue
            end = start + (cue.end - cue.start) * width(text) / total
            part = replace(cue, start=start, end=end, text=text, speaker=speaker, words=())
            yield Utterance(number, place, part)
            start = end


def spoken_track(track: Track) -> Track:
    """The track with a cue for each utterance, without anything that is not spoken."""
    return replace(track, cues=tuple(one.cue for one in utterances(track)))


def without_sounds(track: Track) -> tuple[Track, list[Cue]]:
    """The track without the cues that only describe sounds (``[laughs]``), and those."""
    names = find_names(track)
    words: list[Cue] = []
    sounds: list[Cue] = []
    for cue in track.cues:
        parts = passages(cue.text, track.language_of(cue), names)
        described = parts and all(
            not one.is_speech and one.lead.endswith(_SOUND_BRACKETS) for one in parts
        )
        (sounds if described else words).append(cue)
    return replace(track, cues=tuple(words)), sounds


def with_speakers(found: Sequence[Passage], cue: Cue) -> list[Passage]:
    """The passages of a cue, each with its speaker as far as it is known: by its own label, else
    the cue's, unless that is another passage's."""
    labeled = {one.speaker for one in found if one.speaker}
    own: list[Passage] = []
    for one in found:
        speaker = one.speaker
        if not speaker and one.joint != "\n" and not one.label and own:
            speaker = own[-1].speaker
        elif not speaker and (cue.speaker not in labeled or not one.is_speech):
            speaker = cue.speaker
        elif speaker and len(labeled) == 1 and cue.speaker:
            speaker = cue.speaker  # the same, as the file names it elsewhere
        own.append(replace(one, speaker=speaker))
    return own


def speakable(text: str, language: str) -> str:
    """A text without what nobody speaks: sounds in it, pictures, stray marks around it."""
    plain = without_marks(text)
    rest = _PICTURES.sub(" ", _BETWEEN.sub(" ", _inside(plain, language, " ")))
    if not any(char.isalnum() for char in rest):
        return ""
    if rest == plain:
        return text
    return " ".join(re.sub(r"\s+([,.;!?…])", r"\1", rest).split())


def without_sdh(track: Track, *, labels: bool = False) -> Track:
    """The track without sounds, songs and labels (these stay with ``labels``); a cue of which
    nothing is left has no text."""
    names = find_names(track)

    def bare(cue: Cue) -> Cue:
        kept: list[str] = []
        parts = passages(cue.text, track.language_of(cue), names)
        if all(one.is_speech and not one.label for one in parts) and cue.text == _unheard(
            cue.text, track.language_of(cue)
        ):
            return cue
        before = ""
        for one in parts:
            text = _unheard(one.text, track.language_of(cue))
            lead = one.lead if labels else one.lead.replace(one.label, "", 1)
            lead = lead if labels else _VOICE_MARK.sub("", lead)
            lead = lead if one.joint == "\n" else before + lead
            before = ""
            if one.is_speech and any(char.isalnum() for char in without_marks(text)):
                tail = one.tail if labels else one.tail.replace("</v>", "")
                kept.append(f"{lead}{text}{tail}")
            elif not one.is_speech:  # its dash and label belong to what follows it
                before = lead[:-1]
        if len(kept) == 1 and len(parts) > 1:
            kept[0] = _DASH.sub("", kept[0], count=1) if _DASH.match(kept[0]) else kept[0]
        named = labels or not any(one.label for one in parts)
        return replace(cue, text="\n".join(kept), speaker=cue.speaker if named else None)

    return replace(track, cues=tuple(map(bare, track.cues)))


def _inside(text: str, language: str, stand_in: str) -> str:
    """The text with ``stand_in`` for the sounds in it: ``[100]`` and the brackets of ``list[int]``
    are spoken, and round brackets unless they name a sound that a person makes."""

    def silenced(match: re.Match[str]) -> str:
        before = text[: match.start()][-1:] if not match[0][0].isspace() else ""
        attached = before.isascii() and before.isalnum()
        return match[0] if attached or not _is_sound(match[0].strip()) else stand_in

    def voiced(match: re.Match[str]) -> str:
        return stand_in if _is_voiced(match[0].strip()[1:-1], language) else match[0]

    return _ROUND.sub(voiced, _INSIDE.sub(silenced, text))


def _is_voiced(text: str, language: str) -> bool:
    """Whether what stands in brackets is a sound of a person, in a few words: ``laughs softly``,
    ``she sighs``, ``ríe``, but not ``no laughing matter``."""
    words = without_marks(text).casefold().strip(" .!…").split()
    known = _VOICED.get(primary(language), "").split()
    return 0 < len(words) <= 3 and words[0] != "no" and not set(known).isdisjoint(words)


def _unheard(text: str, language: str) -> str:
    """The text without the sounds in it."""
    rest = _BETWEEN.sub("", _inside(text, language, ""))
    return text if rest == text else re.sub(r"[ \t]+", " ", rest).strip()


def with_labels(track: Track) -> Track:
    """The track with the name of its speaker before the text of each cue that has none."""
    names = find_names(track)

    def labeled(cue: Cue) -> Cue:
        colon = ": " if phrases.uses_spaces(track.language_of(cue)) else "："
        if "<v." in cue.text:
            text = _VOICE_MARK.sub(lambda m: f"{m[0]}{m[1].replace(SPACE, ' ')}{colon}", cue.text)
            return replace(cue, text=text)
        parts = passages(cue.text, track.language_of(cue), names)
        if not cue.speaker or any(one.label and one.speaker for one in parts):
            return cue
        if not any(one.is_speech for one in parts):
            return cue
        return replace(cue, text=f"{cue.speaker}{colon}{cue.text}")

    return replace(track, cues=tuple(map(labeled, track.cues)))


# ---------------------------------------------------------------- one person's turn


def _passages_of_turn(text: str, names: Collection[str]) -> Iterator[Passage]:
    lead = tail = label = ""
    speaker = None
    if voice := _VOICE.fullmatch(text):
        label = lead = f"<v.{voice[1]}>"
        speaker, text, tail = voice[1].replace(SPACE, " "), voice[2], "</v>"
    opening, closing = _OPENING.match(text), _CLOSING.search(text)
    if opening and closing and not MARK.search(text[opening.end() : closing.start()]):
        lead, tail = lead + opening[0], closing[0] + tail
        text = text[opening.end() : closing.start()]
    for prefix in (_DASH, _CHEVRONS):
        before = prefix.match(text)
        if before and before.end() < len(text):
            lead, text = lead + before[0], text[before.end() :]
    if song := _song(text):
        yield Passage(song[1], lead + song[0], song[2] + tail, is_speech=False)
        return
    if _CHEVRONS.search(lead):
        label += lead[_CHEVRONS.search(lead).start() :]  # type: ignore[union-attr]
    if found := _label(text, names):
        cut, name = found
        speaker = speaker or name
        label += text[:cut]
        lead, text = lead + text[:cut], text[cut:]
    joint = "\n"
    while sound := _sound(match := _LEADING.match(text)):
        assert match
        rest = text[match.end() :]
        if "*" in sound.lead and rest[:1].islower():
            break  # emphasis
        last = not rest
        yield replace(sound, lead=lead + sound.lead, tail=sound.tail + tail * last, label=label,
                      speaker=speaker, joint=joint)  # fmt: skip
        text, lead, label, joint = rest, "", "", " "
        if last:
            return
    after: list[Passage] = []
    while (match := _TRAILING.search(text)) and match.start() and (sound := _sound(match)):
        rest = text[: match.start()]
        if sound.lead[-1] not in "[【［" and not rest.rstrip().endswith(_ENDS):
            break
        after.insert(0, replace(sound, speaker=speaker, joint=" "))
        text = rest
    if after:
        after[-1] = replace(after[-1], tail=after[-1].tail + tail)
        tail = ""
    yield Passage(text.strip(), lead, tail, label, speaker, joint=joint)
    yield from after


def _sound(match: re.Match[str] | None) -> Passage | None:
    """The sound that ``_LEADING`` or ``_TRAILING`` has found, with the marks around it."""
    if not match or not _is_sound(sound := match["marked"] or match["bare"]):
        return None
    before, behind = match["open"] or "", match["close"] or ""
    if before.count("<") != behind.count("<"):
        return None
    return Passage(sound[1:-1].strip(), before + sound[0], sound[-1] + behind, is_speech=False)


def _song(text: str) -> tuple[str, str, str] | None:
    """Head, words and end of a song; None if it is none."""
    marks = _NOTES
    if re.match(r"\s*#\s.*\s#\s*$", text):
        marks = "#"
    head = re.match(rf"[{marks}\s]*", text)
    assert head
    rest = text[head.end() :]
    words = rest.rstrip(f"{marks} ")
    if not head[0].strip() and not rest[len(words) :].strip():
        return None
    if not words:
        return "", text, ""
    return head[0], words, rest[len(words) :]


def _ends_song(line: str) -> bool:
    return line.rstrip()[-1:] in _NOTES and bool(line.strip())


def _is_sound(text: str) -> bool:
    """Whether a text is a sound in brackets, and nothing else."""
    plain = _without_dash(without_marks(text)).strip()
    if not re.fullmatch(_SOUND, plain):
        return False
    inner = plain[1:-1].strip()
    letters = sum(char.isalpha() for char in inner)
    if letters == 0 or (letters == 1 and inner.isascii()):
        return False
    # A whole sentence in parentheses is an aside that somebody speaks.
    return not (plain[0] in "(（" and len(inner.split()) > 6 and inner[-1] in ".!?")


def _label(text: str, names: Collection[str]) -> tuple[int, str] | None:
    """The length of the label at the start of a text, and the name in it."""
    for pattern in (_BRACKETED, _NUMBERED):
        match = pattern.match(text)
        if match and any(map(str.isalpha, match[2])) and _is_balanced(match):
            return match.end(), " ".join(match[2].split())
    match = _NAMED.match(text)
    if not match or not _is_balanced(match) or not any(map(str.isalpha, match[2])):
        return None
    name = _name(match[2])
    if name.casefold() in names or _is_strong(match, text):
        return match.end(), name
    return None


def leading_label(text: str, names: Collection[str] = ()) -> str:
    """The label at the start of a text, with the space after it; empty if there is none."""
    bare = _without_dash(text)
    found = _label(bare, names)
    return text[: len(text) - len(bare) + found[0]] if found else ""


def _is_balanced(match: re.Match[str]) -> bool:
    """Whether the marks that open in a label close in it."""
    opened = match[1].count("<")
    return opened == sum(match[k].count("<") for k in (3, 4))


def _is_strong(match: re.Match[str], text: str) -> bool:
    """Whether a name before a colon is in capitals, and the text after it is not."""
    name = match[2]
    letters = [char for char in name if char.isalpha()]
    rest = without_marks(text[match.end() :])
    cased = [char for char in rest if char.isupper() or char.islower()]
    return (
        len(letters) > 1
        and all(char.isupper() for char in letters)
        and len(name.split()) <= 4
        and (not cased or any(char.islower() for char in cased) or len(cased) < 3)
    )


def _is_name(name: str) -> bool:
    """Whether a text before a colon can be a name: a few words, none of them in lower case."""
    words = name.split()
    return 0 < len(words) <= 3 and all(
        (word[0].isalpha() and not word[0].islower()) or word[0] in "#&" or word.isdigit()
        for word in words
    ) and any(map(str.isalpha, words[0]))  # fmt: skip


def _name(name: str) -> str:
    return " ".join(name.split())


def _without_dash(text: str) -> str:
    """The text without a dash or chevrons at its start."""
    return _CHEVRONS.sub("", _DASH.sub("", text, count=1) if _DASH.match(text) else text, count=1)


def _begins_sentence(text: str) -> bool:
    """Whether a text can be the start of what a person speaks."""
    first = text.lstrip()[:1]
    return bool(first) and (first in '[(（【¿¡"“«…♪' or (first.isalpha() and not first.islower()))
