// Live captions: what somebody says into the microphone, as text, a moment later. The server's
// socket speaks OpenAI's realtime API (see dubkit/web/live). Nothing of it is kept there.

import { base, complaint, h, language, Lost, t } from "./dom.js";

const TEXT = "conversation.item.input_audio_transcription.";
const OFTEN = ["en", "es", "pt", "fr", "de", "it", "zh", "ja"]; // what may be spoken, beside the browser's languages
const PATIENCE = 60000; // milliseconds that the last words may take

/** The part of the page; `show(card)` hides it while there is a video. */
export function liveCaptions() {
  const error = complaint();
  const tags = [...new Set([...navigator.languages.map((tag) => tag.split("-")[0]), ...OFTEN])];
  const spoken = h("select", { id: "dk-live-language", "aria-label": t("language") },
    h("option", { value: "" }, t("live_any")), tags.map((tag) => h("option", { value: tag }, language(tag))));
  const button = h("button", { type: "button", class: "dk-button", id: "dk-live-start", onclick: () => (now ? stop() : start()) }, t("live_start"));
  const status = h("p", { class: "dk-muted", role: "status" }, t("live_hint"));
  const lines = h("div", { class: "dk-live-lines", id: "dk-live-lines", role: "log", tabindex: "0", "aria-label": t("live"), hidden: true });
  const copy = h("button", { type: "button", class: "dk-button", hidden: true, onclick: copyText }, t("live_copy"));
  const save = h("button", { type: "button", class: "dk-button", id: "dk-live-save", hidden: true, onclick: saveText }, t("live_save"));
  const whole = h("section", { class: "dk-live", "aria-label": t("live") },
    h("div", { class: "dk-buttons" }, button, spoken, copy, save), status, lines, error.box);
  let now = null; // what listens: {stream, sound, socket, last, timer}
  let turns = new Map(); // the line of each turn
  let cues = []; // {start, end, text} of all that was said since the start

  async function start() {
    error.show(null);
    if (!navigator.mediaDevices) return error.show({ message: t("live_insecure") });
    button.disabled = true;
    const mine = (now = {}); // another one, or none, once a video was opened meanwhile
    try {
      mine.stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } }).catch(() => {
        throw new Error(t("live_denied"));
      });
      if (mine !== now) return release(mine);
      mine.sound = new AudioContext();
      const answer = await fetch(`${base}live`, { method: "POST" }).catch(() => { throw new Lost(); });
      if (!answer.ok) throw new Error(t(answer.status === 429 ? "live_full" : "failed_generic"));
      const { ticket } = await answer.json();
      await mine.sound.audioWorklet.addModule(new URL("microphone.js", import.meta.url));
      if (mine === now) connect(ticket);
    } catch (failure) {
      if (mine !== now) return;
      error.show(failure);
      end();
    } finally {
      button.disabled = false;
    }
  }

  function connect(ticket) {
    const mine = now;
    const address = new URL(`${base}live?ticket=${ticket}`, location.href.replace(/^http/, "ws"));
    const socket = (mine.socket = new WebSocket(address));
    socket.onopen = () => {
      const format = { type: "audio/pcm", rate: mine.sound.sampleRate };
      const transcription = { language: spoken.value || null };
      tell({ type: "session.update", session: { type: "transcription", audio: { input: { format, transcription } } } });
      const microphone = new AudioWorkletNode(mine.sound, "microphone", { numberOfOutputs: 0 });
      microphone.port.onmessage = ({ data }) => mine === now && !mine.over && tell({ type: "input_audio_buffer.append", audio: inBase64(data) });
      mine.sound.createMediaStreamSource(mine.stream).connect(microphone);
      mine.sound.resume();
      lines.replaceChildren();
      [turns, cues] = [new Map(), []];
      lines.hidden = false;
      button.textContent = t("live_stop");
      spoken.disabled = true;
      status.textContent = t("live_listening");
    };
    socket.onmessage = ({ data }) => mine === now && take(JSON.parse(data));
    socket.onclose = () => {
      if (mine !== now) return;
      if (!mine.over && !mine.ended) error.show({ message: t("live_lost") });
      end();
    };
  }

  function tell(event) {
    if (now?.socket?.readyState === WebSocket.OPEN) now.socket.send(JSON.stringify(event));
  }

  /** An event of the server. */
  function take(event) {
    if (event.type === `${TEXT}delta`) line(event.item_id).append(event.delta);
    if (event.type === `${TEXT}segment`) cues.push(event);
    if (event.type === `${TEXT}completed`) {
      const place = line(event.item_id);
      place.textContent = event.transcript;
      place.classList.remove("dk-muted");
      if (!event.transcript) place.remove();
      copy.hidden = save.hidden = !cues.length;
    }
    if (event.type === `${TEXT}failed`) line(event.item_id).remove();
    if (event.type === "error" || event.type === `${TEXT}failed`) {
      if (event.error.event_id === "stop") return end();
      error.show({ message: event.error.message });
      now.ended = event.type === "error" && event.error.type === "server_error"; // it is why
    }
    if (event.type === "input_audio_buffer.speech_stopped") now.stopped = event.item_id;
    // What the page itself commits, when it stops, comes without that.
    if (event.type === "input_audio_buffer.committed" && event.item_id !== now.stopped) now.last = event.item_id;
    const finished = event.type === `${TEXT}completed` || event.type === `${TEXT}failed`;
    if (finished && event.item_id === now.last) end();
  }

  /** The line of a turn, which is pale until its text is final. */
  function line(id) {
    if (!turns.has(id)) {
      const low = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 20;
      turns.set(id, h("p", { class: "dk-muted", dir: "auto" }));
      lines.append(turns.get(id));
      if (low) lines.scrollTop = lines.scrollHeight;
    }
    return turns.get(id);
  }

  /** Listen no more; what was said last is still on its way. */
  function stop() {
    if (now.over || now.socket?.readyState !== WebSocket.OPEN) return end();
    now.over = true;
    release(now);
    status.textContent = t("live_finishing");
    tell({ type: "input_audio_buffer.commit", event_id: "stop" });
    now.timer = setTimeout(end, PATIENCE);
  }

  /** Let go of the microphone. */
  function release(one) {
    for (const track of one?.stream?.getTracks() ?? []) track.stop();
    if (one?.sound?.state !== "closed") one?.sound?.close();
  }

  function end() {
    const mine = now;
    release(mine);
    now = null;
    clearTimeout(mine?.timer);
    mine?.socket?.close();
    button.textContent = t("live_start");
    spoken.disabled = false;
    status.textContent = t("live_hint");
  }

  async function copyText() {
    await navigator.clipboard.writeText([...lines.children].map((one) => one.textContent).join("\n"));
    status.textContent = t("live_copied");
  }

  function saveText() {
    const text = cues.map((cue, k) => `${k + 1}\n${time(cue.start)} --> ${time(cue.end)}\n${cue.text}\n`).join("\n");
    const link = h("a", { href: URL.createObjectURL(new Blob([text], { type: "application/x-subrip" })), download: "live.srt" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  return {
    whole,
    show(card) {
      whole.hidden = Boolean(card);
      if (card && now) end();
    },
  };
}

function inBase64(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)));
}

/** As SubRip writes it: 01:02:03,456. */
function time(seconds) {
  return new Date(Math.round(seconds * 1000)).toISOString().slice(11, 23).replace(".", ",");
}
