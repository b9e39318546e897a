/** Decoding while one drags: a WebSocket on which only the newest question waits. */

import { LatestWins } from "./latest";
import { server } from "./server";
import type { Things } from "./binary";
import type { Conditions } from "./types";

const HEADER = 20; // bytes
const RECONNECT = 1000; // milliseconds

export interface Answer {
  things: Things;
  milliseconds: number;
  roundTrip: number;
}

/** One line to a study's decoder. Answers reach `onAnswer` newest only; it reconnects by itself and
 * then asks the last question again. */
export class Live {
  onAnswer: (answer: Answer) => void = () => undefined;
  onProblem: (sentence: string) => void = () => undefined;
  #study: string;
  #socket: WebSocket | null = null;
  #line = new LatestWins<number[][]>((sequence, codes) => this.#send(sequence, codes));
  #last: number[][] | null = null;
  #sentAt = 0;
  #where: Conditions = {};
  #closed = false;

  constructor(study: string) {
    this.#study = study;
    this.#open();
  }

  /** Codes to decode, each of D numbers. */
  ask(codes: number[][]): void {
    this.#last = codes;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#line.ask(codes);
  }

  /** The conditions of all that follows. */
  under(where: Conditions): void {
    this.#where = where;
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ where }));
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  #open(): void {
    const socket = new WebSocket(server.liveUrl(this.#study));
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      this.#line = new LatestWins((sequence, codes) => this.#send(sequence, codes));
      if (Object.keys(this.#where).length) this.under(this.#where);
      if (this.#last) this.#line.ask(this.#last);
    };
    socket.onmessage = (event) => this.#take(event.data as ArrayBuffer);
    socket.onclose = () => {
      if (!this.#closed) setTimeout(() => !this.#closed && this.#open(), RECONNECT);
    };
    this.#socket = socket;
  }

  #send(sequence: number, codes: number[][]): void {
    this.#sentAt = performance.now();
    this.#socket?.send(question(sequence, codes));
  }

  #take(buffer: ArrayBuffer): void {
    const view = new DataView(buffer);
    const sequence = view.getUint32(0, true);
    const kind = view.getUint16(4, true);
    const roundTrip = performance.now() - this.#sentAt;
    const fresh = this.#line.answered(sequence);
    if (kind === 0) {
      this.onProblem(textOf(buffer).sentence);
    } else if (fresh) {
      this.onAnswer({
        things: answerThings(buffer, kind),
        milliseconds: view.getFloat32(16, true),
        roundTrip,
      });
    }
  }
}

/** `u32 sequence, u16 n, u16 0, f32 z[n * D]`. */
export function question(sequence: number, codes: number[][]): ArrayBuffer {
  const width = codes[0].length;
  const buffer = new ArrayBuffer(8 + 4 * codes.length * width);
  const view = new DataView(buffer);
  view.setUint32(0, sequence, true);
  view.setUint16(4, codes.length, true);
  const values = new Float32Array(buffer, 8);
  codes.forEach((code, row) => values.set(code, row * width));
  return buffer;
}

export function answerThings(buffer: ArrayBuffer, kind: number): Things {
  const view = new DataView(buffer);
  const [count, height, width, channels] = [6, 8, 10, 12].map((at) => view.getUint16(at, true));
  if (kind === 1) {
    const pixels = new Uint8Array(buffer, HEADER);
    return { count, height, width, channels, pixels, rows: null };
  }
  return { count, height: 0, width: 0, channels: 0, pixels: null, rows: textOf(buffer) };
}

function textOf(buffer: ArrayBuffer) {
  return JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, HEADER)));
}
