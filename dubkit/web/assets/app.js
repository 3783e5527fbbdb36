// The page's own part. Gradio draws the form and leaves empty places, #dubkit-top, #dubkit-work and
// some in the form; here they are filled. `window.dubkit` is the bridge: the form gets the video
// from it when its button is pressed, passes it the server's answer and the form's values, and gets
// from it the values to be filled in (see dubkit/web/page.py).
//
// Each part (picker, job, player, editor, history) is a function that returns {whole, show, ...}:
// `whole` is its element, `show` gives it something to show. They know nothing of each other; this
// file connects them. What is shown after a reload comes from the server, by the session's cookie.

import { batchList } from "./batch.js";
import { ask, complaint, h, loadTexts, reach, t } from "./dom.js";
import { differenceList } from "./differences.js";
import { editor } from "./editor.js";
import { fitting } from "./fitting.js";
import { formParts } from "./form.js";
import { historyList } from "./history.js";
import { jobPanel } from "./job.js";
import { liveCaptions } from "./live.js";
import { picker } from "./picker.js";
import { player } from "./player.js";
import { resultList } from "./results.js";
import { studio } from "./studio.js";

const EVERY = 300; // milliseconds between two looks at a text that is being opened

let current = null; // the card of the video

await loadTexts();
document.title = t("title");

const error = complaint();
const playing = player();
const editing = editor(playing, (id) => jobs.show(id));
const jobs = jobPanel(over, (id) => jobs.show(id), editing.go, (failure) => form.refused(failure), editing.fillWith);
const history = historyList(open, again, (video) => video.id === current?.id && choosing.show(null));
const form = formParts(() => current);
const choosing = picker(chosen);
const results = resultList();
const differences = differenceList((seconds) => editing.goToTime(seconds));
const batch = batchList((card) => open(card));
const fit = fitting((id) => jobs.show(id), (name) => openText({ ...current, text: name }));
editing.whole.querySelector(".dk-head").after(fit.whole);
const head = h("header", { class: "dk-header" }, h("h1", {}, "dubkit"), h("p", { class: "dk-muted" }, t("tagline")));
const live = liveCaptions();
const top = h("div", {}, head, choosing.whole, live.whole);
const room = studio(playing.whole, editing, head, jobs.strip, [
  ["files", t("results"), h("div", { class: "dk-files-panel" }, error.box, batch.whole, jobs.whole, differences.whole, results.whole, history.whole)],
  ["problems", t("problems_panel"), editing.problems],
  ["speakers", t("speakers_panel"), editing.speakers],
  ["style", t("style"), editing.look.whole, editing.look.draw],
]);
editing.count = (number) => room.count("problems", number);
editing.wishes = () => current?.jobs?.[0]?.wishes ?? {};
const work = room.whole;

window.dubkit = {
  video: () => current?.id ?? "",
  started(answer) {
    const reply = JSON.parse(answer);
    jobs.calm();
    if (reply.missing) error.show({ message: t("no_video"), hint: t("no_video_hint") });
    else if (reply.busy) error.show(reply, { label: t("start_instead"), press: () => startInstead(reply.wishes) });
    else if (form.refused(reply)) error.show(null);
    else if (reply.message) error.show(reply);
    else {
      error.show(null);
      jobs.show(reply.job);
      if (batch.has(current?.id)) batch.start(current.id, reply.wishes).then((failure) => failure && error.show(failure));
      jobs.whole.scrollIntoView({ behavior: "smooth", block: "nearest" });
    }
  },
  failed: () => error.show({ message: t("failed_generic"), hint: "" }),
  async ready(names, values) {
    reach().catch((failure) => error.show(failure)); // Gradio is silent about that
    return form.ready(names, values);
  },
  wanted: form.wanted,
  filled: form.filled,
  remember: form.remember,
};

/** Start a job in place of the one that works on the video. */
async function startInstead(wishes) {
  try {
    const made = await ask("jobs", { method: "POST", body: { video: current.id, wishes, instead: true } });
    error.show(null);
    jobs.show(made.job);
  } catch (failure) {
    error.show(failure);
  }
}

/** Videos were just uploaded or chosen, or a text came for the one that is shown. */
function chosen(cards) {
  const card = cards[0] ?? null;
  error.show(null);
  if (card?.id !== current?.id) choose(card);
  if (!batch.has(card?.id)) batch.show(cards);
  if (card?.script && !card.text) form.change({ script: card.script, subs_from: "" });
  for (const one of cards) if (one.text || (one.kind === "text" && !one.jobs?.length)) openText(one);
}

/** A text that came is opened at once: its cues can be edited before anything is made of them. */
async function openText(card) {
  try {
    const made = await ask(`videos/${card.id}/open`, { method: "POST", body: { text: card.text ?? "" } });
    if (card.text && card.id === current?.id) form.change({ subs_from: card.text, script: "" });
    for (;;) {
      const job = await ask(`jobs/${made.job}`);
      const failure = job.events.find((event) => event.event === "error");
      if (failure && card.id === current?.id) error.show(failure);
      if (job.state === "cancelled") return; // another has taken its place
      if (job.ended) return over(job);
      await new Promise((done) => setTimeout(done, EVERY));
    }
  } catch (failure) {
    error.show(failure);
  }
}

function choose(card) {
  current = card;
  error.show(null);
  jobs.show(null);
  results.show(card);
  differences.show(card);
  fit.show(card);
  playing.show(card);
  live.show(card);
  editing.show(card?.id, card?.languages ?? []);
  form.fill(null, card?.jobs?.find((job) => !job.opening)?.wishes);
  if (card) history.load();
}

/** A video of the history was opened. */
function open(video) {
  choosing.show(video);
  const job = video.jobs?.find((one) => !one.opening || ["waiting", "running"].includes(one.state));
  if (job) jobs.show(job.id);
}

/** Fill the form with the values of an earlier job. */
function again(video, job) {
  open(video);
  form.fill(job.wishes ?? {});
  document.getElementById("dubkit-form")?.scrollIntoView({ behavior: "smooth", block: "start" });
}

/** A job has ended. */
async function over(job) {
  const videos = await history.load();
  if (job.video !== current?.id) return;
  current = videos.find((video) => video.id === job.video) ?? current;
  results.show(current);
  differences.show(current);
  fit.show(current);
  if (job.fitting) await fit.over(job);
  playing.show(current);
  await editing.show(current.id, current.languages);
}

function attach() {
  const put = (place, part) => {
    const element = document.getElementById(place);
    if (element && part.parentElement !== element) element.replaceChildren(part);
  };
  put("dubkit-top", top);
  put("dubkit-work", work);
  form.attach(put);
}

/** A pointer that is released where it pressed Start counts as a click on it, even if a group of
 * the form that appeared or vanished meanwhile has moved the button away. */
function holdStart() {
  let at = null;
  const start = (event) => event.target.closest?.("#dubkit-start");
  document.addEventListener("pointerdown", (event) => (at = start(event) ? [event.clientX, event.clientY] : null));
  document.addEventListener("click", (event) => {
    if (!event.isTrusted) return; // by a script
    const moved = at && Math.hypot(event.clientX - at[0], event.clientY - at[1]);
    const lost = moved !== null && moved < 10 && !start(event);
    at = null;
    if (lost) document.querySelector("#dubkit-start").click();
  });
}

// Gradio draws its page after this script has started.
attach();
holdStart();
new MutationObserver(attach).observe(document.body, { childList: true, subtree: true });

const videos = await history.load();
const busy = videos.find((video) => video.jobs.some((job) => ["waiting", "running"].includes(job.state)));
if (busy ?? videos[0]) open(busy ?? videos[0]);
else form.fill();
document.documentElement.dataset.dubkit = "ready";
