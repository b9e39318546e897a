/** What happens on the server, as it happens: server-sent events. The browser reconnects by itself
 * and goes on after the last event it saw. */

import { server } from "./server";
import type { Job, LogRecord } from "./types";

export interface Happenings {
  job: Job;
  progress: { job: string; study: string; record: LogRecord };
  snapshot: { job: string; step: number; epoch: number };
  study: { id: string; change: "added" | "changed" };
  ready: { ready: true };
  reset: Record<string, never>;
}

/** Listens until the answer is called. `onLine` hears whether the server can be reached. */
export function listen(
  hear: { [Name in keyof Happenings]?: (data: Happenings[Name]) => void },
  onLine: (reached: boolean) => void,
): () => void {
  const source = new EventSource(server.eventsUrl());
  for (const [name, act] of Object.entries(hear)) {
    source.addEventListener(name, (event) =>
      (act as (data: unknown) => void)(JSON.parse((event as MessageEvent<string>).data)),
    );
  }
  source.onopen = () => onLine(true);
  source.onerror = () => onLine(false);
  return () => source.close();
}
