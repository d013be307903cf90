/** The clocks of a program; each part that needs one is given it. */
export interface Clocks {
  /** Monotonic, ms: for every wait and every duration. A step of the host's clock does not move it. */
  readonly now: () => number;
  /** Time of day, ms since 1970: only for what is shown to people, or stored and compared with another host's. */
  readonly wallClockMs: () => number;
}

/** For a program's entry. */
export const hostClocks: Clocks = {
  now: () => performance.now(),
  wallClockMs: () => Date.now(),
};
