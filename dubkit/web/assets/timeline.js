// The timeline under the player: the sound's waveform, shot changes, the cues on it, the playhead. A
// click seeks, a cue or its edges are dragged with the mouse, a free place is dragged over for a new
// cue, the wheel with Ctrl zooms. A finger moves the timeline and never a cue, two fingers zoom. It
// draws on a canvas, only what is visible; by keyboard and for screen readers it is a slider.

import { ask, base, clock, h, t } from "./dom.js";

const A_SECOND = 50; // peaks, see dubkit/web/waveform.py
const EDGE = 7; // pixels around an edge within which it can be grabbed
const NARROW = 16; // pixels of a cue whose edges cannot be distinguished
const CLOSEST = 2; // seconds that are visible at least
const SHORTEST = 0.1; // seconds of a cue, as in dubkit/web/editing.py
const FIRST = 20; // seconds that are visible at first
const NEW = 0.3; // seconds of a cue that is drawn, at least

/** The part of the editor. `selected(number)` is called when a cue is pressed, `moved(number, edge,
 * seconds)` when it is dragged; edge is "start", "end" or "both"; `drawn(start, end)` when a new one
 * is. */
export function timeline(video, { selected, moved, drawn }) {
  const canvas = h("canvas", { class: "dk-wave", id: "dk-wave", tabindex: "0", role: "slider",
    "aria-label": t("timeline"), "aria-valuemin": 0, onkeydown: keys, onwheel: wheel,
    onpointerdown: down, onpointermove: move, onpointerup: up, onpointercancel: (event) => { fingers.delete(event.pointerId); held = null; draw(); } });
  const scroll = h("input", { type: "range", class: "dk-wave-scroll", min: 0, step: "any", value: "0",
    "aria-label": t("timeline_scroll"), oninput: () => { from = Number(scroll.value); draw(); } });
  const button = (id, label, sign, act) =>
    h("button", { type: "button", class: "dk-icon", id, title: label, "aria-label": label, onclick: act }, sign);
  const time = h("output", { class: "dk-time" });
  const tools = h("div", { class: "dk-tools" }, time, scroll, button("dk-zoom-out", t("zoom_out"), "−", () => zoom(2)),
    button("dk-zoom-in", t("zoom_in"), "+", () => zoom(0.5)),
    button("dk-zoom-all", t("zoom_all"), "↔", () => zoom(Infinity)));
  const whole = h("div", { class: "dk-timeline", hidden: true }, canvas, tools);
  const fingers = new Map(); // where each is
  const brush = canvas.getContext("2d");
  let id = null; // the video's
  let peaks = null;
  let shots = []; // seconds at which the picture changes
  let cues = [];
  let colours = []; // by cue
  let chosen = 0; // the number of a cue
  let from = 0;
  let span = 0; // seconds that are visible; 0 is all
  let held = null; // what the mouse has grabbed
  let picture = { key: "" }; // of the waveform, as last drawn

  video.addEventListener("timeupdate", tick);
  video.addEventListener("seeking", tick);
  video.addEventListener("loadedmetadata", begin);
  video.addEventListener("play", () => requestAnimationFrame(run));
  new ResizeObserver(draw).observe(canvas);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  /** Show the waveform of a video; null if it has no audio. */
  async function show(wanted) {
    whole.hidden = !wanted;
    if (wanted === id) return;
    [id, peaks, shots, from, span, chosen] = [wanted, null, [], 0, 0, 0];
    if (!wanted) return;
    begin();
    loadShots(wanted);
    const answer = await fetch(`${base}videos/${wanted}/peaks`);
    if (!answer.ok || id !== wanted) return; // without audio there is still a timeline
    peaks = new Uint8Array(await answer.arrayBuffer());
    whole.dataset.peaks = peaks.length;
    picture.key = "";
    draw();
  }

  /** Show the beginning, not the whole of a long film. */
  function begin() {
    if (!span && length() > FIRST * 1.2) span = FIRST;
    draw();
  }

  async function loadShots(wanted) {
    const answer = await ask(`videos/${wanted}/shots`).catch(() => ({ shots: [] }));
    if (id !== wanted) return;
    shots = answer.shots;
    whole.dataset.shots = shots.length;
    draw();
  }

  /** Show cues, one of which is chosen, each in a color of its own if it has one. */
  function put(list, number, colors = []) {
    [cues, chosen, colours] = [list, number, colors];
    draw();
  }

  /** Mark a cue and bring it into view. */
  function choose(number) {
    chosen = number;
    const cue = cues[number - 1];
    if (cue && span && (cue.start < from || cue.end > from + span)) from = within(cue.start - span / 4);
    draw();
  }

  const length = () => video.duration || (cues.length ? cues.at(-1).end : 1);
  const seen = () => Math.min(span || length(), length());
  const within = (second) => Math.min(Math.max(second, 0), length() - seen());
  const at = (second) => ((second - from) / seen()) * canvas.clientWidth;
  const second = (event) => from + ((event.clientX - canvas.getBoundingClientRect().left) / canvas.clientWidth) * seen();

  function zoom(by, around = video.currentTime) {
    const before = seen();
    span = Math.max(before * by, Math.min(CLOSEST, length()));
    if (span >= length()) span = 0;
    from = within(around - ((around - from) / before) * seen());
    if (around < from || around > from + seen()) from = within(around - seen() / 2);
    draw();
  }

  function run() {
    tick();
    if (!video.paused) requestAnimationFrame(run);
  }

  function tick() {
    const now = video.currentTime;
    if (span && !held && (now < from || now > from + span)) from = within(now - span / 10);
    draw();
  }

  // ------------------------------------------------------------ drawing

  function draw() {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || whole.hidden) return;
    const fine = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * fine) || canvas.height !== Math.round(height * fine)) {
      [canvas.width, canvas.height] = [Math.round(width * fine), Math.round(height * fine)];
    }
    from = within(from);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim() || "gray";
    brush.setTransform(fine, 0, 0, fine, 0, 0);
    brush.clearRect(0, 0, width, height);
    wave(width, height, fine, colour("--body-text-color-subdued"));
    ruler(width, height, colour("--body-text-color-subdued"));
    brush.fillStyle = colour("--body-text-color");
    for (const shot of shots) {
      if (shot < from || shot > from + seen()) continue;
      for (let y = 0; y < height; y += 6) brush.fillRect(at(shot), y, 1, 3);
    }
    for (let index = firstAfter(from); index < cues.length && cues[index].start < from + seen(); index += 1) {
      const { start, end } = held?.number === index + 1 ? held : cues[index];
      const [left, right] = [at(start), at(end)];
      brush.fillStyle = colours[index] || colour("--color-accent");
      brush.globalAlpha = index + 1 === chosen ? 0.5 : 0.22;
      brush.fillRect(left, 4, Math.max(right - left, 1), height - 8);
      brush.globalAlpha = 1;
      if (right - left > 3) {
        brush.fillRect(left, 4, 1, height - 8);
        brush.fillRect(right - 1, 4, 1, height - 8);
      }
      if (right - left > 48) label(cues[index].text, left, right, colour("--body-text-color"));
    }
    if (held?.drawing) {
      brush.fillStyle = colour("--color-accent");
      brush.globalAlpha = 0.5;
      brush.fillRect(at(held.start), 4, at(held.end) - at(held.start), height - 8);
      brush.globalAlpha = 1;
    }
    brush.fillStyle = colour("--body-text-color");
    brush.fillRect(at(video.currentTime) - 1, 0, 2, height);
    showTime();
  }

  /** Times under the waveform, as many as there is room for. */
  function ruler(width, height, colour) {
    const each = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((one) => (one / seen()) * width > 64) ?? 7200;
    brush.fillStyle = colour;
    brush.font = "11px system-ui, sans-serif";
    for (let second = Math.ceil(from / each) * each; second < from + seen(); second += each) {
      brush.fillRect(at(second), height - 4, 1, 4);
      brush.fillText(clock(second), at(second) + 3, height - 3);
    }
  }

  function showTime() {
    const now = video.currentTime;
    scroll.hidden = !span;
    scroll.max = length() - seen();
    scroll.value = from;
    time.value = `${clock(now, 1)} / ${clock(length())}`;
    canvas.setAttribute("aria-valuemax", Math.round(length()));
    canvas.setAttribute("aria-valuenow", Math.round(now));
    canvas.setAttribute("aria-valuetext", clock(now));
  }

  function label(text, left, right, colour) {
    brush.save();
    brush.beginPath();
    brush.rect(left + 4, 0, right - left - 8, 24);
    brush.clip();
    brush.fillStyle = colour;
    brush.font = "12px system-ui, sans-serif";
    brush.fillText(text.replaceAll("\n", " "), left + 4, 18);
    brush.restore();
  }

  function wave(width, height, fine, colour) {
    if (!peaks?.length) return;
    const key = [from, seen(), width, height, fine, colour].join(); // the length may not be known at first
    if (picture.key !== key) {
      picture = { key, canvas: h("canvas", { width: Math.round(width * fine), height: Math.round(height * fine) }) };
      const paint = picture.canvas.getContext("2d");
      paint.scale(fine, fine);
      paint.fillStyle = colour;
      const top = peaks.reduce((most, one) => Math.max(most, one), 24);
      const each = (seen() / width) * A_SECOND;
      for (let x = 0; x < width; x += 1) {
        const begin = Math.floor(from * A_SECOND + x * each);
        let most = 0;
        for (let one = begin; one < Math.max(begin + each, begin + 1) && one < peaks.length; one += 1) {
          if (peaks[one] > most) most = peaks[one];
        }
        const tall = Math.max((most / top) * (height - 12), 1);
        paint.fillRect(x, (height - tall) / 2, 1, tall);
      }
    }
    brush.drawImage(picture.canvas, 0, 0, width, height);
  }

  /** The first cue that ends after a time. */
  function firstAfter(time) {
    let [low, high] = [0, cues.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cues[middle].end > time) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // ------------------------------------------------------------ mouse and keys

  function hold(event) {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    const first = Math.max(firstAfter(second(event)) - 1, 0);
    const near = [chosen - 1, first, first + 1].filter((index) => cues[index]);
    for (const index of near) {
      const [left, right] = [at(cues[index].start), at(cues[index].end)];
      if (right - left < NARROW) continue;
      if (Math.abs(x - left) <= EDGE && x < (left + right) / 2) return { number: index + 1, edge: "start" };
      if (Math.abs(x - right) <= EDGE && x >= (left + right) / 2) return { number: index + 1, edge: "end" };
    }
    const inside = near.find((index) => x >= at(cues[index].start) && x < at(cues[index].end));
    return inside === undefined ? { number: 0 } : { number: inside + 1, edge: "both" };
  }

  function down(event) {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (event.pointerType === "touch") {
      fingers.set(event.pointerId, event.clientX);
      held = { touch: true, from: event.clientX, begin: from, by: 0, two: fingers.size > 1 ? spread() : null };
      return;
    }
    held = { ...hold(event), from: event.clientX, begin: second(event), by: 0 };
    Object.assign(held, cues[held.number - 1] ? { start: cues[held.number - 1].start, end: cues[held.number - 1].end } : {});
  }

  /** The distance of two fingers, the second between them, and what is visible. */
  function spread() {
    const [one, other] = [...fingers.values()];
    const left = canvas.getBoundingClientRect().left;
    const middle = from + (((one + other) / 2 - left) / canvas.clientWidth) * seen();
    return { apart: Math.max(Math.abs(one - other), 1), middle, span: seen() };
  }

  /** A finger moves what is visible, two zoom it. */
  function swipe(event) {
    fingers.set(event.pointerId, event.clientX);
    held.by = held.by || Number(Math.abs(event.clientX - held.from) >= 4);
    if (held.two && fingers.size > 1) {
      const wanted = held.two.span * (held.two.apart / spread().apart);
      zoom(wanted / seen(), held.two.middle);
    } else if (!held.two && held.by && span) {
      from = within(held.begin - ((event.clientX - held.from) / canvas.clientWidth) * seen());
      draw();
    }
  }

  function move(event) {
    if (!held) {
      const { edge } = hold(event);
      canvas.style.cursor = edge === "start" || edge === "end" ? "ew-resize" : "pointer";
      return;
    }
    if (held.touch) {
      swipe(event);
      return;
    }
    if (!held.by && Math.abs(event.clientX - held.from) < 4) return;
    if (!held.number) {
      sketch(second(event));
      return;
    }
    const cue = cues[held.number - 1];
    const low = (cues[held.number - 2]?.end ?? 0) - cue.start;
    const high = (cues[held.number]?.start ?? length()) - cue.end;
    let by = second(event) - held.begin;
    if (held.edge === "start") by = Math.min(Math.max(by, low), cue.end - cue.start - SHORTEST);
    else if (held.edge === "end") by = Math.max(Math.min(by, high), cue.start - cue.end + SHORTEST);
    else by = Math.min(Math.max(by, low), high);
    held.by = by || Number.EPSILON;
    held.start = cue.start + (held.edge === "end" ? 0 : by);
    held.end = cue.end + (held.edge === "start" ? 0 : by);
    draw();
  }

  /** A new cue from where the mouse was pressed to where it is, between its neighbors. */
  function sketch(to) {
    const following = firstAfter(held.begin);
    const low = cues[following - 1]?.end ?? 0;
    const high = cues[following]?.start ?? length();
    const [start, end] = [Math.min(held.begin, to), Math.max(held.begin, to)];
    Object.assign(held, { by: 1, drawing: true, start: Math.max(start, low), end: Math.min(end, high) });
    draw();
  }

  function up(event) {
    fingers.delete(event.pointerId);
    if (!held) return;
    const was = held;
    held = null;
    if (was.touch && (was.by || was.two)) {
      // it has moved
    } else if (was.drawing) {
      const thousandths = (time) => Math.round(time * 1000) / 1000;
      if (was.end - was.start >= NEW) drawn(thousandths(was.start), thousandths(was.end));
    } else if (was.by) moved(was.number, was.edge, Math.round(was.by * 1000) / 1000);
    else {
      video.currentTime = Math.min(Math.max(second(event), 0), length());
      const number = was.touch ? hold(event).number : was.number;
      if (number) selected(number);
    }
    draw();
  }

  function wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.3 : 1 / 1.3, second(event));
    } else if (span && (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))) {
      event.preventDefault();
      from = within(from + ((event.deltaX || event.deltaY) / canvas.clientWidth) * seen());
      draw();
    }
  }

  function keys(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (step && !event.altKey) video.currentTime = Math.min(Math.max(video.currentTime + step, 0), length());
    else if (step && chosen) moved(chosen, "both", step / 10);
    else if (event.key === "+" || event.key === "=") zoom(0.5);
    else if (event.key === "-") zoom(2);
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const other = chosen + (event.key === "ArrowUp" ? -1 : 1);
      if (!cues[other - 1]) return;
      video.currentTime = cues[other - 1].start;
      selected(other);
      canvas.focus();
    } else if (event.key === " ") video[video.paused ? "play" : "pause"]();
    else return;
    event.preventDefault();
  }

  return { whole, tools, show, put, choose };
}
