// A subtitle file that came with a film: whether its times fit it, and if not, better ones.

import { ask, clock, h, t } from "./dom.js";

const OURS = /\.synced\.\w+$/; // what has new times already

/** The part of the page; `started(id)` is called with a job, `open(name)` with a text that has new
 * times. */
export function fitting(started, open) {
  const said = h("span", { role: "status", id: "dk-fit-said" });
  const button = (id, text, by) => h("button", { type: "button", class: "dk-button", id, onclick: () => begin(by) }, text);
  const fit = button("dk-fit-times", t("fit"), "auto");
  const words = button("dk-fit-words", t("fit_words"), "words");
  const close = h("button", { type: "button", class: "dk-icon", title: t("close"), "aria-label": t("close"), onclick: () => {
    closed = name;
    whole.hidden = true;
  } }, "✕");
  const whole = h("div", { class: "dk-fit", id: "dk-fit", hidden: true }, said, fit, words, close);
  let video = null; // the id
  let name = ""; // of the text
  let closed = ""; // the text about which nothing more is asked
  let found = null; // {video, text}: what the message is about

  /** Offer it for the text of a video; null for none. */
  function show(card) {
    const from = card?.jobs?.find((job) => job.wishes?.subs)?.wishes.subs_from ?? "";
    const offered = card && card.kind !== "text" && from && !from.startsWith("embedded");
    [video, name] = [card?.id ?? null, offered ? from : ""];
    const about = found && found.video === video && [found.text, found.made].includes(name);
    whole.hidden = !name || name === closed || (!about && OURS.test(name));
    if (!about && name) say(t("fit_ask", { name }), true, false);
    if (!about) found = null;
  }

  function say(text, again, byWords) {
    said.textContent = text;
    fit.hidden = !again;
    words.hidden = !byWords;
  }

  async function begin(by) {
    fit.disabled = words.disabled = true;
    try {
      const text = found?.made === name ? found.text : name; // again from the file that came
      const { job } = await ask(`videos/${video}/fit`, { method: "POST", body: { text, by } });
      found = { video, text };
      say(t("fit_looking"), false, false);
      started(job);
    } catch (failure) {
      say([failure.message, failure.hint].filter(Boolean).join(" · "), true, false);
    }
    fit.disabled = words.disabled = false;
  }

  /** A job about the times of a text has ended. */
  async function over(job) {
    const { events } = await ask(`jobs/${job.id}`);
    const result = events.findLast((event) => event.fit)?.fit;
    const failure = events.findLast((event) => event.event === "error");
    if (job.video !== video) return;
    found = { video, text: job.fitting, made: result?.state === "synced" ? result.name : undefined };
    if (result?.state === "synced") {
      const parts = result.pieces.map((piece, at) => described(piece, at)).join("; ");
      say([t("fit_done", { name: job.fitting, found: parts }), ...result.warnings].join(" "), false, result.by !== "words");
      open(result.name);
    } else if (result?.state === "in sync") say(t("fit_already", { name: job.fitting }), false, result.by !== "words");
    else if (failure?.kind === "NotSure") say(t("fit_unsure", { name: job.fitting }), false, job.by === "auto");
    else say(t("fit_ask", { name: job.fitting }), true, false);
  }

  return { whole, show, over };
}

/** How the times were changed from one place on. */
function described(piece, at) {
  const parts = [];
  if (piece.rates) parts.push(t("fit_rate", { old: piece.rates[0], new: piece.rates[1] }));
  else if (piece.scale !== 1) parts.push(t(piece.scale > 1 ? "fit_slower" : "fit_faster", { percent: (Math.abs(piece.scale - 1) * 100).toFixed(2) }));
  if (Math.abs(piece.shift) >= 0.05) parts.push(t(piece.shift > 0 ? "fit_later" : "fit_earlier", { seconds: Math.abs(piece.shift).toFixed(1) }));
  if (!parts.length) parts.push(t("fit_same"));
  return at ? t("fit_from", { time: clock(piece.from), change: parts.join(", ") }) : parts.join(", ");
}
