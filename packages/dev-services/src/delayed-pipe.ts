import type { Socket } from 'node:net';

/**
 * What happens to the bytes of one direction: they pass, are kept until they may pass, or are lost.
 */
export type FlowMode = 'pass' | 'hold' | 'drop';

/** One direction of all connections of a proxy. Shared, so that a change reaches open connections. */
export interface Flow {
  mode: FlowMode;
  delayMs: number;
  byteCount: number;
}

interface Parcel {
  readonly dueAt: number;
  /** Undefined: the source has ended. */
  readonly bytes: Buffer | undefined;
}

/** More than this waiting in one connection and direction: the sender feels backpressure. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * Passes the bytes of one socket to another, later, and in their order: parcels leave strictly
 * first in, first out, so lowering the delay never lets one overtake another.
 */
export class DelayedPipe {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #flow: Flow;
  #waiting: Parcel[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #isBlocked = false;

  constructor(source: Socket, target: Socket, flow: Flow) {
    this.#source = source;
    this.#target = target;
    this.#flow = flow;
    source.on('data', (bytes: Buffer) => {
      if (flow.mode === 'drop') return;
      this.#waitingBytes += bytes.length;
      this.#accept(bytes);
      if (this.#waitingBytes > MAX_WAITING_BYTES) source.pause();
    });
    source.once('end', () => {
      this.#accept(undefined);
    });
    target.on('drain', () => {
      this.#isBlocked = false;
      this.flush();
    });
  }

  /** Sends what is due. To be called when the mode of the flow has changed. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#flow.mode === 'drop') this.#lose();
    while (this.#flow.mode !== 'hold' && !this.#isBlocked) {
      const next = this.#waiting[0];
      if (next === undefined) break;
      const remainingMs = next.dueAt - performance.now();
      if (remainingMs > 0) {
        this.#timer = setTimeout(() => {
          this.flush();
        }, Math.ceil(remainingMs));
        break;
      }
      this.#waiting.shift();
      this.#send(next.bytes);
    }
    if (this.#waitingBytes <= MAX_WAITING_BYTES && this.#source.isPaused()) this.#source.resume();
  }

  /** Forgets what waits. Nothing is sent any more. */
  destroy(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #accept(bytes: Buffer | undefined): void {
    this.#waiting.push({ dueAt: performance.now() + this.#flow.delayMs, bytes });
    if (this.#waiting.length === 1) this.flush();
  }

  #send(bytes: Buffer | undefined): void {
    if (bytes === undefined) {
      this.#target.end();
      return;
    }
    this.#waitingBytes -= bytes.length;
    this.#flow.byteCount += bytes.length;
    this.#isBlocked = !this.#target.write(bytes);
  }

  #lose(): void {
    this.#waiting = this.#waiting.filter(({ bytes }) => bytes === undefined);
    this.#waitingBytes = 0;
  }
}
