// The keys of the editor: one table, by which they work and which "?" shows. They are those of
// Subtitle Edit and Aegisub where a browser leaves these to a page.

import { h, t } from "./dom.js";

/** [command, keys]; a command is a function of the editor's. Ctrl is also the Command key. */
export const KEYS = [
  ["play", "Ctrl+P"], ["playCue", "Ctrl+Space"], ["up", "Alt+ArrowUp"], ["down", "Alt+ArrowDown"],
  ["setStart", "F11", "Alt+BracketLeft"], ["setEnd", "F12", "Alt+BracketRight"],
  ["earlier", "Alt+ArrowLeft"], ["later", "Alt+ArrowRight"],
  ["fineEarlier", "Alt+Shift+ArrowLeft"], ["fineLater", "Alt+Shift+ArrowRight"],
  ["split", "Ctrl+Enter"], ["splitHere", "Ctrl+Shift+Enter"], ["merge", "Ctrl+M", "Ctrl+Shift+M"],
  ["insertHere", "F9"], ["insert", "Alt+Insert"], ["remove", "Alt+Delete"],
  ["breakLines", "Alt+B"], ["italic", "Ctrl+I"], ["bold", "Ctrl+B"],
  ["nextProblem", "F8"], ["previousProblem", "Shift+F8"],
  ["find", "Ctrl+F"], ["replace", "Ctrl+H"], ["findNext", "F3"], ["findPrevious", "Shift+F3"],
  ["undo", "Ctrl+Z"], ["redo", "Ctrl+Y", "Ctrl+Shift+Z"], ["save", "Ctrl+S"], ["help", "F1"],
];
const SIGNS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", BracketLeft: "[", BracketRight: "]" };

/** The command of a key press; undefined if it has none. */
export function commandOf(event) {
  const ctrl = event.ctrlKey || event.metaKey;
  return KEYS.find(([, ...keys]) => keys.some((one) => {
    const parts = one.split("+");
    const key = parts.pop();
    return parts.includes("Ctrl") === ctrl && parts.includes("Alt") === event.altKey
      && parts.includes("Shift") === event.shiftKey && named(event).includes(key.toLowerCase());
  }))?.[0];
}

function named(event) {
  return [event.key === " " ? "space" : event.key.toLowerCase(), event.code.toLowerCase(),
    event.code.replace(/^Key/, "").toLowerCase()];
}

/** The list of all keys; `open()` shows it. */
export function keyHelp() {
  const shown = (keys) => keys.map((one) =>
    h("kbd", {}, one.split("+").map((part) => SIGNS[part] ?? part).join("+"))).flatMap((key, at) => (at ? [" ", key] : [key]));
  const rows = KEYS.map(([command, ...keys]) => h("tr", {}, h("th", { scope: "row" }, ...shown(keys)), h("td", {}, t(`key_${command}`))));
  const close = h("button", { type: "button", class: "dk-button", onclick: () => whole.close() }, t("close"));
  const whole = h("dialog", { class: "dk-dialog", id: "dk-keys", "aria-label": t("keys") },
    h("div", { class: "dk-card-head" }, h("h2", {}, t("keys")), close),
    h("table", { class: "dk-key-table" }, h("tbody", {}, rows)), h("p", { class: "dk-more-keys" }, t("keys_text")));
  return { whole, open: () => whole.open || whole.showModal() };
}
