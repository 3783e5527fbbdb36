// The page's own part. Gradio draws the form and leaves empty places, #dubkit-top, #dubkit-work and
// some in the form; here they are filled. `window.dubkit` is the bridge: the form gets the video
// from it when its button is pressed, passes it the server's answer and the form's values, and gets
// from it the values to be filled in (see dubkit/web/page.py).
//
// Each part (picker, job, player, editor, history) is a function that returns {whole, show, ...}:
// `whole` is its element, `show` gives it something to show. They know nothing of each other; this
// file connects them. What is shown after a reload comes from the server, by the session's cookie.

import { ask, complaint, h, loadTexts, t } from "./dom.js";
import { editor } from "./editor.js";
import { formParts } from "./form.js";
import { historyList } from "./history.js";
import { jobPanel } from "./job.js";
import { picker } from "./picker.js";
import { player } from "./player.js";
import { studio } from "./studio.js";

let current = null; // the card of the video

await loadTexts();
document.title = t("title");

const error = complaint();
const playing = player();
const editing = editor(playing, (id) => jobs.show(id));
const jobs = jobPanel(over, (id) => jobs.show(id), editing.go, (failure) => form.refused(failure));
const history = historyList(open, again, (video) => video.id === current?.id && choosing.show(null));
const form = formParts(() => current);
const choosing = picker(chosen);
const head = h("header", { class: "dk-header" }, h("h1", {}, "dubkit"), h("p", { class: "dk-muted" }, t("tagline")));
const top = h("div", {}, head, choosing.whole);
const room = studio(playing.whole, editing, head, [
  ["files", t("results"), h("div", { class: "dk-files-panel" }, error.box, jobs.whole, history.whole)],
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
    else if (form.refused(reply)) error.show(null);
    else if (reply.message) error.show(reply);
    else {
      error.show(null);
      jobs.show(reply.job);
      jobs.whole.scrollIntoView({ behavior: "smooth", block: "nearest" });
    }
  },
  failed: () => error.show({ message: t("failed_generic"), hint: "" }),
  wanted: form.wanted,
  filled: form.filled,
  remember: form.remember,
};

/** A video was just uploaded or chosen; null for none. */
function chosen(card) {
  if (card?.id === current?.id) return;
  current = card;
  error.show(null);
  jobs.show(null);
  playing.show(card, null);
  editing.show(card?.id, card?.languages ?? []);
  form.fill(null, card?.jobs?.[0]?.wishes);
  if (card) history.load();
}

/** A video of the history was opened. */
function open(video) {
  choosing.show(video);
  if (video.jobs?.length) jobs.show(video.jobs[0].id);
}

/** Fill the form with the values of an earlier job. */
function again(video, job) {
  open(video);
  form.fill(job.wishes ?? {});
  document.getElementById("dubkit-form")?.scrollIntoView({ behavior: "smooth", block: "start" });
}

/** A job has ended. */
async function over(job) {
  await history.load();
  if (job.video !== current?.id) return;
  playing.show(current, job);
  await editing.show(job.video, job.languages);
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
