// What the text of a film and its speech differ in: what nobody speaks, and what is spoken besides.

import { ask, clock, h, t } from "./dom.js";

/** The part of the page; `go(seconds)` shows a place in the film. */
export function differenceList(go) {
  const body = h("div", {});
  const whole = h("section", { class: "dk-job", id: "dk-differences", hidden: true, "aria-label": t("differences") },
    h("details", { open: true }, h("summary", {}, t("differences")), body));
  let shown = null; // the id of the video

  /** Show those of a video's last job; null for none. */
  async function show(video) {
    shown = video?.id ?? null;
    const last = video?.jobs?.find((job) => !job.opening);
    whole.hidden = true;
    if (!last?.wishes?.script || last.state !== "done") return;
    const found = await ask(`videos/${video.id}/script`).catch(() => null);
    if (!found?.script || shown !== video.id) return;
    const left = found.count - found.unspoken.length - found.extra.length;
    body.replaceChildren(
      list("unspoken", t("unspoken", { count: found.unspoken.length }), found.unspoken.map((one) =>
        [place(one), one.text])),
      list("extra", t("extra", { count: found.extra.length }), found.extra.map((one) =>
        h("button", { type: "button", class: "dk-link", onclick: () => go(one.start) },
          h("span", { class: "dk-time" }, clock(one.start)), one.text))),
      found.count ? "" : h("p", { class: "dk-muted" }, t("differences_none", { name: found.script })),
      left > 0 ? h("p", { class: "dk-muted" }, t("and_more", { count: left })) : "");
    whole.hidden = false;
  }

  /** Where a piece of the text is: a line of a text, a page of a PDF. */
  const place = (one) => {
    if (one.line) return h("span", { class: "dk-time" }, t("script_line", { number: one.line }));
    return one.page ? h("span", { class: "dk-time" }, t("script_page", { number: one.page })) : "";
  };

  const list = (name, title, items) => (items.length
    ? h("div", { class: `dk-${name}` }, h("h3", {}, title), h("ul", { class: "dk-warnings" }, items.map((item) => h("li", {}, item))))
    : "");

  return { whole, show };
}
