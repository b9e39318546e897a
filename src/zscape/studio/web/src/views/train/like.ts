/** Training a study like another: the form is filled in as that one was asked for, but for what
 * the doctor would change. */

import { server } from "../../server/server";
import { draftLike, drafts } from "../../state/draft.svelte";
import type { Remedy } from "../../server/types";
import type { Space } from "../../state/space.svelte";
import { studio } from "../../state/studio.svelte";

export async function trainLike(space: Space, remedy?: Remedy): Promise<void> {
  try {
    const { card, details } = space;
    drafts.set(draftLike(card, details.asked, await server.recipes(), remedy));
    studio.go({ view: "train", other: "" });
  } catch (problem) {
    studio.complain(problem);
  }
}
