"""A translator in one file: a translation memory, with no network and no model.

    dubkit talk.en.srt --to es --translator ./one_file_plugin.py:Memory -o Memory.file=memory.csv

``memory.csv`` has a column for each language and a line for each sentence, in UTF-8:

    en,es,pt-BR
    Good morning.,Buenos días.,Bom dia.
    Where is the station?,¿Dónde está la estación?,

What is not in it is left out: dubkit keeps such lines in their own language and says which.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dubkit import InputError, TranslationReply, TranslationRequest, Translator


@dataclass(frozen=True)
class Memory(Translator):
    """Translates the sentences that people have translated before, and no others."""

    contract = 2

    file: Path = Path()
    """The memory."""
    ignore_case: bool = False

    batch = 200

    def check(self) -> Sequence[str]:
        """A sentence for each thing that is missing, with what to type."""
        if self.file.is_file():
            return []
        return [f"there is no file {self.file}: name one with -o Memory.file=memory.csv"]

    def supports(self, source: str | None, target: str) -> bool:
        """Every direction between two columns."""
        columns = list(self._rows()[0]) if self._rows() else []
        return target in columns and (source is None or source in columns)

    def translate(self, request: TranslationRequest) -> TranslationReply:
        """Look each line up."""
        known = {
            self._folded(row[request.source]): row[request.target].strip()
            for row in self._rows()
            if row.get(request.source) and (row.get(request.target) or "").strip()
        }
        texts = {
            line.id: known[self._folded(line.text)]
            for line in request.lines
            if self._folded(line.text) in known
        }
        return TranslationReply(texts, fault="the memory does not have it")

    def _folded(self, text: str) -> str:
        text = " ".join(text.split())
        return text.casefold() if self.ignore_case else text

    def _rows(self) -> list[dict[str, str]]:
        try:
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as fault:
            raise InputError(
                f"{self.file} cannot be read: {fault}", "it is a csv file in UTF-8"
            ) from fault
