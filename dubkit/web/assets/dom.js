// What all parts of the page use: elements, texts, and requests to the server.
// Texts from files and from the server become text nodes, never markup.

/** An element: h("button", {class: "x", onclick: f}, "text", other). */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && typeof value === "boolean") element[key] = value;
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** The path of the page's own routes: under a proxy's sub-path, too. */
export const base = new URL("..", import.meta.url).pathname;

/** Names of texts without times. */
export const SCRIPT = /\.(txt|md|fountain|docx|pdf)$/i;

let texts = {};

export async function loadTexts() {
  const response = await fetch(`${base}texts?language=${encodeURIComponent(navigator.language)}`);
  texts = await response.json();
}

/** A text of the page, with {name} replaced. */
export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function has(key) {
  return key in texts;
}

/** What texts there are whose keys begin so: their keys without it. */
export function namesOf(prefix) {
  return Object.keys(texts).filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
}

/** A refusal of the server, in its own words. */
export class Refused extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint ?? "";
  }
}

/** The server does not answer, or cannot be reached. */
export class Lost extends Error {
  constructor() {
    super(t("no_answer"));
    this.hint = t("no_answer_hint");
  }
}

/** The JSON of the server's answer to a request. Throws Refused, or Lost. */
async function answered(address, options) {
  const response = await fetch(address, options).catch(() => { throw new Lost(); });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(answer.message ?? t("failed_generic"), answer.hint);
  return answer;
}

/** Throws Lost if the server does not answer. */
export const reach = () => answered(`${base}../healthz`, {});

/** Send a request to the server; returns the JSON of its answer. Throws Refused, or Lost. */
export async function ask(path, { method = "GET", body } = {}) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json" };
  }
  return answered(`${base}${path}`, options);
}

/** Send a file that belongs to a video; returns {name, added}. Throws Refused, or Lost. */
export async function putBeside(video, file) {
  const address = `${base}videos/${video}/other?name=${encodeURIComponent(file.name)}`;
  return answered(address, { method: "PUT", body: file });
}

/** A box that shows what went wrong and what to do, with a button if there is an `action`
 * {label, press}; null clears it. */
export function complaint() {
  const box = h("div", { class: "dk-error", role: "alert", hidden: true });
  return {
    box,
    show(failure, action) {
      box.hidden = !failure;
      box.replaceChildren();
      if (!failure) return;
      box.append(h("strong", {}, failure.message ?? String(failure)));
      if (failure.hint) box.append(h("span", {}, failure.hint));
      if (action) box.append(h("button", { type: "button", class: "dk-button", onclick: action.press }, action.label));
    },
  };
}

const languages = new Map(); // their names by tag: making one takes a while

export function language(tag) {
  if (!languages.has(tag)) languages.set(tag, named(tag));
  return languages.get(tag);
}

function named(tag) {
  try {
    return new Intl.DisplayNames([navigator.language], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/** 1:02:03, or 2:03; with digits, 2:03.450. */
export function clock(seconds, digits = 0) {
  const scale = 10 ** digits;
  let left = Math.round(Math.max(seconds, 0) * scale);
  const part = left % scale;
  left = Math.floor(left / scale);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(left / 3600), Math.floor(left / 60) % 60, left % 60];
  const whole = hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  return digits ? `${whole}.${String(part).padStart(digits, "0")}` : whole;
}

/** The seconds of a time such as 1:02.5, or NaN. */
export function seconds(text) {
  const parts = text.trim().replace(",", ".").split(":");
  if (parts.length > 3 || parts.some((part) => !/^\d+(\.\d*)?$/.test(part))) return NaN;
  if (parts.slice(1).some((part) => Number(part) >= 60)) return NaN; // 9:99
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}
