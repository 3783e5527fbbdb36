// The style of burned subtitles, with the film's own frame as ffmpeg draws it.

import { ask, complaint, h, namesOf, Refused, t } from "./dom.js";

const WAIT = 350; // milliseconds after the last change until it is drawn
/** `picture` lies over the film while the panel is shown. `cue()` is {video, language, number} of the cue that is shown, `burn(style)` burns with a style. */
export function stylePanel(cue, burn) {
  const error = complaint();
  const picture = h("img", { class: "dk-still", id: "dk-still", alt: t("style_picture"), hidden: true });
  const input = (name, type, more = {}) => h("input", { type, id: `dk-style-${name}`, name, oninput: later, ...more });
  const fields = {
    font: input("font", "text", { placeholder: "Arial" }),
    size: input("size", "number", { min: 1, max: 1000, placeholder: t("style_auto") }),
    color: input("color", "color", { value: "#ffffff" }),
    outline: input("outline", "number", { min: 0, max: 100, step: "0.5", placeholder: t("style_auto") }),
    margin: input("margin", "number", { min: 0, max: 500, placeholder: t("style_auto") }),
    word_color: input("word_color", "color", { value: "#ffd400" }),
    position: h("select", { id: "dk-style-position", name: "position", onchange: later },
      ...["bottom", "middle", "top"].map((one) => h("option", { value: one }, t(`style_${one}`)))),
  };
  const usual = Object.fromEntries(Object.entries(fields).map(([name, element]) => [name, element.value]));
  const changed = new Set(); // the fields that are set by hand, and not by the preset
  const preset = h("select", { id: "dk-style-preset", onchange: begin },
    ...namesOf("preset_").map((one) => h("option", { value: one }, t(`preset_${one}`))));
  const field = (label, element) => h("label", { class: "dk-field" }, h("span", {}, label), element);
  const whole = h("div", { class: "dk-look", id: "dk-look" },
    h("div", { class: "dk-fields" }, field(t("style_preset"), preset),
      ...Object.entries(fields).map(([name, element]) => field(t(`style_${name}`), element))),
    h("div", { class: "dk-tools" },
      h("button", { type: "button", class: "dk-button", id: "dk-style-draw", onclick: draw }, t("style_draw")),
      h("button", { type: "button", class: "dk-button dk-primary", id: "dk-style-burn", onclick: () => burn(style()).catch(error.show) }, t("burn"))),
    error.box);
  let timer = 0;
  let drawn = 0; // how often

  /** The fields show what is usual until they are changed. */
  function begin() {
    changed.clear();
    for (const [name, element] of Object.entries(fields)) element.value = usual[name];
    draw();
  }

  /** As the option --style takes it. */
  function style() {
    const set = [...changed].map((name) => [name, fields[name].value.trim()]).filter(([, value]) => value);
    return [preset.value, ...set.map((pair) => pair.join("="))].join(",");
  }

  function later(event) {
    changed.add(event.target.name);
    clearTimeout(timer);
    timer = setTimeout(draw, WAIT);
  }

  async function draw() {
    clearTimeout(timer);
    const shown = cue();
    if (!shown) return;
    const mine = (drawn += 1);
    picture.setAttribute("aria-busy", "true");
    const path = `videos/${shown.video}/still/${shown.language}/${shown.number}`;
    try {
      const answer = await ask(path, { method: "POST", body: { style: style() } });
      if (mine !== drawn) return;
      picture.src = `data:image/jpeg;base64,${answer.jpeg}`;
      picture.hidden = false;
      error.show(null);
    } catch (failure) {
      if (mine === drawn) error.show(failure instanceof Refused ? failure : { message: t("failed_generic") });
    }
    picture.removeAttribute("aria-busy");
  }

  return { whole, picture, draw };
}
