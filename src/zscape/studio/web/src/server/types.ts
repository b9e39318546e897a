/** What the server says, as docs/studio-api.md has it. */

export interface Figure {
  figure: string;
  value: number | null;
  unit: string;
  kind: "exact" | "bound" | "estimate" | "surrogate" | "undefined";
  error: number | null;
}

/** What is wrong with a form: the field, empty where it is none, and why. */
export interface Fault {
  field: string;
  sentence: string;
}

export interface About {
  version: string;
  /** Of this start of the server: jobs and selections of another are gone. */
  start: string;
  ready: boolean;
  capabilities: { umap: boolean; train: boolean };
  worker: { state: "idle" | "starting" | "ready" | "lost"; last_ms: number | null };
}

export interface Card {
  id: string;
  name: string;
  recipe: string;
  state: "trained" | "training" | "untrained" | "broken";
  problem: string | null;
  kind: string;
  source: string;
  num_examples: number;
  modified: number;
  ending: Ending | null;
}

/** Why a training ended where its study's newest checkpoint is. */
export interface Ending {
  why: "epochs" | "patience" | "diverged" | "broken";
  epoch: number;
  epochs: number;
  step: number;
  /** The lowest validation loss, in nats. */
  best: number | null;
  patience: number;
  goes_on: boolean;
}

export interface Level {
  name: string;
  start: number;
  stop: number;
  shape: number[];
}

export interface Condition {
  name: string;
  kind: string;
  values: string[];
}

export interface Details {
  shows: "pictures" | "rows";
  kind: string;
  picture: { height: number; width: number; channels: number } | null;
  columns: string[] | null;
  latent: number;
  levels: Level[];
  items: number;
  kept: number;
  all_kept: boolean;
  labels: string[] | null;
  /** Whether its items have names of their own. */
  named: boolean;
  asked: { recipe: string; options: Record<string, unknown>; training: Record<string, unknown> };
  notes: string[];
  conditions: Condition[];
  figures: Figure[];
  methods: { projection: string[]; path: string[] };
  content: string;
  /** Where its folder lies on the computer of the studio. */
  path: string;
}

export interface Projection {
  method: string;
  x: [number, number];
  y: [number, number];
  explained: number | null;
  to_scale: boolean;
  plane: { origin: number[]; axes: [number[], number[]] } | null;
  aligned_to: string | null;
  alignment_error: number | null;
}

export interface Column {
  id: string;
  name: string;
  kind: "category" | "number";
  unit: string;
  classes: string[] | null;
  group: "label" | "attribute" | "column" | "part" | "score";
}

export interface Thumbs {
  sizes: number[];
  per_sheet: number;
  columns: number;
  sheets: number;
  items: number;
  all_kept: boolean;
}

export type Cell = string | number | boolean | null;

/** A cell that stands alone: under which column, and what it says; empty where it is missing. */
export interface NamedCell {
  name: string;
  words: string;
}

export interface Rows {
  columns: string[];
  cells: Cell[][];
}

export interface Item {
  id: number;
  name: string | null;
  kept: boolean;
  held_out: boolean | null;
  label: string | null;
  attributes: Record<string, Cell>;
  z: number[];
  scale: number[] | null;
  rate: number[] | null;
  rows: { columns: string[]; original: Cell[] | null; reconstruction: Cell[] } | null;
}

export interface Unit {
  unit: number;
  level: string;
  rate: number | null;
  mean: number;
  spread: number;
  /** The standard deviation of codes as training drew them. */
  drawn: number;
  active: boolean;
}

/** A thing or a code of the space. */
export type Place = { item: number } | { code: number[] };
export type Group = { selection: string } | { items: number[] } | { name: string };
export type Conditions = Record<string, Cell>;

export interface Direction {
  name: string;
  vector: number[];
  score: number | null;
  measure: string;
  number: number;
  leakage: Record<string, number>;
  kept: boolean;
}

export interface Remedy {
  option: string;
  value: unknown;
  why: string;
}

export interface Finding {
  name: string;
  severity: "serious" | "warning" | "note";
  what: string;
  evidence: Figure[];
  cause: string;
  remedies: Remedy[];
}

export interface Health {
  healthy: boolean;
  findings: Finding[];
  figures: Figure[];
  measured: {
    examples: number;
    held_out: boolean;
    sections: {
      name: string;
      lead: string;
      rows: { name: string; figures: Measured[] }[];
    }[];
  } | null;
}

/** A figure of a group minus that of the first, with a 95 % interval where there is one. */
export interface Difference {
  figure: string;
  value: number | null;
  low: number | null;
  high: number | null;
  unit: string;
  how: string;
}

export interface Measured {
  name: string;
  value: number | null;
  unit: string;
  kind: Figure["kind"];
  error: number | null;
}

export interface Anomalies {
  scores: { name: string; unit: string; kind: string; column: string }[];
  score: string;
  notes: string[];
  threshold: number | null;
  /** `open`: what is above the high end counts there. */
  histogram: { low: number; high: number; counts: number[]; open: boolean };
  total: number;
  items: { id: number; value: number; p: number; p_words: string }[];
  next: string | null;
}

export interface Blame {
  name: string;
  nats: number;
  came: string;
  expected: string;
}

/** What one score says of an item; `of_costs`: whether it measures what the model finds costly. */
export interface Said {
  name: string;
  words: string;
  p_words: string;
  of_costs: boolean;
  /** Whether it counts in the surprise. */
  combined: boolean;
}

export interface Explanation {
  leading: Said;
  scores: Said[];
  words: string;
  blames: Blame[];
  units: Blame[];
}

export interface Comparison {
  groups: { name: string; studies: string[]; seeds: number[]; figures: Measured[] }[];
  differences: { group: string; figures: Difference[] }[];
  settings: Record<string, unknown[]>;
  same_items: boolean;
}

export interface LogRecord {
  step: number;
  epoch: number;
  share: number;
  loss: number;
  parts: Record<string, number>;
  seconds: number;
  note: string;
}

export interface Option {
  name: string;
  about: string;
  kinds: string[];
  default: unknown;
  choices: unknown[] | null;
}

export interface Recipes {
  recipes: { name: string; about: string; options: Option[] }[];
  training: Option[];
  data: string[];
}

export interface Job {
  id: string;
  kind: string;
  study: string | null;
  name: string;
  recipe: string;
  state: "waiting" | "running" | "done" | "stopped" | "failed";
  share: number;
  stopping: boolean;
  words: string;
  note: string;
  epoch: number;
  epochs: number;
  error: { id: string; sentence: string } | null;
  ending: Ending | null;
  result: boolean;
  created: number;
}

/** What a training made of fixed codes and fixed items at a step. */
export interface Snapshot {
  step: number;
  epoch: number;
  shows: "pictures" | "rows";
}

export interface SnapshotRows extends Snapshot {
  rows: {
    columns: string[];
    samples: Cell[][];
    originals: Cell[][];
    reconstructions: Cell[][];
  } | null;
}

/** How far a call about a study is that takes seconds. */
export interface Doing {
  study: string;
  call: string;
  words: string;
  share: number;
}

export interface SavedPath {
  name: string;
  stops: Place[];
  method: string;
  steps: number;
}

export interface Note<T> {
  version: number;
  value: T | null;
}

export interface Notes {
  tags: Note<Record<string, number[]>>;
  paths: Note<SavedPath[]>;
  names: Note<Record<string, string>>;
  shelf: Note<Place[]>;
  kept: boolean;
}
