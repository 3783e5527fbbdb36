// Selecting a video: drop it, choose it, or choose one under the server's --root.

import { ask, base, clock, complaint, h, language, putBeside, Refused, SCRIPT, size, t } from "./dom.js";

const BESIDE = /\.(srt|vtt|ass|ssa|ttml|xml|csv|rttm|txt|md|fountain|docx|pdf)$/i; // what may belong to a film
const SUBTITLES = /\.(srt|vtt|ass|ssa|ttml|xml)$/i;

/** The part of the page; `chosen(cards)` is called with the videos that came, none for another. A
 * card's `text` is the subtitle file that came with it, its `script` a text without times. */
export function picker(chosen) {
  const error = complaint();
  const input = h("input", { type: "file", id: "dk-file", class: "dk-hidden", tabindex: "-1",
    multiple: true, "aria-label": t("choose_file") });
  const status = h("p", { class: "dk-muted", role: "status" });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("choose_file") });
  const root = h("div", { class: "dk-root", hidden: true });
  const drop = h(
    "div",
    { class: "dk-drop" },
    h("p", { class: "dk-drop-title" }, t("drop")),
    h("p", { class: "dk-muted" }, t("drop_hint")),
    h(
      "div",
      { class: "dk-buttons" },
      h("button", { type: "button", class: "dk-button", id: "dk-choose", onclick: () => input.click() },
        t("choose_file")),
      h("button", { type: "button", class: "dk-button", id: "dk-browse", onclick: () => browse("") },
        t("choose_root")),
    ),
    input, status, bar, root, error.box,
  );
  const card = h("div", { class: "dk-card", id: "dk-card", hidden: true });
  const whole = h("section", { "aria-label": t("drop") }, drop, card);
  const place = h("input", { type: "text", id: "dk-root-path", autocomplete: "off", spellcheck: false,
    "aria-label": t("root_path"), placeholder: t("root_path"), onkeydown: (event) => event.key === "Enter" && place.value.trim() && choose(place.value) });
  let sending = null;
  let shown = null; // the card of the video

  input.addEventListener("change", () => input.files.length && take([...input.files], null));
  // Also beside the drop area, where a file would otherwise replace the page.
  for (const name of ["dragenter", "dragover"]) {
    window.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("dk-over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    window.addEventListener(name, () => drop.classList.remove("dk-over"));
  }
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer?.files.length) take([...event.dataTransfer.files], shown);
  });

  /** Files that came together: a text belongs to the film whose name it begins with, or to the only
   * one; alone it belongs to `film`, if there is one. */
  async function take(files, film) {
    sending?.abort();
    error.show(null);
    const texts = files.filter((file) => BESIDE.test(file.name));
    const films = files.filter((file) => !texts.includes(file));
    try {
      if (!films.length && film && film.kind !== "text") {
        await addAll(film, texts);
        chosen([film]);
        return;
      }
      const alone = films.length ? films : texts.splice(0);
      const cards = [];
      for (const file of alone) {
        const card = await send(file);
        await addAll(card, texts.filter((text) => owner(text, alone) === file));
        cards.push(card);
      }
      show(cards[0], cards);
    } catch (failure) {
      refuse(failure);
    }
    quiet();
  }

  async function addAll(card, files) {
    for (const file of files) {
      status.textContent = t("sending", { name: file.name });
      const answer = await putBeside(card.id, file);
      card.added = answer.added;
      if (SUBTITLES.test(answer.name)) card.text = answer.name;
      if (SCRIPT.test(answer.name)) card.script = answer.name;
    }
  }

  function send(file) {
    status.textContent = t("sending", { name: file.name });
    bar.hidden = false;
    // fetch() does not report upload progress.
    const request = (sending = new XMLHttpRequest());
    request.upload.onprogress = (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      if (event.loaded === event.total) status.textContent = t("looking", { name: file.name });
    };
    return new Promise((done, refused) => {
      request.onload = () => {
        const answer = answered(request);
        if (request.status === 200) done(answer);
        else refused(new Refused(answer.message ?? t("failed_generic"), answer.hint));
      };
      request.onerror = () => refused(new Refused(t("failed_generic"), ""));
      request.open("PUT", `${base}videos?name=${encodeURIComponent(file.name)}`);
      request.send(file);
    });
  }

  function answered(request) {
    try {
      return JSON.parse(request.responseText);
    } catch {
      return {};
    }
  }

  function refuse(failure) {
    quiet();
    error.show(failure);
  }

  function quiet() {
    input.value = "";
    status.textContent = "";
    bar.hidden = true;
  }

  async function browse(path) {
    error.show(null);
    try {
      const entries = await ask(`root?path=${encodeURIComponent(path)}`);
      const up = path && h("button", { type: "button", class: "dk-entry", onclick: () =>
        browse(path.split("/").slice(0, -1).join("/")) }, `↑ ${t("root_up")}`);
      root.replaceChildren(
        place, ...(up ? [up] : []),
        ...entries.map((entry) =>
          h("button", { type: "button", class: "dk-entry", onclick: () =>
            entry.folder ? browse(entry.path) : choose(entry.path) },
            entry.folder ? `${entry.name}/` : entry.name,
            entry.folder ? null : h("span", { class: "dk-muted" }, size(entry.size))),
        ),
        ...(entries.length ? [] : [h("p", { class: "dk-muted" }, t("root_empty"))]),
      );
      root.hidden = false;
    } catch (failure) {
      error.show(failure);
    }
  }

  async function choose(path) {
    error.show(null);
    try {
      show(await ask("root", { method: "POST", body: { path } }));
    } catch (failure) {
      error.show(failure);
    }
  }

  /** Show a video; `cards` are those that came with it. */
  function show(video, cards = video ? [video] : []) {
    shown = video;
    quiet();
    error.show(null);
    root.hidden = true;
    drop.hidden = Boolean(video);
    card.hidden = !video;
    if (video) card.replaceChildren(...described(video, () => show(null)));
    chosen(cards);
    // Keyboard users continue from here.
    if (document.activeElement === document.body) whole.querySelector(video ? "#dk-another" : "#dk-choose").focus({ preventScroll: true });
  }

  return { whole, show };
}

/** The film that a text belongs to. */
function owner(text, films) {
  const stem = (name) => name.replace(/\.[^.]*$/, "");
  const fits = films.filter((film) => text.name.startsWith(stem(film.name)));
  fits.sort((a, b) => b.name.length - a.name.length);
  return fits[0] ?? (films.length === 1 ? films[0] : null);
}

function described(video, another) {
  const facts = [];
  if (video.duration) facts.push([t("length"), clock(video.duration)]);
  for (const [codec, width, height, rate] of video.video ?? []) {
    facts.push([t("picture"), `${width} × ${height}, ${codec}, ${Number(rate.toFixed(2))} fps`]);
  }
  for (const [codec, tag, title, channels] of video.audio ?? []) {
    const parts = [tag && language(tag), title, codec, `${channels} ch`];
    facts.push([t("sound"), parts.filter(Boolean).join(", ")]);
  }
  const inside = (video.subtitles ?? []).map(([codec, tag, title]) => title || (tag && language(tag)) || codec);
  if (inside.length) facts.push([t("tracks_inside"), inside.join(", ")]);
  if (video.cues) facts.push([t("column_text"), t("cues_inside", { count: video.cues })]);
  return [
    h("div", { class: "dk-card-head" },
      h("h2", {}, video.name),
      h("button", { type: "button", class: "dk-button", id: "dk-another", onclick: another }, t("another"))),
    h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ...(video.warnings ?? []).map((warning) => h("p", { class: "dk-muted" }, warning)),
  ];
}
