// Who speaks: a card for each person with their name, how much they say, a clip of their own voice, and
// the voice that speaks for them in a dub.

import { clock, h, t } from "./dom.js";

/** `rename(speaker, name)` gives all lines of a person another name, or another person's; `hear(start,
 * end)` plays a part of the film, `sample(line)` a line of the dub; `voice(speaker, name)` has the dub
 * made with another voice for one of them. */
export function speakerPanel({ rename, hear, sample, voice }) {
  const list = h("ul", { class: "dk-people" });
  const none = h("p", { class: "dk-muted" }, t("speakers_none"));
  const whole = h("div", { class: "dk-speakers", id: "dk-people" }, none, list);

  /** Show the people of these cues; `lines` are those of the dub, `voices` what can be chosen. */
  function show(cues, lines, voices) {
    const people = byPerson(cues);
    const names = [...people.keys()].filter(Boolean);
    none.hidden = names.length > 0;
    const spoken = (name) => lines.filter((line) => (line.speaker ?? "") === name);
    // Somebody without a name has a voice in a dub, too.
    const shown = people.has("") && spoken("").length ? [...names, ""] : names;
    list.replaceChildren(...shown.map((name, at) => card(name, people.get(name), names, at, spoken(name), voices)));
  }

  function card(name, cues, names, at, lines, voices) {
    const spoken = cues.reduce((sum, cue) => sum + cue.end - cue.start, 0);
    const longest = cues.reduce((one, two) => (two.end - two.start > one.end - one.start ? two : one));
    const called = name || t("speaker_unnamed");
    const field = !name ? h("span", {}, called) : h("input", { type: "text", value: name, "aria-label": t("speaker_name", { name }),
      onchange: () => field.value.trim() && field.value !== name && rename(name, field.value.trim()) });
    const others = names.filter((one) => one !== name);
    const join = h("select", { "aria-label": t("speaker_merge", { name }), onchange: () => join.value && rename(name, join.value) },
      h("option", { value: "" }, t("speaker_merge_short")), ...others.map((one) => h("option", { value: one }, one)));
    const now = lines[0]?.voice ?? "";
    const known = [...new Set([now, ...voices].filter(Boolean))];
    const choice = h("select", { "aria-label": t("speaker_voice", { name: called }), onchange: () => voice(name, choice.value) },
      ...known.map((one) => h("option", { value: one, selected: one === now }, title(one))));
    choice.value = now;
    return h("li", { class: "dk-person", "data-speaker": name },
      h("span", { class: "dk-dot", style: `background: ${colour(at)}`, "aria-hidden": "true" }), field,
      h("span", { class: "dk-muted" }, t("speaker_said", { count: cues.length, time: clock(spoken) })),
      h("div", { class: "dk-tools" },
        h("button", { type: "button", class: "dk-button", "aria-label": t("speaker_hear", { name: called }), onclick: () => hear(longest.start, longest.end) }, `▶ ${t("speaker_own")}`),
        name && others.length ? join : null,
        lines.length ? choice : null,
        lines.length ? h("button", { type: "button", class: "dk-button", "aria-label": t("speaker_sample", { name: called }), onclick: () => sample(lines[0]) }, `▶ ${t("speaker_dub")}`) : null));
  }

  return { whole, show };
}

/** The colors of people, far apart from one another; beside each is a name. */
export const colour = (at) => `hsl(${(at * 137.5 + 170) % 360} 60% 45%)`;

/** What a person would call an engine's voice: "Dora" for pf_dora, "Heart + Bella" for two. */
export function title(voice) {
  const one = (name) => {
    const bare = name.replace(/^[a-z]{2}_/, "").replaceAll("_", " ");
    return bare.charAt(0).toUpperCase() + bare.slice(1);
  };
  return voice.split("+").map(one).join(" + ");
}

function byPerson(cues) {
  const found = new Map();
  for (const cue of cues) {
    const name = cue.speaker ?? "";
    if (found.has(name)) found.get(name).push(cue);
    else found.set(name, [cue]);
  }
  return found;
}
