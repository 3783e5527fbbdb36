// "I have the text": what is spoken in the film, pasted or as a file. It is kept as a file beside the
// film, whose name is the form's value `script` (see dubkit/script/).

import { base, complaint, h, putBeside, t } from "./dom.js";

const PASTED = "script.txt"; // the file of a text that was pasted
const SOON = 1000; // milliseconds after the last key until it is sent

/** The part of the form; `current()` is the card of the video, `change(values)` changes the form. */
export function scriptBox(current, change) {
  const error = complaint();
  const area = h("textarea", { id: "dk-script-text", rows: 7, dir: "auto", "aria-label": t("script"),
    placeholder: t("script_paste"), oninput: later, onchange: () => send() });
  const input = h("input", { type: "file", id: "dk-script-file", class: "dk-hidden", tabindex: "-1", "aria-label": t("script_choose"),
    accept: ".txt,.md,.fountain,.docx,.pdf,.srt,.vtt,.ass,.ssa,.ttml,.xml", onchange: () => input.files[0] && put(input.files[0]) });
  const choose = h("button", { type: "button", class: "dk-button", id: "dk-script-choose",
    onclick: () => (current() ? input.click() : missing()) }, t("script_choose"));
  const chip = h("span", { class: "dk-chip" });
  const remove = h("button", { type: "button", class: "dk-icon", onclick: clear }, "✕");
  const mark = h("span", { class: "dk-muted", id: "dk-script-name" });
  const whole = h("details", { class: "dk-added dk-script", id: "dk-script" },
    h("summary", {}, t("script"), " ", mark),
    h("div", { class: "dk-script-body" }, h("p", { class: "dk-muted" }, t("script_hint")), area,
      h("div", { class: "dk-buttons" }, choose, chip, remove), input, error.box));

  let name = ""; // of the file
  let owner = null; // the id of the video whose text the box shows
  let sent = ""; // what is in the file of the pasted text
  let timer = 0;
  let work = Promise.resolve();

  whole.addEventListener("dragover", (event) => { event.preventDefault(); whole.classList.add("dk-over"); });
  for (const kind of ["dragleave", "drop"]) whole.addEventListener(kind, () => whole.classList.remove("dk-over"));
  whole.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return; // a text that was dragged
    event.preventDefault();
    event.stopPropagation();
    if (current()) put(event.dataTransfer.files[0]);
    else missing();
  });
  paint();

  const missing = () => error.show({ message: t("no_video"), hint: t("no_video_hint") });

  /** The form has been filled for a video: with this file. */
  async function show(wanted) {
    const card = current();
    whole.hidden = card?.kind === "text";
    if (card && owner === null) error.show(null);
    if (card && owner === null && area.value.trim()) { // it was pasted before there was a video
      owner = card.id;
      send();
      return;
    }
    const same = owner === (card?.id ?? null);
    if (same && (wanted === name || area.value !== sent)) return;
    [owner, name, sent] = [card?.id ?? null, wanted ?? "", ""];
    area.value = "";
    error.show(null);
    paint();
    if (name !== PASTED) return;
    const response = await fetch(`${base}videos/${card.id}/other?name=${PASTED}`).catch(() => null);
    const text = response?.ok ? await response.text() : "";
    if (owner !== card.id || area.value) return;
    area.value = sent = text;
  }

  function later() {
    clearTimeout(timer);
    timer = setTimeout(send, SOON);
    paint();
  }

  /** Send what was typed, if it is not there yet. */
  function send() {
    clearTimeout(timer);
    const [video, text] = [current()?.id, area.value];
    if (!video || text === sent) return work;
    owner = video;
    sent = text;
    if (text.trim()) return put(new File([text], PASTED));
    take("");
    return work;
  }

  function put(file) {
    const video = current().id;
    error.show(null);
    work = work.then(async () => {
      try {
        const answer = await putBeside(video, file);
        if (current()?.id !== video) return;
        current().added = answer.added;
        if (file.name !== PASTED) area.value = sent = "";
        take(answer.name);
      } catch (failure) {
        if (current()?.id !== video) return;
        sent = "";
        whole.open = true;
        error.show(failure);
      }
      input.value = "";
    });
    return work;
  }

  function clear() {
    area.value = sent = "";
    take("");
    area.focus();
  }

  function take(chosen) {
    name = chosen;
    owner = current()?.id ?? null;
    paint();
    change(chosen ? { script: chosen, subs_from: "" } : { script: "" });
  }

  function paint() {
    const file = name && name !== PASTED;
    area.hidden = Boolean(file);
    chip.textContent = file ? name : "";
    remove.hidden = !file;
    for (const label of ["title", "aria-label"]) remove.setAttribute(label, t("remove", { name }));
    mark.textContent = file ? name : name || area.value.trim() ? "✓" : "";
  }

  /** The file's name, once all of it is on the server; one that is not there if it was refused, so that
   * nothing starts without it. */
  async function ready() {
    await send();
    return name || (area.value.trim() ? PASTED : "");
  }

  return { whole, show, take, ready };
}
