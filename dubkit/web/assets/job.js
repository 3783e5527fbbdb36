// One job: its state, recognized text, errors; and, while it is at work, a strip with its step, the bar
// of all steps, speed and time left, which is in view whatever else is.

import { notifier, showTitle } from "./attention.js";
import { ask, Refused, clock, complaint, h, has, language, size, t } from "./dom.js";

const EVERY = 400; // milliseconds between two requests
const LOST = 2000; // ... when the server does not answer
const LATE = 0.15; // what is left for each second that an end is overdue, as in the terminal

/** The part of the page, and its `strip`; `over(job)` is called when a job has ended, `again(id)` with another one,
 * `cue(language, number)` when a warning about a cue is pressed, `blame(failure)` with an error that
 * has just occurred; `fill(cues)` with what is recognized so far, and says whether it shows that. */
export function jobPanel(over, again, cue, blame, fillList) {
  const error = complaint();
  const state = h("span", { class: "dk-state", role: "status", id: "dk-state" });
  const stage = h("p", { class: "dk-stage", id: "dk-stage" });
  const bar = h("div", { class: "dk-bar", role: "progressbar", id: "dk-bar", "aria-valuemin": 0,
    "aria-valuemax": 100, "aria-label": t("state_running") }, h("div"));
  const notify = notifier();
  const speed = h("span", { class: "dk-pace" });
  const left = h("span", {});
  const took = h("p", { class: "dk-muted" });
  const live = h("div", { class: "dk-so-far", id: "dk-live", tabindex: "0", "aria-label": t("live") });
  const warnings = h("ul", { class: "dk-warnings" });
  const reckoned = h("ul", { class: "dk-warnings", id: "dk-reckoned" });
  const lost = h("p", { class: "dk-muted", hidden: true }, t("lost"));
  const cancel = h("button", { type: "button", class: "dk-button", id: "dk-cancel", onclick: stop }, t("cancel"));
  const resume = h("button", { type: "button", class: "dk-button", id: "dk-continue", onclick: goOn }, t("continue"));
  const details = (title, content) => h("details", { hidden: true, open: true }, h("summary", {}, title), content);
  const liveBox = details(t("live"), live);
  const warningBox = details(t("warnings"), warnings);
  const reckonedBox = details(t("reckoned"), reckoned);
  const name = h("h2", { id: "dk-job-name" });
  const strip = h("div", { class: "dk-at-work", id: "dk-at-work", hidden: true }, stage, bar,
    h("p", { class: "dk-muted", id: "dk-speed" }, speed, left), cancel);
  const whole = h("section", { class: "dk-job", id: "dk-job", hidden: true, "aria-labelledby": "dk-job-name" },
    h("div", { class: "dk-card-head" }, name, state, resume),
    notify.box, took, lost, error.box, reckonedBox, warningBox, liveBox);

  let shown = null; // the id of the job
  let next = 0;
  let cues = [];
  let warned = [];
  let begun = { stage: "", at: 0, done: 0 };
  let ahead = null; // of all steps: the time left at the latest event, when that was, the share done
  let pace = []; // of the stage
  let watched = false; // whether it was seen running
  let timer = 0;

  function show(id) {
    clearTimeout(timer);
    watched = false;
    [shown, next, cues, warned] = [id, 0, [], []];
    begun = { stage: "", at: 0, done: 0 };
    ahead = null;
    pace = [];
    showTitle(null, null);
    whole.hidden = !id;
    strip.hidden = true;
    delete whole.dataset.state;
    for (const box of [liveBox, warningBox, reckonedBox]) box.hidden = true;
    live.replaceChildren();
    warnings.replaceChildren();
    cancel.disabled = false;
    cancel.textContent = t("cancel");
    error.show(null);
    speed.textContent = left.textContent = took.textContent = "";
    fill(0);
    if (id) look(id);
  }

  async function look(id) {
    let wait = EVERY;
    try {
      const job = await ask(`jobs/${id}?after=${next}`);
      if (id !== shown) return;
      lost.hidden = true;
      const more = job.next > next; // there may be too many events for one answer
      next = job.next;
      const had = cues;
      for (const event of job.events) take(event);
      const running = ["waiting", "running"].includes(job.state);
      if (cues.length && cues !== had) recognized(running);
      watched ||= running;
      paint(job);
      if (!["waiting", "running"].includes(job.state)) {
        if (more) look(id);
        else end(job);
        return;
      }
    } catch (failure) {
      if (id !== shown) return;
      if (failure instanceof Refused) {
        error.show(failure);
        return;
      }
      lost.hidden = false;
      wait = LOST;
    }
    timer = setTimeout(() => look(id), wait);
  }

  function take(event) {
    if (event.event === "progress") progress(event);
    if (event.event === "text") {
      cues = cues.filter((old) => Math.min(old.end, event.end) - Math.max(old.start, event.start) < (old.end - old.start) / 2);
      cues.push(event);
    }
    // What a script and the speech differ in has a list to itself.
    if (event.event === "warning" && event.about !== "script" && !warned.includes(event.message)) {
      warned.push(event.message);
      warnings.append(h("li", {}, warning(event.message)));
      warningBox.hidden = false;
    }
    if (event.event === "error") {
      error.show(event);
      if (watched) blame(event);
    }
    if (event.event === "result" && event.estimates) {
      reckoned.replaceChildren(...event.estimates.map((one) => h("li", {}, one.message)));
      reckonedBox.hidden = !event.estimates.length;
    }
    if (event.event === "result" && event.rtfx) {
      const total = event.timings.total;
      took.textContent = t("took", { time: clock(total), length: clock(total * event.rtfx) });
    }
  }

  /** Show what is recognized so far: in the list of cues, if there are none yet. */
  function recognized(running) {
    cues.sort((a, b) => a.start - b.start);
    liveBox.hidden = running && fillList(cues);
    if (liveBox.hidden) return;
    live.replaceChildren(...cues.map((cue) =>
      h("p", {}, h("span", { class: "dk-time" }, clock(cue.start)), cue.text)));
    live.scrollTop = live.scrollHeight;
  }

  // "pt: cue 3: ..." leads to that cue; without a language, to one of the spoken language.
  function warning(message) {
    const [, tag, number] = message.match(/^(?:([A-Za-z-]+): )?cue (\d+):/) ?? [];
    if (!number) return message;
    return h("button", { type: "button", class: "dk-link", onclick: () => cue(tag, Number(number)) }, message);
  }

  function progress(event) {
    const [verb, ...rest] = event.stage.split(" ");
    if (event.stage !== begun.stage) begun = { stage: event.stage, at: event.at, done: event.done };
    const of = verb === "translate" || verb === "speak" ? language(rest.join(" ")) : rest.join(" ");
    const doing = has(`stage_${verb}`) ? t(`stage_${verb}`, { rest: of }) : event.stage;
    const { step, steps } = event;
    stage.textContent = [steps ? t("step", { step, steps }) : "", doing].filter(Boolean).join(" · ");
    const rate = (event.done - begun.done) / (event.at - begun.at);
    const moves = rate > 0 && Number.isFinite(rate) && event.total;
    if (!moves) pace = [];
    else if (verb === "download") pace = [`${size(event.done)} / ${size(event.total)}`, `${size(rate)}/s`];
    else pace = [`${clock(event.done)} / ${clock(event.total)}`, t("times_real", { speed: rate.toFixed(1) })];
    if (typeof event.seconds_left === "number") {
      const [at, left] = [event.at, event.seconds_left];
      ahead = { at, left, share: Math.max(ahead?.share ?? 0, at / (at + left || 1)) };
    }
  }

  // All steps: the time left, which goes on between two events, and the share that is done, which
  // does not: a step that is overdue would fill the bar.
  function tick(ran) {
    speed.textContent = pace.join(" · ");
    if (ahead) {
      const waited = Math.max(0, ran - ahead.at);
      const rest = Math.max(ahead.left - waited, LATE * (waited - ahead.left));
      left.textContent = t("left", { time: clock(rest) });
    }
    fill(ahead?.share ?? 0);
  }

  function fill(share) {
    const percent = Math.round(Math.min(Math.max(share, 0), 1) * 100);
    bar.firstChild.style.width = `${percent}%`;
    bar.setAttribute("aria-valuenow", percent);
  }

  function paint(job) {
    name.textContent = job.name;
    const running = ["waiting", "running"].includes(job.state);
    whole.dataset.state = job.state;
    state.textContent = job.state === "waiting" && job.place > 1
      ? t("state_waiting_place", { count: job.place - 1 }) : t(`state_${job.state}`);
    strip.hidden = !running;
    if (running && !begun.stage) stage.textContent = job.state === "running" ? t("stage_start") : state.textContent;
    notify.box.classList.toggle("dk-gone", !running);
    if (running) {
      tick(job.ran);
      showTitle(job, ahead?.share ?? null);
    }
    resume.hidden = running || job.state === "done";
    resume.textContent = job.state === "failed" ? t("run_again") : t("continue");
  }

  function end(job) {
    if (document.activeElement === document.body && cancel.disabled) resume.focus({ preventScroll: true });
    if (job.state === "done") liveBox.open = false;
    if (watched) notify.tell(job);
    over(job);
  }

  async function stop() {
    cancel.disabled = true;
    cancel.textContent = t("cancelling");
    try {
      await ask(`jobs/${shown}/cancel`, { method: "POST" });
    } catch (failure) {
      error.show(failure);
    }
  }

  async function goOn() {
    try {
      const made = await ask(`jobs/${shown}/again`, { method: "POST" });
      again(made.job);
    } catch (failure) {
      error.show(failure);
    }
  }

  return { whole, strip, show, calm: () => error.show(null) };
}
