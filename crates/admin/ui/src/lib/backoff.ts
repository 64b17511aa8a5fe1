// How long to wait before the next attempt.

/** The first wait, and the longest, in milliseconds. */
export const FIRST_MS = 500;
export const LONGEST_MS = 30_000;

/** Doubles from attempt to attempt up to a bound; spread by half, so that many pages do not come at once. */
export function waitBefore(attempt: number, random: number = Math.random()): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return Math.round(whole / 2 + (whole / 2) * random);
}
