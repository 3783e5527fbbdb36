"""A translator in one file: a translation memory, without network or model.

    dubkit talk.en.srt --to es --translator ./one_file_plugin.py:Memory -o Memory.file=memory.csv

``memory.csv`` is in UTF-8, with a column for each language and a row for each sentence:

    en,es,pt-BR
    Good morning.,Buenos días.,Bom dia.
    Where is the station?,¿Dónde está la estación?,

Lines that are not in it are left out: dubkit keeps them in their own language and lists them.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit import InputError, TranslationReply, TranslationRequest, Translator


@dataclass(frozen=True)
class Memory(Translator):
    """Translates only the sentences that people have translated before."""

    contract = 2

    file: Path = Path()
    """The translation memory, a csv file."""
    ignore_case: bool = False
    """Whether ``good morning`` matches ``Good morning``."""

    batch = 200

    def check(self) -> Sequence[str]:
        """One sentence for each thing that is missing, with what to type."""
        if self.file.is_file():
            return []
        return [f"there is no file {self.file}: name one with -o Memory.file=memory.csv"]

    def supports(self, source: str | None, target: str) -> bool:
        """Any direction between two columns."""
        columns = list(self._rows()[0]) if self._rows() else []
        return target in columns and (source is None or source in columns)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Look each line up."""
        known = {
            self._key(row[request.source]): row[request.target].strip()
            for row in self._rows()
            if row.get(request.source) and (row.get(request.target) or "").strip()
        }
        texts = {
            line.id: known[self._key(line.text)]
            for line in request.lines
            if self._key(line.text) in known
        }
        return TranslationReply(texts, fault="it is not in the translation memory")

    def _key(self, text: str) -> str:
        text = " ".join(text.split())
        return text.casefold() if self.ignore_case else text

    def _rows(self) -> list[dict[str, str]]:
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                f"{self.file} cannot be read: {error}", "it must be a csv file in UTF-8"
            ) from error
