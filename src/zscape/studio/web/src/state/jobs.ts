/** Jobs as they are heard of: in any order, by what began them and by events. */

import type { Job } from "../server/types";

const RANK = { waiting: 0, running: 1, stopped: 2, failed: 2, done: 2 };

/** The jobs with what was heard of one, the newest first. What came late of an earlier state is
 * dropped: a job that ended does not run again. */
export function withJob(jobs: Job[], heard: Job): Job[] {
  const at = jobs.findIndex((job) => job.id === heard.id);
  if (at < 0) return [heard, ...jobs].sort((a, b) => b.created - a.created);
  if (RANK[heard.state] < RANK[jobs[at].state]) return jobs;
  return jobs.with(at, heard);
}

export function hasEnded(job: Job): boolean {
  return RANK[job.state] === 2;
}

/** "running, epoch 3 of 10". */
export function stateWords(job: Job): string {
  const epochs = job.epochs ? ` of ${job.epochs}` : "";
  const epoch = job.epoch ? `, epoch ${job.epoch}${epochs}` : "";
  const share =
    job.state === "running" && !job.epoch && job.share ? `, ${Math.round(100 * job.share)} %` : "";
  return `${job.stopping && !hasEnded(job) ? "stopping" : job.state}${epoch}${share}`;
}
