// The video with its subtitle tracks, and the switch between original and dub.
// What the browser cannot play is played as a copy that the server makes (see dubkit/web/preview.py).

import { shownAs } from "./cues.js";
import { ask, base, complaint, h, language, t } from "./dom.js";
import { address } from "./results.js";

const SOUNDS = ["aac", "mp3", "opus", "vorbis", "flac"]; // and pcm_...
const EVERY = 500; // milliseconds between two requests

/** The part of the page. */
export function player() {
  const video = h("video", { controls: true, playsinline: true, preload: "metadata", id: "dk-video" });
  const cannot = h("p", { class: "dk-muted" }, t("cannot_play"));
  const make = h("button", { type: "button", class: "dk-button", id: "dk-preview", onclick: copy }, t("preview"));
  const stop = h("button", { type: "button", class: "dk-button", id: "dk-preview-stop", onclick: cancel }, t("cancel"));
  const bar = h("progress", { max: 1, value: 0, "aria-label": t("preview_making") });
  const state = h("span", { class: "dk-muted", role: "status", id: "dk-preview-state" });
  const error = complaint();
  const offer = h("div", { class: "dk-offer", id: "dk-offer", hidden: true }, cannot,
    h("div", { class: "dk-buttons" }, make, bar, state, stop), error.box);
  const sources = h("div", { class: "dk-choices", role: "radiogroup", "aria-label": t("player"), id: "dk-sources" });
  const tracks = h("div", { class: "dk-choices", role: "radiogroup", "aria-label": t("shown"), id: "dk-tracks" });
  const whole = h("section", { class: "dk-player", hidden: true, "aria-label": t("player") },
    video, offer, sources, tracks);
  let loop = null;
  let card = null;
  let now = null; // the source that is shown: {address, copies, query, copied, encode}
  let shownTrack = "";
  let timer = 0;
  const stale = new Set(); // languages whose track is to be loaded again when it is shown

  video.addEventListener("error", () => video.getAttribute("src") && offerCopy());
  video.addEventListener("loadedmetadata", () => {
    // A browser that knows the container but not a codec plays on, without picture or sound.
    const blind = card?.kind === "video" && !video.videoWidth;
    const codec = card?.audio?.[0]?.[0];
    const mute = codec && !SOUNDS.includes(codec) && !codec.startsWith("pcm_");
    if (blind || (mute && !now.copied && now.original)) offerCopy();
    else offer.hidden = true;
  });
  video.addEventListener("pause", () => (loop = null));
  video.addEventListener("timeupdate", bound); // a hidden page gets no frames

  /** At the end of a cue that is played: stop, or begin it again. */
  function bound() {
    if (!loop || video.currentTime < loop.end) return;
    if (loop.repeat) video.currentTime = loop.start;
    else video.pause();
  }

  /** Frame by frame, since `timeupdate` comes up to a quarter of a second late. */
  function watch() {
    bound();
    if (loop) requestAnimationFrame(watch);
  }

  /** Show a video with the dubs among its results; null for none. */
  function show(shown) {
    whole.hidden = !shown || shown.kind === "text";
    if (whole.hidden) {
      video.removeAttribute("src");
      video.replaceChildren();
      clearTimeout(timer);
      card = now = null;
      return;
    }
    const copies = `videos/${shown.id}/preview`;
    const choices = [{ label: t("original"), address: `${base}videos/${shown.id}/media`, copies, query: "", original: true }];
    for (const file of [...(shown.results ?? [])].reverse()) { // the latest is chosen
      const dub = file.name.match(/\.([A-Za-z0-9-]+)\.dubbed\.\w+$/);
      if (dub) {
        choices.push({ label: t("dubbed", { language: language(dub[1]) }), copies, query: `result=${encodeURIComponent(file.name)}`,
          address: `${address(shown, file)}?play=true&v=${file.made}` });
      } else if (file.wishes?.burn && /\.subbed\.\w+$/.test(file.name)) {
        choices.push({ label: t("burned"), copies, query: `result=${encodeURIComponent(file.name)}`, burned: true,
          address: `${address(shown, file)}?play=true&v=${file.made}` });
      }
    }
    const same = card?.id === shown.id;
    card = shown;
    video.classList.toggle("dk-sound-only", card.kind === "sound");
    radios(sources, "dk-source", choices.map((one, at) => [one.label, at]), choices.length - 1, (at) => source(choices[at]));
    sources.hidden = choices.length < 2;
    if (!same || choices.length > 1) source(choices.at(-1));
    subtitles(card.languages ?? []);
  }

  function source(one) {
    if (now?.address === one.address) return;
    clearTimeout(timer);
    now = { ...one, copied: false };
    offer.hidden = true;
    playFrom(one.address);
    choose(shownTrack);
  }

  function playFrom(address) {
    const [at, playing] = [video.currentTime, !video.paused];
    video.src = address;
    video.addEventListener("loadedmetadata", () => {
      video.currentTime = Math.min(at, video.duration || 0);
      if (playing) video.play();
    }, { once: true });
  }

  // ------------------------------------------------------------ what the browser cannot play

  async function offerCopy() {
    const meant = now;
    offer.hidden = false;
    error.show(null);
    paint("none");
    if (meant.copied) {
      meant.encode = true; // the copied streams do not play; encoded, they will
      return;
    }
    await look(meant);
  }

  async function copy() {
    const meant = now;
    error.show(null);
    paint("waiting", 0);
    try {
      const encode = meant.encode ? "&encode=true" : "";
      await ask(`${meant.copies}?${meant.query}${encode}`, { method: "POST" });
      meant.encode = false;
      await look(meant);
    } catch (failure) {
      paint("none");
      error.show(failure);
    }
  }

  async function look(meant) {
    try {
      const status = await ask(`${meant.copies}?${meant.query}`);
      if (meant !== now) return;
      paint(status.state, status.share);
      if (status.state === "failed") error.show(status);
      if (status.state === "done") {
        meant.copied = true;
        playFrom(`${base}${meant.copies}/media?${meant.query}&v=${Date.now()}`);
      }
      if (status.state === "waiting" || status.state === "running") timer = setTimeout(() => look(meant), EVERY);
    } catch (failure) {
      if (meant === now) error.show(failure);
    }
  }

  function paint(how, share) {
    const busy = how === "waiting" || how === "running";
    make.hidden = busy || how === "done";
    bar.hidden = stop.hidden = state.hidden = !busy;
    cannot.textContent = t("cannot_play");
    bar.value = share ?? 0;
    state.textContent = busy ? `${t("preview_making")} ${Math.round((share ?? 0) * 100)} %` : "";
  }

  async function cancel() {
    clearTimeout(timer);
    await ask(`${now.copies}?${now.query}`, { method: "DELETE" }).catch(() => null);
    paint("none");
    make.focus();
  }

  // ------------------------------------------------------------ tracks and cues

  function subtitles(tags) {
    // Chromium goes on showing a cue whose track is taken away while it is shown.
    for (const track of video.textTracks) track.mode = "disabled";
    video.replaceChildren(...tags.map((tag) =>
      h("track", { kind: "subtitles", srclang: tag, label: language(tag), src: `${base}videos/${card.id}/tracks/${tag}.vtt?v=${Date.now()}` })));
    if (!tags.includes(shownTrack)) shownTrack = tags.at(-1) ?? "";
    radios(tracks, "dk-track", [[t("none"), ""], ...tags.map((tag) => [language(tag), tag])], shownTrack, choose);
    choose(shownTrack);
  }

  function choose(tag) {
    if (stale.delete(tag)) reload(tag);
    shownTrack = tag;
    tracks.hidden = now?.burned || !card?.languages?.length;
    for (const track of video.textTracks) track.mode = track.language === tag && !now?.burned ? "showing" : "disabled";
  }
  // A browser also shows the track of its own language, once it has loaded it.
  video.textTracks.addEventListener("change", () => {
    if ([...video.textTracks].filter((track) => track.mode === "showing").length > (now?.burned ? 0 : 1)) choose(shownTrack);
  });

  /** The cues of a language have changed: reload them. */
  function reload(tag) {
    const element = [...video.querySelectorAll("track")].find((track) => track.srclang === tag);
    if (element) {
      element.track.mode = "disabled";
      element.src = `${base}videos/${card.id}/tracks/${tag}.vtt?v=${Date.now()}`;
    }
    choose(shownTrack);
  }

  /** Some cues of a language were replaced by others: so they are on the video, if it shows them. */
  function changed(tag, gone, fresh) {
    const track = [...video.textTracks].find((one) => one.language === tag);
    if (!track) return;
    if (tag !== shownTrack || !track.cues?.length) {
      stale.add(tag);
      return;
    }
    const starts = new Set(gone.map((cue) => Math.round(cue.start * 1000)));
    for (const cue of [...track.cues]) if (starts.has(Math.round(cue.startTime * 1000))) track.removeCue(cue);
    for (const cue of fresh) if (cue.text) track.addCue(new VTTCue(cue.start, cue.end, shownAs(cue.text)));
  }

  /** Play from one time to another, once or over and over. */
  function play(start, end, repeat) {
    if (!loop) requestAnimationFrame(watch);
    loop = { start, end, repeat };
    video.currentTime = start;
    video.play();
  }

  function radios(group, name, choices, chosen, take) {
    group.replaceChildren(...choices.map(([label, value]) => h("label", {},
      h("input", { type: "radio", name, value, checked: value === chosen, onchange: () => take(value) }), label)));
  }

  return { whole, show, reload, changed, play, time: () => video.currentTime, seek: (time) => (video.currentTime = time) };
}
