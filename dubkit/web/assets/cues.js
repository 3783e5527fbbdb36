// What is known of cues without the page: which belong together, how wide and how fast their text is.
// The server's check (dubkit/cues/check.py) has the last word; this is for while somebody types.

const MARKS = /<\/?[ibuvc](?:\.[^<>\s]{1,60})?>/g;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/gu;
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]|[\u{20000}-\u{3fffd}]/gu;

/** The text without marks such as <i>. */
export const plain = (text) => text.replace(MARKS, "");

/** A cue's text as a browser takes it: only its own marks are marks. */
export const shownAs = (text) => text.replaceAll("&", "&amp;").replace(/<(?!\/?[ibu]>)/g, "&lt;")
  .replace(/&lt;\/?[cv](?:\.[^<>\s]{1,60})?>/g, "");

/** Characters of a line, as the profile counts them: a full-width one is two, or, where all are
 * full-width, one, and others a half. */
export function width(text, fullWidth) {
  const shown = plain(text).normalize("NFC").replace(NO_WIDTH, "");
  const columns = [...shown].length + (shown.match(WIDE)?.length ?? 0);
  return fullWidth ? columns / 2 : columns;
}

/** Lengths of a text's lines and its characters a second, with how bad each is: 0 is good, 1 to be
 * looked at, 2 too much. */
export function reading(text, seconds, limits) {
  const lines = text.split("\n").map((line) => {
    const long = width(line.trim(), limits.full_width);
    return { long, bad: long > limits.line_width ? 2 : 0 };
  });
  const speed = seconds > 0 ? width(text.split(/\s+/).filter(Boolean).join(" "), limits.full_width) / seconds : 0;
  const bad = speed > limits.reading_speed * 1.2 ? 2 : speed > limits.reading_speed * 1.001 ? 1 : 0;
  lines.slice(limits.lines).forEach((line) => { line.bad = 2; });
  return { lines, speed, bad };
}

/** The last cue that begins at a time or before it; -1 for none. */
export function before(list, time) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle].start <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** By cue of `main`, the numbers of the others that are shown with it; each is with exactly one. */
export function pairUp(main, others) {
  const found = main.map(() => []);
  const common = (one, cue) => (one ? Math.min(one.end, cue.end) - Math.max(one.start, cue.start) : -Infinity);
  others.forEach((cue, index) => {
    const at = Math.max(before(main, cue.start + 0.05), 0);
    const best = common(main[at + 1], cue) > common(main[at], cue) ? at + 1 : at;
    found[best]?.push(index + 1);
  });
  return found;
}

/** The pattern of what is to be found, as dubkit/web/editing.py makes it. */
export function pattern(text, { exact, whole }) {
  const literal = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(whole ? `(?<![\\p{L}\\p{N}_])${literal}(?![\\p{L}\\p{N}_])` : literal, exact ? "gu" : "giu");
}

/** A text with a mark around its part from one character to another, or without it if that part
 * has it: [text, from, to] of the same part. */
export function toggled(text, from, to, mark) {
  if (from === to) [from, to] = [0, text.length];
  const [open, close] = [`<${mark}>`, `</${mark}>`];
  const part = text.slice(from, to);
  const rest = [text.slice(0, from), text.slice(to)];
  if (part.startsWith(open) && part.endsWith(close) && part.indexOf(close) === part.length - close.length) {
    return [rest[0] + part.slice(open.length, -close.length) + rest[1], from, to - open.length - close.length];
  }
  if (rest[0].endsWith(open) && rest[1].startsWith(close)) {
    return [rest[0].slice(0, -open.length) + part + rest[1].slice(close.length), from - open.length, to - open.length];
  }
  const bare = part.replaceAll(open, "").replaceAll(close, "");
  return [rest[0] + open + bare + close + rest[1], from, from + open.length + bare.length + close.length];
}
