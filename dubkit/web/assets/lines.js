// The lines of a dub in the table of cues: how each was fitted, its clip to play alone, and other
// takes of it to compare and choose.

import { ask, base, h, language, t } from "./dom.js";
import { title } from "./speakers.js";

/** The part of the editor; `film` is stopped when a clip plays, `made(id)` is called with the job
 * that makes the dub with another take. */
export function dubLines(film, made, error) {
  const sound = new Audio();
  let video = null;
  let lines = []; // {..., of: language}
  let voices = []; // that may speak the language at hand
  let places = new Map(); // by row, the lines that begin there
  let pressed = null; // the button of the clip that plays

  sound.addEventListener("ended", stop);
  film.addEventListener("play", stop);

  async function load(id, tags) {
    stop();
    video = id;
    const answers = await Promise.all(tags.map((tag) => ask(`videos/${id}/dub/${tag}`)));
    voices = answers.find((answer) => answer.lines.length)?.voices ?? [];
    lines = answers.flatMap((answer, index) => answer.lines.map((line) => ({ ...line, of: tags[index] })));
  }

  /** Find the row of each line: that of the cue which begins when it does. */
  function lay(cues) {
    places = new Map();
    for (const line of lines) {
      let row = cues.findLastIndex((cue) => cue.start <= line.slot[0] + 0.05);
      if (row < 0) row = 0;
      places.set(row, [...(places.get(row) ?? []), line]);
    }
  }

  /** Show the lines of a row. If they have not changed, they stay as they are, and the focus stays
   * where it is. */
  function fill(place, row) {
    const mine = places.get(row) ?? [];
    const wanted = JSON.stringify(mine);
    if (place.dataset.lines === wanted) return;
    const focused = place.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    place.dataset.lines = wanted;
    place.replaceChildren(...mine.map(show));
    if (!focused) return;
    const buttons = [...place.querySelectorAll("button")];
    const same = buttons.find((one) => one.getAttribute("aria-label") === focused);
    (same ?? buttons.at(-1))?.focus({ preventScroll: true });
  }

  function show(line) {
    const number = line.line;
    const facts = line.stretch === null
      ? [t("dub_silent")]
      : [`×${line.stretch.toFixed(2)}`, `${line.shift < 0 ? "−" : "+"}${Math.abs(line.shift).toFixed(2)} s`, line.voice && title(line.voice)].filter(Boolean);
    return h("div", { class: "dk-line", "data-line": number },
      h("span", { class: "dk-muted" }, t("dub_line", { number, language: language(line.of) }), " · ", facts.join(" · ")),
      line.before ? h("button", { type: "button", class: "dk-button dk-take dk-before", "aria-pressed": "false",
        "aria-label": t("dub_before_label", { number }), onclick: (event) => hear(event.currentTarget, line, "before") },
        `▶ ${t("dub_before")}`) : null,
      ...line.takes.map((take, index) => [
        h("button", { type: "button", class: "dk-button dk-take", "aria-pressed": "false",
          "aria-label": t("dub_hear", { take: index + 1, number }), onclick: (event) => hear(event.currentTarget, line, take) },
          `▶ ${t("take", { take: index + 1 })}${line.takes.length > 1 && take === line.take ? " ✓" : ""}`),
        take === line.take ? null : h("button", { type: "button", class: "dk-button dk-use",
          "aria-label": t("dub_use_label", { take: index + 1, number }), onclick: () => choose(line, take) }, t("dub_use")),
      ]),
      h("button", { type: "button", class: "dk-button dk-again", "aria-label": t("dub_again_label", { number }),
        onclick: () => choose(line, null) }, t("dub_again")),
      ...(line.warnings ?? []).map((one) => h("span", { class: "dk-violation dk-is-warning" }, one)));
  }

  function hear(button, line, take) {
    if (pressed === button) {
      stop();
      return;
    }
    stop();
    film.pause();
    pressed = button;
    button.setAttribute("aria-pressed", "true");
    sound.src = `${base}videos/${video}/dub/${line.of}/${line.line}/${take}.wav`;
    sound.play().catch(() => stop());
  }

  function stop() {
    sound.pause();
    pressed?.setAttribute("aria-pressed", "false");
    pressed = null;
  }

  async function choose(line, take) {
    stop();
    try {
      const answer = await ask(`videos/${video}/dub/${line.of}/take`, { method: "POST", body: { line: line.line, take } });
      error.show(null);
      made(answer.job);
    } catch (failure) {
      error.show(failure);
    }
  }

  /** Have the dub made with another voice for one person. */
  async function recast(speaker, voice) {
    const of = lines.find((line) => (line.speaker ?? "") === speaker)?.of;
    stop();
    try {
      const answer = await ask(`videos/${video}/dub/${of}/voice`, { method: "POST", body: { speaker, voice } });
      error.show(null);
      made(answer.job);
    } catch (failure) {
      error.show(failure);
    }
  }

  /** Play a line as it is in the dub; pressing the button again stops it. */
  const sample = (line) => hear(document.activeElement, line, line.take);

  return { load, lay, fill, stop, recast, sample, lines: () => lines, voices: () => voices };
}
