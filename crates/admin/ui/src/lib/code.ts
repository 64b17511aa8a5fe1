// The code of views and dialogs: fetched when it is first needed, or before, once the page has nothing else to do.
import { waitBefore } from "./backoff";

type Bring<T> = () => Promise<T>;

const parts: Bring<unknown>[] = [];

/**
 * Code that comes later. While the gateway does not answer it is waited for; what the gateway has no more
 * fails: it was upgraded, and the page must be loaded anew.
 */
export function later<T>(load: Bring<T>, answers: () => Promise<boolean> = gatewayAnswers, wait: (ms: number) => Promise<void> = sleep): Bring<T> {
  const bring = async () => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await load();
      } catch {
        // It may have come back since: the last word is what it says now.
        if (await answers()) return load();
        await wait(waitBefore(attempt));
      }
    }
  };
  parts.push(bring);
  return bring;
}

/** Fetches what has not come yet, one after the other, so that nothing is missing while the gateway restarts. */
export async function bringAll(): Promise<void> {
  for (const bring of parts) {
    await bring().catch(() => {
      // Told when it is needed.
    });
  }
}

const gatewayAnswers = () => fetch("/favicon.svg", { method: "HEAD", cache: "no-store" }).then(() => true, () => false);
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
