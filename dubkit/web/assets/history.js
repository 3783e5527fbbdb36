// The videos of this browser, with the status of their jobs.

import { ask, complaint, h, language, t } from "./dom.js";

const JOBS = 5; // of each video that are shown

/** The part of the page; `open(card)` is called with a video, `again(card, job)` with a job whose
 * settings are to be reused, `removed(card)` with a video that was deleted. */
export function historyList(open, again, removed) {
  const error = complaint();
  const list = h("ul", { class: "dk-history", id: "dk-history" });
  const whole = h("section", { "aria-label": t("history") },
    h("details", { id: "dk-history-box" }, h("summary", {}, t("history")), error.box, list));

  async function load() {
    const videos = await ask("videos");
    list.replaceChildren(...videos.map((video) => h("li", {}, h("div", { class: "dk-history-video" },
      h("button", { type: "button", class: "dk-entry", title: t("open", { name: video.name }), onclick: () => open(video) },
        video.name,
        h("span", { class: "dk-muted" }, video.jobs.length ? t(`state_${video.jobs[0].state}`) : "",
          ` ${new Date(video.made * 1000).toLocaleString()}`)),
      h("button", { type: "button", class: "dk-icon", "aria-label": t("remove", { name: video.name }), title: t("remove", { name: video.name }),
        onclick: () => remove(video) }, "✕")),
      video.jobs.length ? h("ul", { class: "dk-history-jobs" }, video.jobs.filter((job) => !job.opening).slice(0, JOBS).map((job) => row(video, job))) : null)));
    if (!videos.length) list.append(h("li", { class: "dk-muted" }, t("history_empty")));
    return videos;
  }

  function row(video, job) {
    const when = new Date(job.made * 1000).toLocaleString();
    return h("li", {},
      h("span", { class: "dk-muted" }, `${when} · ${t(`state_${job.state}`)} · ${asked(job.wishes ?? {})}`),
      h("button", { type: "button", class: "dk-button dk-again", "aria-label": `${t("same_settings")} (${when})`,
        onclick: () => again(video, job) }, t("same_settings")));
  }

  async function remove(video) {
    if (!window.confirm(t("remove_sure", { name: video.name }))) return;
    try {
      await ask(`videos/${video.id}`, { method: "DELETE" });
      error.show(null);
      removed(video);
    } catch (failure) {
      error.show(failure);
    }
    await load();
  }

  return { whole, load };
}

/** What was requested, in a few words. */
export function asked(wishes) {
  const to = typeof wishes.to === "string" ? wishes.to.split(",") : (wishes.to ?? []);
  return [wishes.subs && t("subs"), to.length && to.map((tag) => language(tag)).join(", "),
    wishes.dub && t("dub"), wishes.burn && t("burn")].filter(Boolean).join(", ");
}
