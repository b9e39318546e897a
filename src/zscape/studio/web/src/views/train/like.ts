/** Training a study like another: the form is filled in as that one was asked for. */

import { server } from "../../server/server";
import { draftLike, drafts } from "../../state/draft.svelte";
import type { Space } from "../../state/space.svelte";
import { studio } from "../../state/studio.svelte";

export async function trainLike(space: Space): Promise<void> {
  try {
    drafts.set(draftLike(space.card, space.details.asked, await server.recipes()));
    studio.go({ view: "train", other: "" });
  } catch (problem) {
    studio.complain(problem);
  }
}
