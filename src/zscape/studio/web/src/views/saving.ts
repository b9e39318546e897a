/** Files that are given to the browser to keep: made by the page, or by a job of the server. */

import { server } from "../server/server";
import { studio } from "../state/studio.svelte";

const SOON = 150; // milliseconds until a job is looked at first
const OFTEN = 2000; // milliseconds between two looks at a job that takes long
const KEPT = 10_000; // milliseconds in which the browser reads what the page made

/** A picture that the page drew. */
export function saveBlob(blob: Blob, name: string): void {
  const address = URL.createObjectURL(blob);
  follow(address, name);
  setTimeout(() => URL.revokeObjectURL(address), KEPT);
}

/** What a job makes: started, waited for and saved in one go. */
export async function saveMade(body: Record<string, unknown>): Promise<void> {
  try {
    let job = await server.startJob(body);
    for (let pause = SOON; job.state === "waiting" || job.state === "running"; pause *= 1.5) {
      await new Promise((done) => setTimeout(done, Math.min(pause, OFTEN)));
      job = await server.job(job.id);
    }
    if (job.result) follow(server.resultUrl(job.id), "");
    else studio.say(job.error?.sentence ?? "The file was not made: its job was stopped.");
  } catch (problem) {
    studio.complain(problem);
  }
}

/** Items as CSV: those of the selection, or all. */
export async function saveItems(selected: boolean): Promise<void> {
  studio.say("Making items.csv; the browser saves it when it is there.");
  const selection = selected ? await studio.stored : null;
  await saveMade({ kind: "export", study: studio.where.study, what: "items", selection });
}

function follow(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
