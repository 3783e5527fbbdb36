// The table of cues: every edit is sent to the server, which answers with all cues and their
// violations; undo is done by the server, too. See dubkit/web/editing.py for the edits.
//
// A row is a cue of one language, with the cues of another beside it and, if there is a dub, the
// lines that begin there. Rows are patched and not redrawn: see rows.js.

import { ask, clock, complaint, h, language, seconds, t } from "./dom.js";
import { dubLines } from "./lines.js";
import { rowList } from "./rows.js";
import { timeline } from "./timeline.js";

const NUDGE = 0.1; // seconds
const FINE = 0.02;
const LISTED = 200; // violations


/** The part of the page; `player` plays and shows cues, `saved(id)` is called with a job. */
export function editor(player, saved) {
  const film = player.whole.querySelector("video");
  const error = complaint();
  const choice = (id, label, change) => h("select", { id, "aria-label": label, onchange: change });
  const tags = choice("dk-edit-language", t("edit_language"), () => load(tags.value, tags.value === beside ? tag : beside));
  const other = choice("dk-beside", t("beside"), () => load(tag, other.value));
  const button = (id, text, act) => h("button", { type: "button", class: "dk-button", id, onclick: act }, text);
  const undo = button("dk-undo", t("undo"), () => again("undo"));
  const redo = button("dk-redo", t("redo_edit"), () => again("redo"));
  const save = h("button", { type: "button", class: "dk-button dk-primary", id: "dk-save", onclick: keep }, t("save"));
  const box = (id, text, checked) => {
    const input = h("input", { type: "checkbox", id, checked });
    return [input, h("label", {}, input, text)];
  };
  const [loop, loopLabel] = box("dk-loop", t("loop"), false);
  const [follow, followLabel] = box("dk-follow", t("follow"), true);
  const typed = (id, text, more = {}) => h("input", { type: "text", "aria-label": text, placeholder: text, id, ...more });
  const find = typed("dk-find", t("find"), { oninput: counted, onkeydown: findKeys });
  const replacement = typed("dk-replace", t("replace_with"));
  let found = -1; // the row that was found last
  const count = h("span", { class: "dk-muted", role: "status", id: "dk-found" });
  const replace = button("dk-replace-all", t("replace_all"), () =>
    edit(tag, { edit: "replace", find: find.value, replacement: replacement.value }).then(counted));
  const summary = h("summary", { id: "dk-check" });
  const list = h("ul", { class: "dk-warnings" });
  const problems = h("details", { class: "dk-problems", hidden: true }, summary, list);
  const notice = h("p", { class: "dk-muted", role: "status", id: "dk-said" });
  const people = h("datalist", { id: "dk-speakers" });
  const rows = h("ol", { class: "dk-cues", id: "dk-cues" });
  const table = rowList(rows, make, fill);
  const dub = dubLines(film, saved, error);
  const strip = timeline(film, {
    selected: (number) => select(number - 1),
    moved: (number, edge, by) => edit(tag, { edit: "nudge", number, seconds: by, edge }),
  });
  const whole = h("section", { class: "dk-editor", hidden: true, "aria-label": t("edit"), onkeydown: shortcuts },
    strip.whole,
    h("div", { class: "dk-card-head" }, h("h2", {}, t("edit")), tags, other, undo, redo,
      button("dk-add", t("add"), addHere), save),
    h("div", { class: "dk-tools" }, find, count, replacement, replace, loopLabel, followLabel),
    h("details", { class: "dk-keys" }, h("summary", {}, t("keys")), h("p", {}, t("keys_text"))),
    notice, problems, error.box, people, rows);

  let video = null;
  let tag = "";
  let beside = ""; // the language at its side; "" for none
  let all = []; // languages, the spoken one first
  let states = new Map(); // by language, the last answer of the server
  let pairs = []; // by row, the numbers of the cues beside it
  let faults = new Map(); // by language, by cue, its violations
  let edits = []; // languages of the edits, for undo over both
  let now = -1; // the row at the player's time
  let turn = Promise.resolve(); // edits are sent one after the other

  film.addEventListener("timeupdate", mark);
  film.addEventListener("seeking", mark);
  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });

  const cues = () => states.get(tag)?.cues ?? [];
  const unsaved = () => [...states.values()].some((one) => one.changed) || [...rows.querySelectorAll("[name]")].some(dirty);

  async function show(id, languages) {
    const same = id === video;
    video = id;
    all = languages;
    whole.hidden = !id || !languages.length;
    if (whole.hidden) {
      strip.show(null);
      return;
    }
    if (!same) {
      [edits, beside] = [[], languages.length > 1 ? languages[1] : ""];
      notice.textContent = "";
    }
    const main = languages.includes(tag) && same ? tag : languages[0];
    strip.show(player.whole.hidden ? null : id);
    await load(main, languages.includes(beside) && beside !== main ? beside : languages.find((one) => one !== main) ?? "");
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
    if (whole.hidden) return;
    const one = all.includes(wanted) ? wanted : all[0];
    if (one !== tag) await load(one, tag);
    focus(number - 1, "text");
    seek(number - 1);
  }

  function edit(which, what, then) {
    turn = turn.then(async () => {
      try {
        const { version } = states.get(which);
        states.set(which, await ask(`videos/${video}/cues/${which}`, { method: "POST", body: { version, ...what } }));
        if (!["undo", "redo"].includes(what.edit)) edits = [...edits.filter((one) => !one.undone), { which }];
        error.show(null);
        notice.textContent = "";
        draw();
        player.reload(which);
        if (then) focus(...then);
      } catch (failure) {
        error.show(failure);
        await refused(which, what);
      }
    });
    return turn;
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

  /** Undo or redo the last edit, in whichever of the two languages it was made. */
  function again(what) {
    const last = what === "undo" ? edits.findLast((one) => !one.undone) : edits.find((one) => one.undone);
    if (last) last.undone = what === "undo";
    const wanted = [last?.which, tag, beside].find((one) => states.get(one)?.[what]);
    if (wanted) edit(wanted, { edit: what });
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

  function addHere() {
    const start = Math.round(player.time() * 1000) / 1000;
    const after = cues().find((cue) => cue.start > start)?.start ?? Infinity;
    const index = cues().filter((cue) => cue.start <= start).length;
    edit(tag, { edit: "add", start, end: Math.min(start + 2, after - 0.08), text: "…" }, [index, "text"]);
  }

  function addAfter(index) {
    const start = cues()[index].end + 0.08;
    const end = Math.min(start + 2, (cues()[index + 1]?.start ?? Infinity) - 0.08);
    edit(tag, { edit: "add", start, end, text: "…" }, [index + 1, "text"]);
  }

  // ------------------------------------------------------------ showing

  function draw(afresh = false) {
    const main = cues();
    faults = new Map([...states].map(([one, state]) => [one, byCue(state.violations)]));
    pairs = pairUp(main, states.get(beside)?.cues ?? []);
    dub.lay(main);
    const names = [...new Set(main.map((cue) => cue.speaker).filter(Boolean))];
    people.replaceChildren(...names.map((name) => h("option", { value: name })));
    if (afresh) for (const cell of rows.querySelectorAll("[name]")) cell.stored = undefined;
    table.show(main.length);
    marks();
    listProblems();
    counted();
    now = -1;
    mark();
    strip.put(main, chosen() + 1);
  }

  function marks() {
    undo.disabled = ![...states.values()].some((state) => state.undo);
    redo.disabled = ![...states.values()].some((state) => state.redo);
    save.classList.toggle("dk-changed", unsaved());
  }

  function listProblems() {
    const found = [...states].flatMap(([one, state]) => state.violations.map((fault) => ({ ...fault, of: one })));
    problems.hidden = !found.length;
    summary.textContent = t("problems", { count: found.length });
    list.replaceChildren(...found.slice(0, LISTED).map((fault) => h("li", {},
      h("button", { type: "button", class: `dk-link dk-is-${fault.severity}`, onclick: () => goTo(fault) },
        `${language(fault.of)} ${fault.cue}: ${fault.message}`))));
    if (found.length > LISTED) list.append(h("li", {}, t("and_more", { count: found.length - LISTED })));
  }

  function goTo({ of, cue }) {
    const row = of === tag ? cue - 1 : pairs.findIndex((numbers) => numbers.includes(cue));
    focus(row, of === tag ? "text" : `other-${cue}`);
    if (of === tag) seek(row);
  }

  function make(index) {
    const cell = (element) => {
      element.addEventListener("change", () => commit(element));
      element.addEventListener("input", marks);
      return element;
    };
    const act = (key, sign, what) => h("button", { type: "button", class: "dk-icon", name: key, title: t(key), onclick: what }, sign);
    const input = (name, more) => cell(h("input", { type: "text", name, ...more }));
    return h("li", { onfocusin: (event) => entered(event, index), onkeydown: (event) => keys(event, index) },
      h("button", { type: "button", class: "dk-play", name: "play", onclick: () => play(index) }),
      h("div", { class: "dk-times" }, input("start", { class: "dk-clock", inputmode: "decimal" }),
        input("end", { class: "dk-clock", inputmode: "decimal" }),
        input("speaker", { list: "dk-speakers", placeholder: t("who"), autocomplete: "off" })),
      h("div", { class: "dk-text" }, cell(h("textarea", { name: "text", dir: "auto" })), h("div", { class: "dk-faults" })),
      h("div", { class: "dk-text dk-other" }),
      h("div", { class: "dk-acts" },
        act("earlier", "◂", () => nudge(index, -NUDGE)), act("later", "▸", () => nudge(index, NUDGE)),
        act("split", "✂", () => split(index)), act("merge", "⤵", () => merge(index)),
        act("delete", "✕", () => remove(index))),
      h("div", { class: "dk-lines" }));
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
    cell("text", cue.text, t("column_text"));
    const mine = faults.get(tag)?.get(number) ?? [];
    row.classList.toggle("dk-bad", mine.some((one) => one.severity === "error"));
    row.querySelector(".dk-faults").replaceChildren(...mine.map(fault));
    fillOther(row.querySelector(".dk-other"), pairs[index] ?? []);
    dub.fill(row.querySelector(".dk-lines"), index);
    row.classList.toggle("dk-now", index === now);
  }

  function fillOther(place, numbers) {
    const wanted = numbers.map((number) => `other-${number}`).join();
    if (place.dataset.of !== wanted) {
      place.dataset.of = wanted;
      place.replaceChildren(...numbers.flatMap((number) => {
        const area = h("textarea", { name: `other-${number}`, dir: "auto", lang: beside });
        area.addEventListener("change", () => commit(area));
        area.addEventListener("input", marks);
        return [area, h("div", { class: "dk-faults" })];
      }));
    }
    for (const number of numbers) {
      const area = place.querySelector(`[name=other-${number}]`);
      put(area, states.get(beside).cues[number - 1].text, `${t("column_text")} ${number}, ${language(beside)}`);
      area.nextSibling.replaceChildren(...(faults.get(beside)?.get(number) ?? []).map(fault));
    }
  }

  const fault = (one) => h("span", { class: `dk-violation dk-is-${one.severity}` }, one.message);

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
    for (const [at, row] of table.seen()) row.classList.toggle("dk-now", at === index);
    now = index;
    if (index < 0) return;
    if (!film.paused && follow.checked && !rows.contains(document.activeElement)) table.reveal(index);
    if (!film.paused) strip.choose(index + 1);
  }

  // ------------------------------------------------------------ cells

  const dirty = (cell) => cell.stored !== undefined && cell.value !== cell.stored;
  const chosen = () => document.activeElement?.closest?.(".dk-cues > li")?.index ?? -1;

  /** Send what was typed into a cell to the server. */
  function commit(cell) {
    if (!cell?.name || !rows.contains(cell) || !dirty(cell)) return;
    const number = cell.closest("li").index + 1;
    const { value, name } = cell;
    cell.stored = value;
    if (name === "text") edit(tag, { edit: "text", number, text: value });
    else if (name === "speaker") edit(tag, { edit: "speaker", number, speaker: value });
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
    const row = table.reveal(index);
    const cell = row?.querySelector(`[name=${name}]`) ?? row?.querySelector("[name=text]");
    cell?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
    strip.choose(index + 1);
  }

  function select(index) {
    focus(index, "text");
  }

  function entered(event, index) {
    strip.choose(index + 1);
    if (!event.relatedTarget || event.relatedTarget.closest(".dk-cues > li") !== event.currentTarget) seek(index);
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

  function nudge(index, by, edge = "both") {
    commit(document.activeElement);
    edit(tag, { edit: "nudge", number: index + 1, seconds: by, edge });
  }

  function split(index) {
    const area = table.row(index).querySelector("[name=text]");
    const at = area.selectionStart;
    commit(area);
    edit(tag, { edit: "split", number: index + 1, at }, [index + 1, "text"]);
  }

  function merge(index) {
    commit(document.activeElement);
    edit(tag, { edit: "merge", number: index + 1 }, [index, "text"]);
  }

  function remove(index) {
    edit(tag, { edit: "delete", number: index + 1 }, [Math.min(index, cues().length - 2), "text"]);
  }

  // ------------------------------------------------------------ keys

  // In a row; t("keys_text") describes them.
  function keys(event, index) {
    const command = event.ctrlKey || event.metaKey;
    const { target, key } = event;
    const step = { ArrowUp: -1, ArrowDown: 1 }[key];
    if (event.altKey && (key === "ArrowLeft" || key === "ArrowRight")) {
      const by = event.shiftKey ? FINE : NUDGE;
      nudge(index, key === "ArrowLeft" ? -by : by, { start: "start", end: "end" }[target.name] ?? "both");
    } else if (step && (event.altKey || atRim(target, step))) {
      focus(index + step, target.name?.startsWith("other") ? `other-${pairs[index + step]?.[0]}` : target.name || "text");
    } else if (command && key === "Enter") split(index);
    else if (command && key === "m") merge(index);
    else if (command && key === " ") play(index);
    else if (event.altKey && key === "Delete") remove(index);
    else if (event.altKey && key === "Insert") addAfter(index);
    else if (key === "Enter" && target.localName === "input") {
      commit(target);
      focus(index + (event.shiftKey ? -1 : 1), target.name);
    } else if (key === "Escape" && dirty(target)) target.value = target.stored;
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Whether an arrow key would leave the cell: up from its first line, or down from its last. */
  function atRim(cell, step) {
    if (cell.localName === "input") return !cell.list || !cell.value;
    if (cell.localName !== "textarea") return true;
    const rest = step < 0 ? cell.value.slice(0, cell.selectionStart) : cell.value.slice(cell.selectionEnd);
    return !rest.includes("\n");
  }

  // Anywhere in the editor.
  function shortcuts(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    const typing = dirty(event.target) || event.target.closest(".dk-tools");
    if ((key === "z" || key === "y") && !typing) again(key === "y" || event.shiftKey ? "redo" : "undo");
    else if (key === "f") find.focus();
    else if (key === "s") keep();
    else return;
    event.preventDefault();
  }

  // ------------------------------------------------------------ find

  const pattern = () => new RegExp(find.value.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");

  function counted() {
    const times = find.value ? cues().reduce((sum, cue) => sum + (cue.text.match(pattern())?.length ?? 0), 0) : 0;
    count.textContent = find.value ? t("found", { count: times }) : "";
    replace.disabled = !times;
  }

  // Enter goes to the next cue with a match.
  function findKeys(event) {
    if (event.key !== "Enter" || !find.value) return;
    event.preventDefault();
    const list = cues();
    const step = event.shiftKey ? -1 : 1;
    const begin = found === -1 && step < 0 ? 0 : found;
    for (let one = 1; one <= list.length; one += 1) {
      const index = (((begin + step * one) % list.length) + list.length) % list.length;
      if (!pattern().test(list[index].text)) continue;
      found = index;
      for (const row of rows.children) row.classList.toggle("dk-hit", row.index === index);
      const row = table.reveal(index);
      row.classList.add("dk-hit");
      row.scrollIntoView({ block: "nearest" });
      seek(index);
      return;
    }
  }
  return { whole, show, go };
}

/** Violations by the number of their cue. */
function byCue(violations) {
  const found = new Map();
  for (const one of violations) {
    if (found.has(one.cue)) found.get(one.cue).push(one);
    else found.set(one.cue, [one]);
  }
  return found;
}

/** The last cue that begins at a time or before it; -1 for none. */
function before(list, time) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** By cue of `main`, the numbers of the others that are shown with it; each is with exactly one. */
function pairUp(main, others) {
  const found = main.map(() => []);
  const common = (one, cue) => (one ? Math.min(one.end, cue.end) - Math.max(one.start, cue.start) : -Infinity);
  others.forEach((cue, index) => {
    const at = Math.max(before(main, cue.start + 0.05), 0);
    const best = common(main[at + 1], cue) > common(main[at], cue) ? at + 1 : at;
    found[best]?.push(index + 1);
  });
  return found;
}
