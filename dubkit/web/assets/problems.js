// What the check finds, by kind: how many of each, where, and a button that mends what can be mended
// without a choice.

import { h, language, t } from "./dom.js";

const LISTED = 100; // of a kind

/** `go(language, number)` shows a cue, `mend(language, rule)` mends what it can of a kind. */
export function problemPanel(go, mend) {
  const summary = h("p", { class: "dk-muted", role: "status", id: "dk-check" });
  const kinds = h("div", { class: "dk-kinds" });
  const all = h("button", { type: "button", class: "dk-button dk-primary", id: "dk-mend-all", onclick: () => mend("") }, t("mend_all"));
  const whole = h("div", { class: "dk-problems", id: "dk-problems" },
    h("div", { class: "dk-tools" }, all, summary), kinds);
  let open = new Set(); // kinds that are unfolded

  /** Show all violations: [{of, cue, rule, severity, message}], and what is no fault, but to be found. */
  function show(faults, notes) {
    const found = [...grouped(faults)].sort(([, one], [, other]) => other.length - one.length);
    summary.textContent = faults.length ? t("problems", { count: faults.length }) : t("problems_none");
    all.hidden = !faults.length;
    open = new Set([...kinds.children].filter((one) => one.open).map((one) => one.dataset.rule));
    kinds.replaceChildren(...[...found, ...grouped(notes)].map(([rule, list]) => kind(rule, list)));
  }

  function kind(rule, list) {
    const title = t(`rule_${rule.replaceAll("-", "_")}`);
    const errors = list.filter((one) => one.severity === "error").length;
    const whole = h("details", { open: open.has(rule), "data-rule": rule, ontoggle: (event) => event.target.open && fill() },
      h("summary", {}, h("span", { class: errors ? "dk-is-error" : "" }, `${errors ? "▲ " : ""}${title}`), ` ${list.length}`));
    const body = h("div", {});
    whole.append(body);
    const fill = () => body.children.length || body.append(
      list[0].severity === "note" ? "" : h("div", { class: "dk-tools" }, MENDABLE.has(rule)
        ? h("button", { type: "button", class: "dk-button dk-mend", "aria-label": `${t("mend")}: ${title}`, onclick: () => mend(rule) }, t("mend"))
        : h("span", { class: "dk-muted" }, t("mend_not"))),
      h("ul", { class: "dk-warnings" }, list.slice(0, LISTED).map((one) => h("li", {},
        h("button", { type: "button", class: `dk-link dk-is-${one.severity}`, onclick: () => go(one.of, one.cue) },
          `${language(one.of)} ${one.cue}: ${one.message}`)))),
      list.length > LISTED ? h("p", { class: "dk-muted" }, t("and_more", { count: list.length - LISTED })) : "");
    if (open.has(rule)) fill();
    return whole;
  }

  return { whole, show };
}

/** The kinds that dubkit/web/mending.py may mend. */
const MENDABLE = new Set(["gap", "overlap", "lines", "line-length", "min-duration", "reading-speed"]);

function grouped(faults) {
  const found = new Map();
  for (const one of faults) {
    if (found.has(one.rule)) found.get(one.rule).push(one);
    else found.set(one.rule, [one]);
  }
  return found;
}
