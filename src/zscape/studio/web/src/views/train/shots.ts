/** What the trainings of one study made at its steps, as one row in time. */

import type { Snapshot } from "../../server/types";

export interface Shot extends Snapshot {
  /** The id of the training that made it. */
  job: string;
}

/** Every snapshot by its step, rising; of one step what the newest training made.
 *
 * @param jobs ids of the trainings, the newest first, and beside them what each made. */
export function inOrder(jobs: string[], lists: { snapshots: Snapshot[] }[]): Shot[] {
  const found = new Map<number, Shot>();
  for (const [k, { snapshots }] of lists.entries())
    for (const one of snapshots)
      if (!found.has(one.step)) found.set(one.step, { ...one, job: jobs[k] });
  return [...found.values()].sort((a, b) => a.step - b.step);
}
