// The list of cues: every edit is sent to the server, which answers with what it has changed and what
// the check finds there; undo is done by the server, too. See dubkit/web/editing.py for the edits.
//
// A row is a cue of one language, with the cues of another beside it. The cue at hand is open: it
// shows how long its lines are, what is wrong with it, and, if there is a dub, the lines that begin
// there. Rows are patched and not redrawn: see rows.js. Keys are in keys.js.

import { retranslation } from "./again.js";
import { before, pairUp, reading, toggled } from "./cues.js";
import { ask, clock, complaint, h, language, Lost, seconds, t } from "./dom.js";
import { commandOf, keyHelp } from "./keys.js";
import { dubLines } from "./lines.js";
import { stylePanel } from "./look.js";
import { problemPanel } from "./problems.js";
import { rowList } from "./rows.js";
import { search } from "./search.js";
import { colour, speakerPanel } from "./speakers.js";
import { timeline } from "./timeline.js";

const NUDGE = 0.1; // seconds
const FINE = 0.02;
const AGAIN = 2000; // milliseconds until an edit is sent once more to a server that did not answer
const NEW = 2; // seconds of a cue that is added

/** The part of the page; `player` plays and shows cues, `saved(id)` is called with a job. `strip` and
 * `problems` are parts of it that stand elsewhere; `count(number)` is called with that of problems. */
export function editor(player, saved) {
  const film = player.whole.querySelector("video");
  const error = complaint();
  const choice = (id, label, change) => h("select", { id, "aria-label": label, title: label, onchange: change });
  const tags = choice("dk-edit-language", t("edit_language"), () => load(tags.value, tags.value === beside ? tag : beside));
  const other = choice("dk-beside", t("beside"), () => load(tag, other.value));
  const button = (id, text, act, more = {}) => h("button", { type: "button", class: "dk-button", id, onclick: act, ...more }, text);
  const icon = (id, sign, label, act) =>
    h("button", { type: "button", class: "dk-icon", id, title: label, "aria-label": label, onclick: act }, sign);
  const undo = icon("dk-undo", "↶", t("undo"), () => commands.undo());
  const redo = icon("dk-redo", "↷", t("redo_edit"), () => commands.redo());
  const save = button("dk-save", t("save"), keep, { class: "dk-button dk-primary", title: t("save_title") });
  const box = (id, text, checked) => {
    const input = h("input", { type: "checkbox", id, checked });
    return [input, h("label", {}, input, text)];
  };
  const [loop, loopLabel] = box("dk-loop", t("loop"), false);
  const [follow, followLabel] = box("dk-follow", t("follow"), true);
  const find = search(() => cues().map((cue) => cue.text), hit, (what) => edit(tag, { edit: "replace", ...what }));
  const shifts = shifter();
  const problems = problemPanel(go, mend);
  const faultCount = h("span", { class: "dk-muted", id: "dk-fault-count" });
  const help = keyHelp();
  const notice = h("p", { class: "dk-muted", role: "status", id: "dk-said" });
  const people = h("datalist", { id: "dk-speakers" });
  const spoken = h("datalist", { id: "dk-languages" });
  const rows = h("ol", { class: "dk-cues", id: "dk-cues", "aria-label": t("edit") });
  const table = rowList(rows, make, fill);
  const filling = h("ol", { class: "dk-cues dk-filling", id: "dk-filling", hidden: true, "aria-label": t("live"), tabindex: "0" });
  const dub = dubLines(film, saved, error);
  const translated = retranslation({
    cues: (of) => states.get(of)?.cues ?? [],
    edit: (of, texts) => edit(of, { edit: "texts", texts }),
    said: (text) => (notice.textContent = text),
    failed: (failure) => error.show(failure),
    changed: () => table.show(cues().length),
  });
  const speakers = speakerPanel({
    rename: (speaker, name) => edit(tag, { edit: "rename", speaker, name }),
    hear: (start, end) => { dub.stop(); player.play(start, end, false); },
    sample: dub.sample,
    voice: dub.recast,
  });
  const look = stylePanel(
    () => (cues().length && !player.whole.hidden ? { video, language: beside || tag, number: shownCue() } : null),
    async (style) => {
      const to = beside || tag;
      const { job } = await ask("jobs", { method: "POST", body: { video,
        wishes: { ...wishes(), subs: true, dub: false, burn: true, video: true, style, to: to === all[0] ? [] : [to] } } });
      saved(job);
    });
  const strip = timeline(film, {
    selected: (number) => select(number - 1),
    moved: (number, edge, by) => edit(tag, { edit: "nudge", number, seconds: by, edge }),
    drawn: (start, end) => add(start, end),
  });
  const empty = h("p", { class: "dk-muted dk-empty", hidden: true }, t("no_cues"));
  const whole = h("section", { class: "dk-editor", hidden: true, "aria-label": t("edit") },
    h("div", { class: "dk-tools dk-head" }, tags, other, undo, redo,
      icon("dk-add", "+", t("add"), () => commands.insertHere()),
      icon("dk-search", "⌕", t("find"), () => find.open(true)),
      icon("dk-shift", "⇄", t("shift"), shifts.toggle),
      h("span", { class: "dk-jump" }, icon("dk-previous-problem", "‹", t("key_previousProblem"), () => commands.previousProblem()),
        faultCount, icon("dk-next-problem", "›", t("key_nextProblem"), () => commands.nextProblem())),
      save, icon("dk-help", "?", t("keys"), help.open)),
    find.whole, shifts.whole, notice, error.box, people, spoken, empty, rows, filling, help.whole);

  strip.tools.append(h("span", { class: "dk-ticks" }, loopLabel, followLabel));

  let video = null;
  let tag = "";
  let beside = ""; // the language at its side; "" for none
  let all = []; // languages, the spoken one first
  let states = new Map(); // by language, its cues and what the server said of them last
  let pairs = []; // by row, the numbers of the cues beside it
  let now = -1; // the row at the player's time
  let at = -1; // the row at hand
  let pressed = false; // whether the pointer is down: a row opens when it is up again
  let turn = Promise.resolve(); // edits are sent one after the other
  let unsent = 0; // edits

  film.addEventListener("timeupdate", mark);
  film.addEventListener("seeking", mark);
  document.addEventListener("keydown", shortcuts);
  rows.addEventListener("pointerdown", () => (pressed = true), true);
  for (const name of ["pointerup", "pointercancel"]) {
    window.addEventListener(name, () => pressed && requestAnimationFrame(() => { pressed = false; opened(); }), true);
  }
  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });

  const part = { whole, strip: strip.whole, problems: problems.whole, speakers: speakers.whole, look, show, go, goToTime, fillWith, count: () => {}, wishes: () => ({}) };
  const cues = () => states.get(tag)?.cues ?? [];
  const wishes = () => part.wishes();
  /** The number of the cue at hand in the language that a viewer would read. */
  const shownCue = () => (beside ? pairs[here()]?.[0] ?? 1 : here() + 1);
  const unsaved = () => unsent > 0 || [...states.values()].some((one) => one.changed) || [...rows.querySelectorAll("[name]")].some(dirty);

  async function show(id, languages) {
    const same = id === video;
    video = id;
    all = languages;
    filled(false);
    translated.show(id, languages[0] ?? "");
    if (!id || !languages.length) {
      whole.hidden = true;
      strip.show(null);
      return;
    }
    if (!same) {
      [beside, at] = [languages.length > 1 ? languages[1] : "", -1];
      notice.textContent = "";
    }
    const main = languages.includes(tag) && same ? tag : languages[0];
    await load(main, languages.includes(beside) && beside !== main ? beside : languages.find((one) => one !== main) ?? "");
    whole.hidden = false;
    strip.show(player.whole.hidden ? null : id);
    draw();
  }

  const filled = (yes) => {
    whole.classList.toggle("dk-is-filling", yes);
    [filling.hidden, rows.hidden] = [!yes, yes];
    if (yes) empty.hidden = true;
  };

  /** Show what is recognized so far of a film that has no cues yet; returns whether it does. */
  function fillWith(found) {
    if (all.length) return false;
    const atEnd = filling.scrollTop + filling.clientHeight > filling.scrollHeight - 40;
    filling.replaceChildren(...found.map((cue, index) => h("li", {},
      h("button", { type: "button", class: "dk-play", "aria-label": t("play_cue", { number: index + 1 }),
        onclick: () => player.play(cue.start, cue.end, false) }, `▶ ${index + 1}`),
      h("span", { class: "dk-muted" }, clock(cue.start)), h("span", { dir: "auto" }, cue.text))));
    filled(true);
    whole.hidden = false;
    if (atEnd) filling.scrollTop = filling.scrollHeight;
    return true;
  }

  /** Edit the cues of a language, with those of another beside them. */
  function load(main, side) {
    turn = turn.then(() => loaded(main, side));
    return turn;
  }

  async function loaded(main, side) {
    try {
      const known = [main, side].filter(Boolean);
      const answers = await Promise.all(known.map((one) => ask(`videos/${video}/cues/${one}`)));
      await dub.load(video, known);
      [tag, beside] = [main, side];
      states = new Map(known.map((one, index) => [one, answers[index]]));
      const option = (one) => h("option", { value: one }, language(one));
      tags.replaceChildren(...all.map(option));
      other.replaceChildren(h("option", { value: "" }, t("none")), ...all.filter((one) => one !== main).map(option));
      [tags.value, other.value] = [main, side];
      tags.hidden = other.hidden = all.length < 2;
      whole.classList.toggle("dk-pair", Boolean(side));
      error.show(null);
      draw();
    } catch (failure) {
      error.show(failure);
    }
  }

  /** Bring a cue into view, in a language or in the spoken one. */
  async function go(wanted, number) {
    if (!cues().length) return;
    const one = all.includes(wanted) ? wanted : all[0];
    if (one === beside) return goTo(one, number);
    if (one !== tag) await load(one, tag);
    goTo(one, number);
  }

  /** Bring a place in the film into view. */
  function goToTime(time) {
    player.seek(time);
    if (!whole.hidden) table.reveal(Math.max(before(cues(), time + 0.001), 0));
  }

  /** Send an edit of a language; then `then` is [row, cell] to be focused. */
  function edit(which, what, then) {
    const [of, cue] = [video, states.get(which)?.cues[what.number - 1]];
    unsent += 1;
    turn = turn.then(async () => {
      try {
        // Edits before it may have given the cue another number.
        const at = cue ? states.get(which)?.cues.indexOf(cue) ?? -1 : -1;
        const answer = await sent(of, which, at < 0 ? what : { ...what, number: at + 1 });
        unsent -= 1;
        if (of !== video) return; // another was opened meanwhile
        for (const [one, change] of Object.entries(answer.changes)) take(one, change);
        error.show(null);
        notice.textContent = answer.mended === undefined ? "" : t("mended", { count: answer.mended });
        draw();
        if (then) focus(...then);
      } catch (failure) {
        unsent -= 1;
        error.show(failure);
        if (of === video) await refused(which, what);
      }
    });
    return turn;
  }

  /** The answer to an edit; a server that does not answer is asked again until it does. */
  async function sent(of, which, what) {
    const since = Object.fromEntries([...states].map(([one, state]) => [one, state.version]));
    for (;;) {
      try {
        return await ask(`videos/${of}/cues/${which}`, { method: "POST", body: { version: since[which], since, ...what } });
      } catch (failure) {
        if (!(failure instanceof Lost)) throw failure;
        error.show(failure);
        await new Promise((done) => {
          setTimeout(done, AGAIN);
          window.addEventListener("online", done, { once: true });
        });
      }
    }
  }

  /** Take what has changed in a language: whole, or its cues from one on in place of some. */
  function take(one, change) {
    const { from, removed, cues: fresh, ...rest } = change;
    const list = states.get(one).cues;
    if (from === undefined) states.set(one, { ...rest, cues: fresh });
    else {
      const gone = list.splice(from, removed, ...fresh);
      states.set(one, { ...states.get(one), ...rest });
      player.changed(one, gone, fresh);
      return;
    }
    player.reload(one);
  }

  /** Show the present cues, which another window may have changed; a typed time or name is reverted,
   * but a typed text stays for another try if its cue is still the same. */
  async function refused(which, { edit: kind, number, text }) {
    const start = states.get(which).cues[number - 1]?.start;
    try {
      states.set(which, await ask(`videos/${video}/cues/${which}`));
    } catch {
      // the last known state stays
    }
    draw(true);
    if (kind !== "text" || states.get(which).cues[number - 1]?.start !== start) return;
    const cell = which === tag ? table.row(number - 1)?.querySelector("[name=text]")
      : rows.querySelector(`[name=other-${number}]`);
    if (cell) cell.value = text;
    marks();
  }

  /** Undo or redo the last edit, in whichever language it was made. */
  function again(what) {
    const stamp = what === "undo" ? (one) => one.last : (one) => -one.next;
    const [wanted] = [...states].filter(([, state]) => state[what]).sort(([, one], [, two]) => stamp(two) - stamp(one));
    if (wanted) edit(wanted[0], { edit: what });
  }

  async function keep() {
    commit(document.activeElement);
    save.disabled = true;
    await turn;
    try {
      const made = await ask(`videos/${video}/cues/${tag}/save?also=${beside}`, { method: "POST" });
      error.show(null);
      notice.textContent = made.job ? t("saved") : t("unchanged");
      for (const state of states.values()) state.changed = false;
      if (made.job) saved(made.job);
    } catch (failure) {
      error.show(failure);
    }
    marks();
    save.disabled = false;
  }

  function mend(rule) {
    edit(tag, { edit: "mend", rule });
    if (beside) edit(beside, { edit: "mend", rule });
  }

  // ------------------------------------------------------------ showing

  function draw(afresh = false) {
    const main = cues();
    at = Math.min(at, main.length - 1);
    pairs = pairUp(main, states.get(beside)?.cues ?? []);
    dub.lay(main);
    const names = [...new Set(main.map((cue) => cue.speaker).filter(Boolean))];
    people.replaceChildren(...names.map((name) => h("option", { value: name })));
    whole.classList.toggle("dk-who", names.length > 0);
    spoken.replaceChildren(...[...new Set([...all, ...main.map((cue) => cue.language).filter(Boolean)])].map((one) => h("option", { value: language(one) })));
    if (afresh) for (const cell of rows.querySelectorAll("[name]")) cell.stored = undefined;
    table.show(main.length);
    empty.hidden = main.length > 0;
    marks();
    const found = faults();
    problems.show(found, others());
    faultCount.textContent = t("problems", { count: found.length });
    part.count(found.length);
    find.count();
    now = -1;
    mark();
    speakers.show(main, dub.lines(), dub.voices());
    strip.put(main, at + 1, main.map((cue) => (cue.speaker ? colour(names.indexOf(cue.speaker)) : "")));
  }

  function marks() {
    undo.disabled = ![...states.values()].some((state) => state.undo);
    redo.disabled = ![...states.values()].some((state) => state.redo);
    save.classList.toggle("dk-changed", unsaved());
  }

  const everyCue = (found) => [...states].flatMap(([of, state]) => state.cues.flatMap((cue, index) =>
    found(cue).map((one) => ({ of, cue: index + 1, ...one }))));
  const faults = () => everyCue((cue) => cue.faults);
  /** Cues in another language than the others of their file. */
  const others = () => everyCue((cue) => cue.language
    ? [{ rule: "other-language", severity: "note", message: language(cue.language) }] : []);

  function goTo(of, cue) {
    const row = of === tag ? cue - 1 : pairs.findIndex((numbers) => numbers.includes(cue));
    focus(row, of === tag ? "text" : `other-${cue}`);
    seek(row);
  }

  /** The next problem after the row at hand, or the one before it. */
  function problem(step) {
    const list = cues();
    const bad = (index) => [...list[index].faults, ...(pairs[index] ?? []).flatMap((number) => states.get(beside).cues[number - 1].faults)].length;
    for (let one = 1; one <= list.length; one += 1) {
      const index = (((Math.max(at, 0) + step * one) % list.length) + list.length) % list.length;
      if (!bad(index)) continue;
      const side = pairs[index]?.find((number) => states.get(beside).cues[number - 1].faults.length);
      focus(index, list[index].faults.length ? "text" : `other-${side}`);
      seek(index);
      return;
    }
  }

  function make(index) {
    const cell = (element) => {
      element.addEventListener("change", () => commit(element));
      element.addEventListener("blur", () => commit(element)); // what was refused has not changed since
      element.addEventListener("input", () => { marks(); measured(index); });
      return element;
    };
    const act = (command, sign) => h("button", { type: "button", class: "dk-icon", name: command, title: t(`key_${command}`),
      onclick: () => run(command, index) }, sign);
    const input = (name, more) => cell(h("input", { type: "text", name, ...more }));
    return h("li", { onfocusin: (event) => entered(event, index), onkeydown: (event) => keys(event, index) },
      h("button", { type: "button", class: "dk-play", name: "play", onclick: () => play(index) }),
      h("div", { class: "dk-times" }, input("start", { class: "dk-clock", inputmode: "decimal" }),
        input("end", { class: "dk-clock", inputmode: "decimal" })),
      input("speaker", { list: "dk-speakers", placeholder: t("who"), autocomplete: "off", class: "dk-speaker" }),
      h("div", { class: "dk-text" }, cell(h("textarea", { name: "text", dir: "auto" })), h("div", { class: "dk-reading" }), h("div", { class: "dk-faults" }), h("div", { class: "dk-redo" })),
      h("div", { class: "dk-text dk-other" }),
      h("div", { class: "dk-more" },
        h("div", { class: "dk-acts" },
          act("earlier", "◂"), act("later", "▸"), act("setStart", "⟦"), act("setEnd", "⟧"),
          act("split", "✂"), act("splitHere", "✂▹"), act("merge", "⤵"), act("breakLines", "↵"), act("italic", "I"), act("bold", "B"),
          act("insert", "+"), act("remove", "✕"),
          input("language", { list: "dk-languages", autocomplete: "off", class: "dk-cue-language", title: t("cue_language") })),
        h("div", { class: "dk-lines" })));
  }

  function fill(row, index) {
    const cue = cues()[index];
    const number = index + 1;
    const cell = (name, value, label) => put(row.querySelector(`[name=${name}]`), value, `${label} ${number}`);
    const start = row.querySelector("[name=play]");
    start.textContent = `▶ ${number}`;
    start.setAttribute("aria-label", t("play_cue", { number }));
    for (const one of row.querySelectorAll(".dk-acts button")) one.setAttribute("aria-label", `${one.title} (${number})`);
    cell("start", clock(cue.start, 3), t("column_start"));
    cell("end", clock(cue.end, 3), t("column_end"));
    cell("speaker", cue.speaker ?? "", t("column_speaker"));
    const text = row.querySelector("[name=text]");
    text.lang = cue.language ?? tag;
    put(text, cue.text, [`${t("column_text")} ${number}`, cue.language && language(cue.language)].filter(Boolean).join(", "));
    cell("language", cue.language ? language(cue.language) : "", t("cue_language"));
    row.querySelector("[name=language]").placeholder = language(tag);
    row.classList.toggle("dk-bad", cue.faults.some((one) => one.severity === "error"));
    row.querySelector(".dk-faults").replaceChildren(...cue.faults.map(fault));
    offer(row.querySelector(".dk-redo"), tag, number);
    fillOther(row.querySelector(".dk-other"), pairs[index] ?? [], index);
    dub.fill(row.querySelector(".dk-lines"), index);
    row.classList.toggle("dk-now", index === now);
    row.classList.toggle("dk-open", index === at);
    measure(row, index);
  }

  function fillOther(place, numbers, index) {
    const wanted = numbers.map((number) => `other-${number}`).join();
    if (place.dataset.of !== wanted) {
      place.dataset.of = wanted;
      place.replaceChildren(...numbers.flatMap((number) => {
        const area = h("textarea", { name: `other-${number}`, dir: "auto" });
        area.addEventListener("change", () => commit(area));
        area.addEventListener("blur", () => commit(area));
        area.addEventListener("input", () => { marks(); measured(index); });
        return [area, h("div", { class: "dk-reading" }), h("div", { class: "dk-faults" }), h("div", { class: "dk-redo" })];
      }));
    }
    for (const number of numbers) {
      const area = place.querySelector(`[name=other-${number}]`);
      const cue = states.get(beside).cues[number - 1];
      area.lang = cue.language ?? beside;
      put(area, cue.text, `${t("column_text")} ${number}, ${language(area.lang)}`);
      const faults = area.nextSibling.nextSibling;
      faults.replaceChildren(...cue.faults.map(fault));
      offer(faults.nextSibling, beside, number);
    }
  }

  /** Offer to translate a cue once more; what is offered already stays, and the focus with it. */
  function offer(place, of, number) {
    const parts = translated.offer(of, number).filter(Boolean);
    const wanted = parts.map((part) => part.outerHTML).join("");
    if (place.offered === wanted) return;
    const focused = document.activeElement;
    const held = place.contains(focused) ? focused.name : null;
    place.offered = wanted;
    place.replaceChildren(...parts);
    if (held) (place.querySelector(`[name=${held}]:not(:disabled)`) ?? place.closest("li").querySelector("textarea")).focus({ preventScroll: true });
  }

  const fault = (one) => h("span", { class: `dk-violation dk-is-${one.severity}` }, `${one.severity === "error" ? "▲" : "△"} ${one.message}`);

  function measured(index) {
    const row = table.row(index);
    if (row) measure(row, index);
  }

  /** Show beside each text of a row how fast it is to be read, how long its lines are, and its
   * language if it is another one than the others'. */
  function measure(row, index) {
    const text = (area, cue, of) => {
      const limits = states.get(of)?.limits[cue?.language ?? of];
      if (!limits) return;
      const found = reading(area.value, cue.end - cue.start, limits);
      const sign = ["", "△", "▲"];
      area.nextSibling.replaceChildren(
        h("span", { class: `dk-grade-${found.bad}`, title: t("speed_title", { limit: limits.reading_speed }) },
          `${sign[found.bad]}${Math.round(found.speed)}${t("a_second")}`),
        ...found.lines.map((line) => h("span", { class: `dk-length dk-grade-${line.bad}`, title: t("length_title", { limit: limits.line_width }) },
          `${sign[line.bad]}${line.long}`)),
        cue.language ? h("span", { class: "dk-language", title: language(cue.language) }, cue.language) : "");
    };
    text(row.querySelector("[name=text]"), cues()[index], tag);
    for (const area of row.querySelectorAll("[name^=other-]")) text(area, states.get(beside)?.cues[Number(area.name.slice(6)) - 1], beside);
  }

  /** Put a value into a cell, unless the user is typing in it. */
  function put(cell, value, label) {
    if (cell.stored !== value) cell.value = cell.stored = value;
    if (cell.localName === "textarea") cell.rows = Math.max(cell.value.split("\n").length, 1);
    if (label) cell.setAttribute("aria-label", label);
  }

  function mark() {
    const time = film.currentTime;
    const list = cues();
    let index = before(list, time + 0.001);
    if (index >= 0 && list[index].end < time) index = -1;
    if (index === now) return;
    for (const [one, row] of table.seen()) row.classList.toggle("dk-now", one === index);
    now = index;
    if (index < 0) return;
    if (!film.paused && follow.checked && !rows.contains(document.activeElement)) table.reveal(index);
    if (!film.paused) strip.choose(index + 1);
  }

  // ------------------------------------------------------------ cells

  const dirty = (cell) => cell.stored !== undefined && cell.value !== cell.stored;

  /** Send what was typed into a cell to the server. */
  function commit(cell) {
    if (!cell?.name || !rows.contains(cell) || !dirty(cell)) return;
    const number = cell.closest("li").index + 1;
    const { value, name } = cell;
    cell.stored = value;
    if (name === "text") edit(tag, { edit: "text", number, text: value });
    else if (name === "speaker") edit(tag, { edit: "speaker", number, speaker: value });
    else if (name === "language") edit(tag, { edit: "language", number, language: value.trim() });
    else if (name.startsWith("other-")) edit(beside, { edit: "text", number: Number(name.slice(6)), text: value });
    else {
      const { start, end } = cues()[number - 1];
      const time = seconds(value);
      if (Number.isNaN(time)) {
        put(cell, clock({ start, end }[name], 3));
        error.show({ message: t("no_time", { text: value }), hint: t("no_time_hint") });
      }
      else edit(tag, { edit: "times", number, start, end, [name]: time });
    }
  }

  function focus(index, name) {
    if (index < 0) return;
    at = index;
    opened();
    const row = table.reveal(index);
    const cell = row?.querySelector(`[name=${name}]`) ?? row?.querySelector("[name=text]");
    cell?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
    strip.choose(index + 1);
  }

  function select(index) {
    focus(index, "text");
  }

  /** A cue was found: the list shows it, and the cursor stays where it is. */
  function hit(index) {
    at = index;
    opened();
    table.reveal(index)?.scrollIntoView({ block: "nearest" });
    seek(index);
    strip.choose(index + 1);
  }

  function entered(event, index) {
    at = index;
    if (!pressed) opened();
    strip.choose(index + 1);
    if (!event.relatedTarget || event.relatedTarget.closest?.(".dk-cues > li") !== event.currentTarget) seek(index);
  }

  /** Open the row at hand, and close the others. */
  function opened() {
    for (const [one, row] of table.seen()) row.classList.toggle("dk-open", one === at);
    table.row(at)?.scrollIntoView({ block: "nearest" });
  }

  /** The player follows, unless it is playing or already within the cue. */
  function seek(index) {
    const cue = cues()[index];
    if (cue && film.paused && film.readyState && !(film.currentTime >= cue.start && film.currentTime < cue.end)) {
      film.currentTime = cue.start + 0.001;
    }
  }

  function play(index) {
    const cue = cues()[index];
    dub.stop();
    player.play(cue.start, cue.end, loop.checked);
  }

  // ------------------------------------------------------------ commands

  function run(command, index) {
    at = index;
    opened();
    commands[command]();
  }

  /** The row at hand, or else that of the player's time. */
  const here = () => (at >= 0 ? at : Math.max(now, 0));
  const cellOf = (index) => {
    const row = table.row(index);
    return row?.contains(document.activeElement) ? document.activeElement : row?.querySelector("[name=text]");
  };

  function nudge(by) {
    const cell = cellOf(here());
    commit(cell);
    edit(tag, { edit: "nudge", number: here() + 1, seconds: by, edge: { start: "start", end: "end" }[cell?.name] ?? "both" });
  }

  function edge(which) {
    const cue = cues()[here()];
    if (!cue) return;
    commit(document.activeElement);
    edit(tag, { edit: "nudge", number: here() + 1, seconds: player.time() - cue[which], edge: which });
  }

  function split(time) {
    const index = here();
    const area = table.row(index)?.querySelector("[name=text]");
    if (!area) return;
    const { selectionStart } = area;
    commit(area);
    edit(tag, { edit: "split", number: index + 1, ...(time === undefined ? { at: selectionStart } : { time }) }, [index + 1, "text"]);
  }

  /** Add a cue, as long as there is room. */
  function add(start, end) {
    const index = cues().filter((cue) => cue.start <= start).length;
    edit(tag, { edit: "add", start, end, text: "…" }, [index, "text"]);
  }

  function addAt(start) {
    const after = cues().find((cue) => cue.start > start)?.start ?? Infinity;
    add(start, Math.min(start + NEW, after - 0.08));
  }

  function styled(name) {
    const cell = cellOf(here());
    if (cell?.localName !== "textarea") return;
    const [text, from, to] = toggled(cell.value, cell.selectionStart, cell.selectionEnd, name);
    cell.value = text;
    commit(cell);
    cell.focus();
    cell.setSelectionRange(from, to);
  }

  function step(by) {
    const name = document.activeElement?.closest?.(".dk-cues") ? document.activeElement.name : "text";
    const index = Math.min(Math.max(here() + by, 0), cues().length - 1);
    focus(index, name?.startsWith("other") ? `other-${pairs[index]?.[0]}` : name || "text");
  }

  const commands = {
    play: () => { dub.stop(); film[film.paused ? "play" : "pause"](); },
    playCue: () => cues().length && play(here()),
    up: () => step(-1),
    down: () => step(1),
    setStart: () => edge("start"),
    setEnd: () => edge("end"),
    earlier: () => nudge(-NUDGE),
    later: () => nudge(NUDGE),
    fineEarlier: () => nudge(-FINE),
    fineLater: () => nudge(FINE),
    split: () => split(),
    splitHere: () => split(player.time()),
    merge() {
      commit(document.activeElement);
      edit(tag, { edit: "merge", number: here() + 1 }, [here(), "text"]);
    },
    insert: () => addAt((cues()[here()]?.end ?? 0) + 0.08),
    insertHere: () => addAt(Math.round(player.time() * 1000) / 1000),
    remove: () => edit(tag, { edit: "delete", number: here() + 1 }, [Math.min(here(), cues().length - 2), "text"]),
    breakLines() {
      const cell = cellOf(here());
      commit(cell);
      const side = cell?.name?.startsWith("other-");
      edit(side ? beside : tag, { edit: "break", number: side ? Number(cell.name.slice(6)) : here() + 1 });
    },
    italic: () => styled("i"),
    bold: () => styled("b"),
    nextProblem: () => problem(1),
    previousProblem: () => problem(-1),
    find: () => find.open(false),
    replace: () => find.open(true),
    findNext: () => find.step(1),
    findPrevious: () => find.step(-1),
    undo: () => again("undo"),
    redo: () => again("redo"),
    save: keep,
    help: help.open,
  };

  // ------------------------------------------------------------ keys

  // In a row: between its cells.
  function keys(event, index) {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (by && atRim(target, by)) step(by);
    else if (key === "Enter" && target.localName === "input") {
      commit(target);
      focus(Math.max(index + (event.shiftKey ? -1 : 1), 0), target.name);
    } else if (key === "Escape" && dirty(target)) {
      target.value = target.stored;
      measured(index);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Whether an arrow key would leave the cell: up from its first line, or down from its last. */
  function atRim(cell, by) {
    if (cell.localName === "input") return !cell.list || !cell.value;
    if (cell.localName !== "textarea") return true;
    const rest = by < 0 ? cell.value.slice(0, cell.selectionStart) : cell.value.slice(cell.selectionEnd);
    return !rest.includes("\n");
  }

  // Anywhere on the page but in the form.
  function shortcuts(event) {
    if (whole.hidden || !all.length || event.defaultPrevented || event.target.closest?.("#dubkit-form, dialog")) return;
    const inText = event.target.matches?.("input:not([type=checkbox], [type=radio], [type=range]), textarea, select");
    const command = event.key === "?" && !inText ? "help" : commandOf(event);
    if (!command) return;
    const typing = dirty(event.target) || (inText && !rows.contains(event.target));
    if (["undo", "redo", "bold", "italic"].includes(command) && typing && !event.target.matches("textarea[name]")) return;
    if (["undo", "redo"].includes(command) && dirty(event.target)) return; // the browser's own
    event.preventDefault();
    commands[command]();
  }

  // ------------------------------------------------------------ moving many

  function shifter() {
    const by = h("input", { type: "text", id: "dk-shift-by", inputmode: "decimal", value: "0.5", "aria-label": t("shift_by") });
    const from = h("select", { id: "dk-shift-from", "aria-label": t("shift_which") },
      h("option", { value: "all" }, t("shift_all")), h("option", { value: "here" }, t("shift_here")));
    const move = (sign) => {
      const amount = Number(by.value.replace(",", ".").trim());
      if (!amount) {
        error.show({ message: t("no_time", { text: by.value }), hint: t("no_seconds_hint") });
        return;
      }
      const number = from.value === "all" ? 1 : here() + 1;
      edit(tag, { edit: "shift", number, seconds: sign * amount });
    };
    const bar = h("div", { class: "dk-tools dk-shift", hidden: true, onkeydown: (event) => event.key === "Escape" && (bar.hidden = true) },
      h("label", {}, t("shift"), " ", by, " s"), from,
      button("dk-shift-back", t("shift_earlier"), () => move(-1)), button("dk-shift-on", t("shift_later"), () => move(1)));
    return { whole: bar, toggle: () => { bar.hidden = !bar.hidden; if (!bar.hidden) by.focus(); } };
  }

  return part;
}
