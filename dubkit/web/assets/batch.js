// Videos that came together: one list of them with their states; Start is for all.

import { ask, h, t } from "./dom.js";

const EVERY = 2000; // milliseconds between two requests

/** The part of the page; `open(card)` is called with a video of the list. */
export function batchList(open) {
  const list = h("ul", { class: "dk-history", id: "dk-batch" });
  const whole = h("section", { class: "dk-job", hidden: true, "aria-label": t("batch") },
    h("h2", {}, t("batch")), list);
  let cards = [];
  let timer = 0;

  /** Show the videos that came together; fewer than two are no batch. */
  function show(some) {
    clearTimeout(timer);
    cards = some.length > 1 ? some : [];
    whole.hidden = !cards.length;
    paint();
  }

  function paint() {
    list.replaceChildren(...cards.map((card) => h("li", {},
      h("button", { type: "button", class: "dk-entry", title: t("open", { name: card.name }), onclick: () => open(card) },
        card.name, h("span", { class: "dk-muted" }, card.jobs?.length ? t(`state_${card.jobs[0].state}`) : "")))));
  }

  /** Start the job of the first one for the others, too; each with the text that came with it. */
  async function start(first, wishes) {
    const { subs_from: _, script, glossary, speakers_from: turns, ...common } = wishes;
    const failures = [];
    for (const card of cards.filter((one) => one.id !== first)) {
      try {
        const text = card.text ? { subs_from: card.text } : card.script ? { script: card.script } : {};
        const own = { ...common, ...text };
        await ask("jobs", { method: "POST", body: { video: card.id, wishes: own } });
      } catch (failure) {
        failures.push({ message: `${card.name}: ${failure.message}`, hint: failure.hint });
      }
    }
    await look();
    return failures[0] ?? null;
  }

  async function look() {
    clearTimeout(timer);
    if (!cards.length) return;
    const videos = await ask("videos").catch(() => []);
    cards = cards.map((card) => ({ ...card, ...videos.find((one) => one.id === card.id) }));
    paint();
    const busy = cards.some((card) => ["waiting", "running"].includes(card.jobs?.[0]?.state));
    if (busy) timer = setTimeout(look, EVERY);
  }

  return { whole, show, start, has: (id) => cards.some((card) => card.id === id) };
}
