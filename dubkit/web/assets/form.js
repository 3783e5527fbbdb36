// The form's memory, the files that are added to a video, and errors shown beside their group.
// The form itself is Gradio's; this fills the empty places in it (see dubkit/web/form.py).

import { ask, complaint, h, putBeside, SCRIPT, t } from "./dom.js";
import { scriptBox } from "./script.js";

const KEPT = 50; // videos whose form is remembered
const LIST = "dubkit-forms";
const FILES = ["subs_from", "script", "glossary", "speakers_from"]; // fields that name an added file

/** `current()` is the card of the video; `fill(values)` refills the form, null keeps its values. */
export function formParts(current) {
  const status = h("span", { class: "dk-muted", role: "status" });
  const error = complaint();
  const input = h("input", { type: "file", id: "dk-added-file", class: "dk-hidden", tabindex: "-1",
    "aria-label": t("add_file"), accept: ".srt,.vtt,.ass,.ssa,.ttml,.xml,.txt,.md,.fountain,.docx,.pdf,.csv,.rttm,.json" });
  const list = h("ul", { class: "dk-files", id: "dk-added" });
  const added = h("div", { class: "dk-added" },
    h("div", { class: "dk-buttons" },
      h("button", { type: "button", class: "dk-button", id: "dk-add-file", onclick: choose }, t("add_file")), status),
    h("p", { class: "dk-muted" }, t("add_file_hint")), list, input, error.box);
  const script = scriptBox(current, change);
  const wrong = Object.fromEntries(["main", "more", "files", "speech", "translation", "dubbing", "who", "look"]
    .map((group) => [group, complaint()]));
  const places = [["dubkit-added", added], ["dubkit-script-box", script.whole],
    ...Object.entries(wrong).map(([group, one]) => [`dubkit-wrong-${group}`, one.box])];

  let wanted = null; // what the form will be filled with
  let asked = null; // what it is being filled with
  let settled = null; // the id of the video whose values the form has
  let again = 0; // the timer of the next press
  let last = null; // the values of the form

  input.addEventListener("change", () => input.files[0] && send(input.files[0]));

  function choose() {
    if (current()) input.click();
    else error.show({ message: t("no_video"), hint: t("no_video_hint") });
  }

  async function send(file) {
    error.show(null);
    status.textContent = t("sending", { name: file.name });
    const video = current().id;
    try {
      const answer = await putBeside(video, file);
      const field = /\.csv$/i.test(answer.name) ? "glossary"
        : /\.(rttm|json)$/i.test(answer.name) ? "speakers_from" : "subs_from";
      if (current()?.id !== video) return;
      current().added = answer.added;
      if (SCRIPT.test(answer.name)) script.take(answer.name);
      else change({ [field]: answer.name });
    } catch (failure) {
      error.show(failure);
    }
    status.textContent = "";
    input.value = "";
  }

  async function remove(name) {
    error.show(null);
    try {
      const answer = await ask(`videos/${current().id}/other?name=${encodeURIComponent(name)}`, { method: "DELETE" });
      current().added = answer.added;
      const left = ([field, value]) => [field, FILES.includes(field) && value === name ? "" : value];
      fill(Object.fromEntries(Object.entries(last ?? {}).map(left)));
    } catch (failure) {
      error.show(failure);
    }
  }

  function listed() {
    list.replaceChildren(...(current()?.added ?? []).map((name) => h("li", {}, name,
      h("button", { type: "button", class: "dk-icon", title: t("remove", { name }), "aria-label": t("remove", { name }),
        onclick: () => remove(name) }, "✕"))));
  }

  /** Have the form filled: with values or, if there are none, with those remembered for the video,
   * or else with `otherwise`. */
  function fill(values, otherwise) {
    settled = null;
    listed();
    wanted = values ?? remembered(current()?.id) ?? otherwise ?? null;
    for (const one of Object.values(wrong)) one.show(null);
    error.show(null);
    press();
  }

  /** Have some values of the form changed. */
  function change(values) {
    const now = settled === null && wanted ? wanted : last;
    fill({ ...(now ?? { subs: true, formats: ["srt"] }), ...values });
  }

  /** Gradio may not have drawn the button yet, or not be listening to it: until the form is filled
   * it is pressed again, which Gradio ignores while it is filling the form. */
  function press() {
    clearTimeout(again);
    if (settled !== null) return;
    document.querySelector("#dubkit-fill")?.click();
    again = setTimeout(press, 2000);
  }

  function filled(names, values) {
    clearTimeout(again);
    last = named(names, values);
    if (asked !== wanted) { // more has come meanwhile
      press();
      return;
    }
    settled = current()?.id ?? "";
    document.documentElement.dataset.dubkitForm = settled || "empty";
    script.show(last.script);
    keep();
  }

  /** The values to start a job with, once what was pasted is on the server. */
  async function ready(names, values) {
    const now = { ...named(names, values), script: await script.ready() };
    return names.map((name) => (name === "subs_from" && now.script ? "" : now[name]));
  }

  function toFill() {
    asked = wanted;
    return wanted ? JSON.stringify(wanted) : "";
  }

  const named = (names, values) => Object.fromEntries(names.map((name, at) => [name, values[at]]));

  function remember(names, values) {
    const before = last;
    last = named(names, values);
    if (last.subs_from && !before?.subs_from && last.script) script.take(""); // one text or the other
    if (settled !== null && settled === (current()?.id ?? "")) keep();
  }

  function keep() {
    if (settled === null || !last) return;
    const forms = stored().filter(([id]) => id !== settled);
    try {
      localStorage.setItem(LIST, JSON.stringify([...forms, [settled, last]].slice(-KEPT)));
    } catch {
      // a browser that stores nothing
    }
  }

  /** Show a refusal of the server in the group that it concerns; returns whether there is one. */
  function refused(reply) {
    for (const [group, one] of Object.entries(wrong)) one.show(group === reply?.group ? reply : null);
    const box = wrong[reply?.group]?.box;
    if (!box?.isConnected) return false;
    unfold(box);
    box.scrollIntoView({ block: "center" });
    return true;
  }

  function attach(put) {
    for (const [place, part] of places) put(place, part);
  }

  return { fill, change, filled, ready, remember, refused, attach, wanted: toFill };
}

/** Open the folded parts that contain an element. */
function unfold(element) {
  for (let at = element.parentElement; at; at = at.parentElement) {
    if (/^dubkit-.*-group$|^dubkit-more$/.test(at.id ?? "")) at.querySelector(":scope > button.label-wrap:not(.open)")?.click();
  }
}

function stored() {
  try {
    const forms = JSON.parse(localStorage.getItem(LIST) ?? "[]");
    return Array.isArray(forms) ? forms.filter(Array.isArray) : [];
  } catch {
    return [];
  }
}

function remembered(id) {
  return stored().find(([known]) => known === id)?.[1] ?? null;
}
