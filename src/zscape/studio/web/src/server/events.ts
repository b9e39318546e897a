/** What happens on the server, as it happens: server-sent events. A broken stream is taken up again
 * after the last event that was seen. */

import { Problem, server } from "./server";
import type { Doing, Job, LogRecord } from "./types";

export interface Happenings {
  job: Job;
  progress: { job: string; study: string; record: LogRecord };
  snapshot: { job: string; step: number; epoch: number };
  study: { id: string; change: "added" | "changed" };
  doing: Doing;
  ready: { ready: true };
  reset: Record<string, never>;
}

/** How the way to the server is: open, broken, or barred to who is not logged in (any more). */
export type Line = "up" | "gone" | "stranger";

const AGAIN = 2000; // milliseconds until a stream that the browser gave up is opened anew

/** Listens until the answer is called. `onLine` hears how the way to the server is. */
export function listen(
  hear: { [Name in keyof Happenings]?: (data: Happenings[Name]) => void },
  onLine: (line: Line) => void,
): () => void {
  let source: EventSource;
  let last = "";
  let timer = 0;

  function open(): void {
    source = new EventSource(server.eventsUrl(last));
    for (const [name, act] of Object.entries(hear)) {
      source.addEventListener(name, (event) => {
        const { data, lastEventId } = event as MessageEvent<string>;
        last = lastEventId;
        (act as (data: unknown) => void)(JSON.parse(data));
      });
    }
    source.onopen = () => onLine("up");
    source.onerror = () => void broken(source);
  }

  /** The browser itself tries again where nobody answered, but not where it was refused. */
  async function broken(stream: EventSource): Promise<void> {
    if (stream.readyState === EventSource.CLOSED) timer = window.setTimeout(open, AGAIN);
    const line = await lineNow();
    if (line !== "up" && source === stream && stream.readyState !== EventSource.OPEN) onLine(line);
  }

  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

async function lineNow(): Promise<Line> {
  try {
    await server.about();
    return "up";
  } catch (problem) {
    return problem instanceof Problem && problem.id === "login" ? "stranger" : "gone";
  }
}
