/** The state that outlives a view: where one is, the study, what is chosen, and what can be undone. */

import type { Bytes } from "../map/arrays";
import { countMarks, mark } from "../map/lasso";
import { listen, type Line } from "../server/events";
import { Problem, server, UNREACHABLE } from "../server/server";
import type { About, Card, Doing, Job, LogRecord, Place } from "../server/types";
import { follow, leaveStep, readAddress } from "./address";
import { endsOf, keepEnds, withKnown, type End, type Ends } from "./ends";
import { nowhere, type Where } from "./hash";
import { withJob } from "./jobs";
import { Notes } from "./notes.svelte";
import { fetchPlane, Space, type Plane } from "./space.svelte";
import { keepInTab, keptInTab } from "./tab";
import { History, type Step } from "./undo";

const NOTICE = 5000; // milliseconds that a notice stays
const AGAIN = 1500; // milliseconds between two looks at a model that is being loaded
const START = "zscape-start"; // the start of the server that the tab last saw

class Studio {
  where = $state.raw<Where>(nowhere());
  /** Where the address led, until it was gone there. */
  arrived = $state.raw<Where | null>(null);
  about = $state.raw<About | null>(null);
  cards = $state.raw<Card[] | null>(null);
  jobs = $state.raw<Job[]>([]);
  space = $state.raw<Space | null>(null);
  notes = $state.raw<Notes | null>(null);
  problem = $state<string | null>(null);
  notice = $state<string | null>(null);
  line = $state<Line>("up");
  decoded = $state.raw<{ milliseconds: number; roundTrip: number } | null>(null);

  marks = $state.raw<Bytes | null>(null);
  only = $state.raw<Bytes | null>(null);
  filter = $state(false);
  ends = $state.raw<Ends>({ a: null, b: null });
  ringed = $state.raw<Bytes | null>(null);
  /** The newest record of each study being trained, and a count that grows with each. */
  heard = $state.raw<{ study: string; record: LogRecord } | null>(null);
  snapshots = $state(0);
  /** What is worked at that takes seconds. */
  doing = $state.raw<Doing | null>(null);
  readonly #history = new History();
  #noticeEnds = 0;
  /** The id of the selection, once the server has it. */
  stored: Promise<string> = Promise.resolve("");

  /** Ends once it is known which start of the server this is. */
  #seen = Promise.resolve();
  #restarted = false;

  readonly count = $derived(countMarks(this.marks));
  /** The same list until it changes, so that a pan does not look at every point again. */
  readonly #hiddenList = $derived(this.where.hidden);
  readonly hidden = $derived(new Set(this.#hiddenList));

  async start(): Promise<void> {
    this.where = this.arrived = readAddress();
    addEventListener("hashchange", () => this.#arrive());
    this.#listen();
    this.#seen = this.#readAbout();
    await this.readStudies();
    void this.#readJobs();
  }

  /** Goes somewhere else; `quietly` leaves no step for the back button. */
  go(change: Partial<Where>, quietly = false): void {
    const before = this.where;
    this.where = { ...before, ...change };
    if (quietly) follow(() => this.where);
    else leaveStep(before, this.where);
    this.#follow(before);
  }

  /** Loads what the address shows that was not shown before. */
  #follow({ study, projection }: Where): void {
    if (this.where.study !== study) void this.openStudy(this.where.study);
    else if (this.where.projection !== projection) void this.loadPlane();
  }

  async readStudies(): Promise<void> {
    try {
      const opening = this.openStudy(this.where.study); // beside the list, not after it
      this.cards = (await server.studies()).studies;
      const first = this.cards.find((card) => card.state === "trained") ?? this.cards[0];
      if (!this.where.study && first) this.go({ study: first.id }, true);
      else await opening;
    } catch (problem) {
      this.complain(problem);
    }
  }

  async openStudy(id: string): Promise<void> {
    if (!id || this.space?.id === id) return;
    this.#forget();
    const known = this.cards?.find((card) => card.id === id);
    const drawing = known && known.state !== "trained" ? null : this.#plane(id);
    drawing?.catch(() => undefined); // heard of below
    try {
      const { card, details } = await server.study(id);
      if (!details) {
        this.space = null;
        this.problem = card.problem;
        return;
      }
      const space = new Space(card, details);
      const notes = new Notes(id);
      [space.plane] = await Promise.all([drawing ?? this.#plane(id), space.loadNames()]);
      if (this.where.study !== id) return;
      this.space = space;
      this.notes = notes;
      void this.#readEnds(space);
      await Promise.all([space.loadRest(), notes.load()]);
      this.#colour(space);
      await this.#readSelection(id, this.where.selection);
    } catch (problem) {
      this.complain(problem);
    }
  }

  async loadPlane(): Promise<void> {
    const space = this.space;
    if (!space) return;
    try {
      space.plane = await this.#plane(space.id);
    } catch (problem) {
      this.complain(problem);
    }
  }

  /** The map as the address asks for it; PCA's where no other was laid out yet. */
  async #plane(study: string): Promise<Plane> {
    try {
      return await fetchPlane(study, this.where.projection || "pca");
    } catch (problem) {
      if (!(problem instanceof Problem) || problem.id !== "not_ready") throw problem;
      void this.#layOut();
      return this.space?.plane ?? (await fetchPlane(study, "pca"));
    }
  }

  /** Commits a selection: once per gesture, undoable, and short in the address. */
  select(marks: Bytes | null, what = "selection"): void {
    const before = this.marks;
    const value = marks && countMarks(marks) ? marks : null;
    this.run({
      what,
      subject: "selection",
      redo: () => this.#mark(value),
      undo: () => this.#mark(before),
    });
  }

  pin(item: number | null): void {
    this.go({ item });
  }

  setEnd(which: "a" | "b", end: End): void {
    this.setEnds({ ...this.ends, [which]: end }, `end ${which.toUpperCase()}`);
    this.say(`${which.toUpperCase()} is ${end.words}.`);
  }

  setEnds(after: Ends, what: string): void {
    const before = this.ends;
    const { study } = this.where;
    this.run({
      what,
      subject: "ends",
      redo: () => this.#putEnds(study, after),
      undo: () => this.#putEnds(study, before),
    });
  }

  #putEnds(study: string, ends: Ends): void {
    if (study !== this.where.study) return; // of a study that was left
    this.ends = ends;
    keepEnds(study, ends);
    this.go({ a: ends.a?.place ?? null, b: ends.b?.place ?? null }, true);
  }

  /** Sets a note of the study, undoably. */
  note<Name extends "tags" | "paths" | "names" | "shelf">(
    name: Name,
    value: NonNullable<typeof this.notes>[Name],
    what: string,
  ): void {
    const notes = this.notes;
    if (!notes) return;
    const before = notes[name];
    const write = (v: typeof value) => notes.set(name, v as never, (words) => this.say(words));
    this.run({ what, subject: name, redo: () => write(value), undo: () => write(before) });
  }

  shelve(place: Place): void {
    if (this.notes) this.note("shelf", [...this.notes.shelf, place], "the shelf");
  }

  /** Does a step that can be taken back in this view. */
  run(step: Step): void {
    step.redo();
    this.did(step);
  }

  /** Remembers a step that was done in this view. */
  did(step: Step): void {
    this.#history.add(step, this.where.view);
  }

  undo(): void {
    const what = this.#history.undo(this.where.view);
    this.say(what ? `Taken back: ${what}.` : "Nothing to take back here.");
  }

  redo(): void {
    const what = this.#history.redo(this.where.view);
    this.say(what ? `Done again: ${what}.` : "Nothing to do again here.");
  }

  say(words: string): void {
    this.notice = words;
    clearTimeout(this.#noticeEnds);
    this.#noticeEnds = window.setTimeout(() => (this.notice = null), NOTICE);
  }

  complain(problem: unknown): void {
    if (problem instanceof Problem && problem.id === "login") this.logIn();
    this.problem = problem instanceof Error ? problem.message : String(problem);
  }

  /** Leaves for the page that logs in, which comes back to where one is. */
  logIn(): void {
    location.href = `login${location.hash}`;
  }

  /** Reads how the server is, and again until the model is there: its event may have come before
   * this page listened. */
  async #readAbout(): Promise<void> {
    try {
      this.about = await server.about();
    } catch {
      return; // the banner says that the server is gone
    }
    this.#takeStart(this.about.start);
    if (this.about.worker.state !== "ready") setTimeout(() => void this.#readAbout(), AGAIN);
  }

  /** After a restart of the server: what is marked on the page is stored anew. */
  #takeStart(start: string): void {
    const before = keptInTab<string>(START);
    if (before === start) return;
    keepInTab(START, start);
    this.#restarted = before !== null;
    if (!this.#restarted) return;
    this.say("The studio was restarted.");
    if (this.marks) this.#mark(this.marks);
  }

  #mark(marks: Bytes | null): void {
    this.marks = marks;
    const study = this.where.study;
    if (!marks) {
      this.go({ selection: "" }, true);
      return;
    }
    this.stored = server.select(study, marks).then((made) => {
      if (this.marks === marks) this.go({ selection: made.id }, true);
      return made.id;
    });
    this.stored.catch((problem) => this.complain(problem));
  }

  async #readSelection(study: string, id: string): Promise<void> {
    if (!id) return;
    try {
      const items = (await server.selection(study, id)).array("items");
      this.marks = mark(items, this.space?.count ?? 0);
      this.stored = Promise.resolve(id);
    } catch {
      this.go({ selection: "" }, true);
      await this.#seen;
      this.say(
        this.#restarted
          ? "The studio was restarted; your selection was let go."
          : "The selection of this address is not kept any more, and was let go.",
      );
    }
  }

  /** The ends that the address names, else those that the tab remembers. Their selections may be of
   * an earlier start of the server; the places are there all the same. */
  async #readEnds(space: Space): Promise<void> {
    const found = endsOf(space, this.where);
    this.#putEnds(space.id, found);
    try {
      const known = await withKnown(space.id, found);
      if (this.ends === found) this.ends = known;
    } catch (problem) {
      this.complain(problem);
    }
  }

  async #layOut(): Promise<void> {
    this.say("UMAP lays the map out; it appears when it is done.");
    try {
      await server.startJob({ kind: "project", study: this.where.study, method: "umap" });
    } catch (problem) {
      this.complain(problem);
      this.go({ projection: "" }, true);
    }
  }

  #arrive(): void {
    const before = this.where;
    const found = readAddress();
    const { study, selection } = { ...found, study: found.study || before.study };
    this.where = this.arrived = { ...found, study };
    this.#follow(before);
    if (this.space?.id !== study) return;
    void this.#readEnds(this.space);
    if (this.space.columns.length) this.#colour(this.space);
    if (selection === before.selection) return;
    this.marks = null;
    void this.#readSelection(study, selection);
  }

  /** The usual colour where none is asked for, or one that is not there. */
  #colour(space: Space): void {
    if (!space.knows(this.where.colour)) this.go({ colour: space.usualColour }, true);
  }

  #forget(): void {
    this.problem = null;
    this.marks = this.only = this.ringed = null;
    this.ends = { a: null, b: null };
    this.#history.forget();
  }

  #listen(): void {
    listen(
      {
        doing: (doing) => (this.doing = doing),
        ready: () => void this.#readAbout(),
        job: (job) => this.takeJob(job),
        progress: ({ study, record }) => (this.heard = { study, record }),
        snapshot: () => this.snapshots++,
        study: () => void this.readCards(),
        reset: () => void this.#readAgain(),
      },
      (line) => this.#takeLine(line),
    );
  }

  /** What was asked for while the server was gone is asked again. */
  #takeLine(line: Line): void {
    const back = line === "up" && this.line !== "up";
    this.line = line;
    if (!back) return;
    if (this.problem === UNREACHABLE) this.problem = null;
    void (this.space ? this.readCards() : this.readStudies());
    void this.#readJobs();
    void this.#readAbout();
    this.snapshots++;
  }

  /** Events were missed: what they would have told is read. */
  async #readAgain(): Promise<void> {
    this.snapshots++;
    await Promise.all([this.readCards(), this.#readJobs()]);
  }

  async readCards(): Promise<void> {
    try {
      this.cards = (await server.studies()).studies;
    } catch {
      return; // the banner says that the server is gone
    }
  }

  /** What the server knows of jobs; what it does not know any more was of an earlier start. */
  async #readJobs(): Promise<void> {
    try {
      const { jobs } = await server.jobs();
      const known = jobs.flatMap((job) => this.jobs.find((one) => one.id === job.id) ?? []);
      this.jobs = jobs.reduce(withJob, known);
    } catch {
      return; // the banner says that the server is gone
    }
  }

  takeJob(job: Job): void {
    this.jobs = withJob(this.jobs, job);
    if (job.state === "failed" && job.error) this.say(job.error.sentence);
    if (job.kind === "project" && job.state === "done") void this.loadPlane();
  }
}

export const studio = new Studio();
