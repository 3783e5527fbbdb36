// Selecting a video: drop it, choose it, or choose one under the server's --root.

import { ask, clock, complaint, h, language, Refused, size, t } from "./dom.js";

/** The part of the page; `chosen(card)` is called with a video, or with null for another one. */
export function picker(chosen) {
  const error = complaint();
  const input = h("input", { type: "file", id: "dk-file", class: "dk-hidden", tabindex: "-1",
    "aria-label": t("choose_file") });
  const status = h("p", { class: "dk-muted", role: "status" });
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": t("choose_file") });
  const root = h("div", { class: "dk-root", hidden: true });
  const drop = h(
    "div",
    { class: "dk-drop" },
    h("p", { class: "dk-drop-title" }, t("drop")),
    h("p", { class: "dk-muted" }, t("drop_hint")),
    h(
      "div",
      { class: "dk-buttons" },
      h("button", { type: "button", class: "dk-button", id: "dk-choose", onclick: () => input.click() },
        t("choose_file")),
      h("button", { type: "button", class: "dk-button", id: "dk-browse", onclick: () => browse("") },
        t("choose_root")),
    ),
    input, status, bar, root, error.box,
  );
  const card = h("div", { class: "dk-card", id: "dk-card", hidden: true });
  const whole = h("section", { "aria-label": t("drop") }, drop, card);
  const place = h("input", { type: "text", id: "dk-root-path", autocomplete: "off", spellcheck: false,
    "aria-label": t("root_path"), placeholder: t("root_path"), onkeydown: (event) => event.key === "Enter" && place.value.trim() && choose(place.value) });
  let sending = null;

  input.addEventListener("change", () => input.files[0] && send(input.files[0]));
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("dk-over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("dk-over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  });
  // A file that is dropped beside the drop area must not replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => event.preventDefault());
  }

  function send(file) {
    sending?.abort();
    error.show(null);
    status.textContent = t("sending", { name: file.name });
    bar.hidden = false;
    // fetch() does not report upload progress.
    const request = (sending = new XMLHttpRequest());
    request.upload.onprogress = (event) => {
      bar.value = event.total ? event.loaded / event.total : 0;
      if (event.loaded === event.total) status.textContent = t("looking", { name: file.name });
    };
    request.onload = () => {
      const answer = answered(request);
      if (request.status === 200) show(answer);
      else refuse(new Refused(answer.message ?? t("failed_generic"), answer.hint));
    };
    request.onerror = () => refuse(new Refused(t("failed_generic"), ""));
    request.open("PUT", `/dubkit/videos?name=${encodeURIComponent(file.name)}`);
    request.send(file);
  }

  function answered(request) {
    try {
      return JSON.parse(request.responseText);
    } catch {
      return {};
    }
  }

  function refuse(failure) {
    quiet();
    error.show(failure);
  }

  function quiet() {
    input.value = "";
    status.textContent = "";
    bar.hidden = true;
  }

  async function browse(path) {
    error.show(null);
    try {
      const entries = await ask(`root?path=${encodeURIComponent(path)}`);
      const up = path && h("button", { type: "button", class: "dk-entry", onclick: () =>
        browse(path.split("/").slice(0, -1).join("/")) }, `↑ ${t("root_up")}`);
      root.replaceChildren(
        place, ...(up ? [up] : []),
        ...entries.map((entry) =>
          h("button", { type: "button", class: "dk-entry", onclick: () =>
            entry.folder ? browse(entry.path) : choose(entry.path) },
            entry.folder ? `${entry.name}/` : entry.name,
            entry.folder ? null : h("span", { class: "dk-muted" }, size(entry.size))),
        ),
        ...(entries.length ? [] : [h("p", { class: "dk-muted" }, t("root_empty"))]),
      );
      root.hidden = false;
    } catch (failure) {
      error.show(failure);
    }
  }

  async function choose(path) {
    error.show(null);
    try {
      show(await ask("root", { method: "POST", body: { path } }));
    } catch (failure) {
      error.show(failure);
    }
  }

  function show(video) {
    quiet();
    error.show(null);
    root.hidden = true;
    drop.hidden = Boolean(video);
    card.hidden = !video;
    if (video) card.replaceChildren(...described(video, () => show(null)));
    chosen(video);
    // Keyboard users continue from here.
    if (document.activeElement === document.body) whole.querySelector(video ? "#dk-another" : "#dk-choose").focus({ preventScroll: true });
  }

  return { whole, show };
}

function described(video, another) {
  const facts = [];
  if (video.duration) facts.push([t("length"), clock(video.duration)]);
  for (const [codec, width, height, rate] of video.video ?? []) {
    facts.push([t("picture"), `${width} × ${height}, ${codec}, ${Number(rate.toFixed(2))} fps`]);
  }
  for (const [codec, tag, title, channels] of video.audio ?? []) {
    const parts = [tag && language(tag), title, codec, `${channels} ch`];
    facts.push([t("sound"), parts.filter(Boolean).join(", ")]);
  }
  const inside = (video.subtitles ?? []).map(([codec, tag, title]) => title || (tag && language(tag)) || codec);
  if (inside.length) facts.push([t("tracks_inside"), inside.join(", ")]);
  if (video.cues) facts.push([t("column_text"), t("cues_inside", { count: video.cues })]);
  return [
    h("div", { class: "dk-card-head" },
      h("h2", {}, video.name),
      h("button", { type: "button", class: "dk-button", id: "dk-another", onclick: another }, t("another"))),
    h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    ...(video.warnings ?? []).map((warning) => h("p", { class: "dk-muted" }, warning)),
  ];
}
