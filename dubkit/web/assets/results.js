// All results of a video, whatever became of later jobs: those that were made together stand
// together, under what made them.

import { base, h, size, t } from "./dom.js";
import { asked } from "./history.js";

/** The part of the page. */
export function resultList() {
  const list = h("div", { id: "dk-files" });
  const whole = h("section", { class: "dk-job", hidden: true, "aria-label": t("results") },
    h("details", { open: true }, h("summary", {}, t("results")), list));

  /** Show the results of a video; null for none. */
  function show(video) {
    const results = video?.results ?? [];
    whole.hidden = !results.length;
    const jobs = [...new Set(results.map((one) => one.job))];
    list.replaceChildren(...jobs.map((job) => group(video, results.filter((one) => one.job === job))));
    if (results.length > 1) {
      list.append(h("ul", { class: "dk-files" }, h("li", {},
        h("a", { href: `${base}videos/${video.id}/zip`, download: "", id: "dk-zip" }, t("download_all")))));
    }
  }

  function group(video, made) {
    const when = new Date(made[0].made * 1000).toLocaleString();
    return h("div", { class: "dk-made" },
      h("p", { class: "dk-muted" }, [when, asked(made[0].wishes)].filter(Boolean).join(" · ")),
      h("ul", { class: "dk-files" }, made.map((file) => h("li", {},
        h("a", { href: address(video, file), download: file.name, "aria-label": t("download", { name: file.name }) }, file.name),
        h("span", { class: "dk-muted" }, size(file.size))))));
  }

  return { whole, show };
}

/** Where a result of a video is. */
export function address(video, file) {
  return `${base}videos/${video.id}/files/${encodeURIComponent(file.name)}`;
}
