// What is seen while another tab is in front: the tab's title, and a notification when a job ends.

import { h, t } from "./dom.js";

const KEY = "dubkit-notify"; // in the browser: whether to notify

/** The tab's title: of a job that runs, how much of it is done (0 to 1, if known); else its end. */
export function showTitle(job, share) {
  const percent = share === null ? "" : `${Math.floor(share * 100)} % `;
  document.title = job ? `${percent}${job.name} - dubkit` : t("title");
}

/** The box that asks for notifications, and `tell(job)`, for a job that has just ended. */
export function notifier() {
  const possible = "Notification" in window && window.isSecureContext;
  const wanted = () => possible && Notification.permission === "granted" && localStorage.getItem(KEY) === "yes";
  const tick = h("input", { type: "checkbox", id: "dk-notify", onchange: choose });
  const box = h("label", { class: "dk-notify dk-muted", hidden: !possible }, tick, t("notify"));
  tick.checked = wanted();

  // A browser asks its user only after a press, and once: a refusal is final until they undo it.
  async function choose() {
    if (tick.checked && Notification.permission !== "granted") {
      tick.checked = (await Notification.requestPermission()) === "granted";
      tick.disabled = Notification.permission === "denied";
    }
    localStorage.setItem(KEY, tick.checked ? "yes" : "no");
  }

  function tell(job) {
    const text = `${t(`state_${job.state}`)}: ${job.name}`;
    document.title = text;
    if (wanted() && document.hidden) new Notification(text, { tag: job.id });
  }

  return { box, tell };
}
