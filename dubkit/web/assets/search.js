// Find and replace: a row above the list that Ctrl+F and Ctrl+H open.

import { pattern } from "./cues.js";
import { h, t } from "./dom.js";

/** `texts()` are the texts of all cues; `found(index)` shows a cue, `replaceAll(what)` is called with
 * {find, replacement, case, whole}. */
export function search(texts, found, replaceAll) {
  let at = -1; // the cue that was found last
  const typed = (id, text, more = {}) => h("input", { type: "text", "aria-label": text, placeholder: text, id, ...more });
  const what = typed("dk-find", t("find"), { oninput: count, onkeydown: enter });
  const replacement = typed("dk-replace", t("replace_with"));
  const box = (id, text) => {
    const input = h("input", { type: "checkbox", id, onchange: count });
    return [input, h("label", {}, input, text)];
  };
  const [exact, exactLabel] = box("dk-find-case", t("find_case"));
  const [whole, wholeLabel] = box("dk-find-whole", t("find_whole"));
  const status = h("span", { class: "dk-muted", role: "status", id: "dk-found" });
  const button = (id, text, act) => h("button", { type: "button", class: "dk-button", id, onclick: act }, text);
  const all = button("dk-replace-all", t("replace_all"), () => replaceAll({ find: what.value,
    replacement: replacement.value, case: exact.checked, whole: whole.checked }));
  const bar = h("div", { class: "dk-tools dk-search", hidden: true, onkeydown: (event) => event.key === "Escape" && close() },
    what, button("dk-find-back", t("find_back"), () => step(-1)), button("dk-find-on", t("find_on"), () => step(1)),
    exactLabel, wholeLabel, replacement, all, status);

  const wanted = () => pattern(what.value, { exact: exact.checked, whole: whole.checked });

  function open(replacing) {
    bar.hidden = false;
    const field = replacing && what.value ? replacement : what;
    field.focus();
    field.select();
    count();
  }

  function close() {
    bar.hidden = true;
    if (at >= 0) found(at);
  }

  function count() {
    if (bar.hidden) return;
    const times = what.value ? texts().reduce((sum, text) => sum + (text.match(wanted())?.length ?? 0), 0) : 0;
    status.textContent = what.value ? t("found", { count: times }) : "";
    all.disabled = !times;
  }

  /** Show the next cue that has it, or the one before. */
  function step(by) {
    if (!what.value) return;
    const list = texts();
    const begin = at === -1 && by < 0 ? 0 : at;
    for (let one = 1; one <= list.length; one += 1) {
      const index = (((begin + by * one) % list.length) + list.length) % list.length;
      if (!wanted().test(list[index])) continue;
      at = index;
      found(index);
      return;
    }
  }

  function enter(event) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    step(event.shiftKey ? -1 : 1);
  }

  return { whole: bar, open, count, step };
}
