// Cues of a translation that somebody wants translated once more: several may be asked for in a row.
// What a cue was before stays beside it, to compare, and to go back to.

import { ask, h, t } from "./dom.js";

const EVERY = 300; // milliseconds between two looks at a job

/** The part of the editor; `cues(language)` are those shown, `edit(language, texts)` changes their
 * texts by number, `said(message)` and `failed(failure)` say what became of it, `changed()` is called when
 * a row has to be filled again. */
export function retranslation({ cues, edit, said, failed, changed }) {
  let video = null;
  let spoken = ""; // the language that is translated from
  const busy = new Set(); // of cues, by key
  const earlier = new Map(); // texts, by key

  const key = (of, cue) => `${of} ${cue.start}`;

  function show(id, language) {
    if (id !== video) for (const one of [busy, earlier]) one.clear();
    [video, spoken] = [id, language];
  }

  /** What a row offers for a cue of a language: nothing for the spoken one. */
  function offer(of, number) {
    const cue = cues(of)[number - 1];
    if (!cue || of === spoken) return [];
    const mine = key(of, cue);
    const before = earlier.get(mine);
    const waits = busy.has(mine);
    return [
      h("button", { type: "button", class: "dk-link dk-retranslate", name: "retranslate", disabled: waits,
        "aria-label": t("retranslate_label", { number }), onclick: () => again(of, number) }, t(waits ? "retranslating" : "retranslate")),
      before === undefined || before === cue.text ? null : h("span", { class: "dk-earlier" },
        h("span", { class: "dk-muted" }, `${t("dub_before")}: `), h("span", { dir: "auto" }, before), " ",
        h("button", { type: "button", class: "dk-link", name: "earlier", "aria-label": t("retranslate_back", { number }),
          onclick: () => put(of, { [number]: before }) }, t("dub_use"))),
    ];
  }

  async function again(of, number) {
    const asked = video;
    const cue = cues(of)[number - 1];
    const mine = key(of, cue);
    busy.add(mine);
    changed();
    try {
      const { job } = await ask(`videos/${asked}/cues/${of}/${number}/again`, { method: "POST" });
      const events = await ended(job);
      const failure = events.find((event) => event.event === "error");
      if (failure) throw failure;
      const texts = events.findLast((event) => event.again)?.again ?? {};
      if (asked === video) take(of, cue, texts);
    } catch (failure) {
      if (asked === video) failed(failure);
    }
    busy.delete(mine);
    changed();
  }

  async function ended(job) {
    for (;;) {
      const state = await ask(`jobs/${job}`);
      if (!["waiting", "running"].includes(state.state)) return state.events;
      await new Promise((done) => setTimeout(done, EVERY));
    }
  }

  /** Take the new texts, if the cue is still where it was. */
  function take(of, cue, texts) {
    const list = cues(of);
    const number = Object.keys(texts).find((one) => list[one - 1]?.start === cue.start);
    if (!number) {
      said(t("retranslated_none"));
      return;
    }
    const differ = Object.entries(texts).filter(([one, text]) => list[one - 1] && list[one - 1].text !== text);
    if (differ.length) put(of, Object.fromEntries(differ));
    else said(t("retranslated_same"));
  }

  function put(of, texts) {
    for (const number of Object.keys(texts)) {
      const cue = cues(of)[number - 1];
      earlier.set(key(of, cue), cue.text);
    }
    edit(of, texts);
  }

  return { show, offer };
}
