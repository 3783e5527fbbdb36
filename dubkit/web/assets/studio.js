// Where the parts of the page stand once a video has cues: film and panels on the left, the list of
// cues beside them, the waveform under both, all within the window. Before that they stand under one
// another, as the form does. On a phone the panels take the place of the list.

import { h, t } from "./dom.js";

/** Arrange the parts; `strip` is at the bottom, `panels` are [name, label, element] and what to call when it is shown, the first
 * one is shown at first; `head` is the page's own head. Returns {whole, show(name), count(name, number)}. */
export function studio(film, editing, head, strip, panels) {
  const root = document.documentElement;
  const tab = ([name, label]) => h("button", { type: "button", class: "dk-tab", role: "tab", id: `dk-tab-${name}`,
    "aria-controls": `dk-panel-${name}`, onclick: () => show(name) }, label, h("span", { class: "dk-count" }));
  const cues = ["cues", t("edit")];
  const tabs = new Map([cues, ...panels].map((one) => [one[0], tab(one)]));
  const boxes = new Map(panels.map(([name, , element]) => [name,
    h("div", { class: "dk-panel", role: "tabpanel", id: `dk-panel-${name}`, "aria-labelledby": `dk-tab-${name}`, tabindex: "-1" }, element)]));
  const bar = h("div", { class: "dk-tabs", role: "tablist", "aria-label": t("panels"), onkeydown: keys }, ...tabs.values());
  const menu = h("button", { type: "button", class: "dk-button", id: "dk-menu", "aria-expanded": "false", onclick: fold }, t("make"));
  head.append(menu);
  const list = h("div", { class: "dk-list", id: "dk-panel-cues" }, editing.whole);
  const whole = h("div", { class: "dk-room" },
    h("div", { class: "dk-film" }, film, editing.look.picture), bar, h("div", { class: "dk-panels" }, ...boxes.values()),
    list, editing.strip, strip);
  const narrow = window.matchMedia("(max-width: 800px)");

  new MutationObserver(enter).observe(editing.whole, { attributes: true, attributeFilter: ["hidden"] });
  narrow.addEventListener("change", settle);
  whole.addEventListener("pointerdown", putAway);
  enter();
  show(panels[0][0]);

  /** Take the whole window while there are cues. */
  function enter() {
    const room = editing.whole.hidden ? "start" : "studio";
    if (root.dataset.dubkitRoom === room) return;
    root.dataset.dubkitRoom = room;
    window.scrollTo(0, 0);
    if (room !== "studio") return;
    putAway();
    settle();
  }

  /** The settings and the text, which are drawers here, close when one goes on with the film. */
  function putAway() {
    if (root.dataset.dubkitRoom !== "studio") return;
    document.querySelector("#dubkit-more > button.open")?.click();
    document.querySelector("#dk-script")?.removeAttribute("open");
  }

  function settle() {
    show(narrow.matches ? "cues" : panels[0][0]);
  }

  function show(name) {
    whole.dataset.panel = name;
    for (const [one, button] of tabs) {
      button.setAttribute("aria-selected", one === name);
      button.tabIndex = one === name ? 0 : -1;
    }
    for (const [one, box] of boxes) box.classList.toggle("dk-front", one === name);
    panels.find(([one]) => one === name)?.[3]?.();
  }

  function count(name, number) {
    tabs.get(name).querySelector(".dk-count").textContent = number ? ` ${number}` : "";
  }

  function keys(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const seen = [...tabs].filter(([, button]) => button.offsetParent);
    const at = seen.findIndex(([, button]) => button === document.activeElement);
    const [name, button] = seen[(at + step + seen.length) % seen.length];
    show(name);
    button.focus();
    event.preventDefault();
    event.stopPropagation();
  }

  /** On a phone the form is behind a button. */
  function fold() {
    const open = root.toggleAttribute("data-dubkit-menu");
    menu.setAttribute("aria-expanded", open);
  }

  return { whole, show, count };
}
