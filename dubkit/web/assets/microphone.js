// The microphone's sound as 16-bit samples, a tenth of a second at a time (an AudioWorklet).

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
  }

  process([[channel]]) {
    for (const value of channel ?? []) {
      this.block[this.filled++] = Math.max(-1, Math.min(1, value)) * 32767;
      if (this.filled < this.block.length) continue;
      this.port.postMessage(this.block.slice().buffer);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
