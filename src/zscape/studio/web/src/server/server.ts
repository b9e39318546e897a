/** The one module that speaks to the server: what is asked once, by HTTP. */

import type { Bytes } from "../map/arrays";
import { unpack, type Packed } from "./binary";
import type * as t from "./types";

/** What the server would not do, as a sentence for a person. */
export class Problem extends Error {
  readonly id: string;
  readonly status: number;
  readonly again: number | null;
  /** Of a form: each field that is wrong, and why. */
  readonly faults: t.Fault[];

  constructor(
    sentence: string,
    id = "unreachable",
    status = 0,
    again: number | null = null,
    faults: t.Fault[] = [],
  ) {
    super(sentence);
    this.id = id;
    this.status = status;
    this.again = again;
    this.faults = faults;
  }
}

export const UNREACHABLE =
  "The studio's server does not answer. Start it again with 'zscape studio'; this page goes on by itself.";

type Decoded = Packed<{ kind: string; rows: t.Rows | null }>;
export type Edited = Packed<{
  rows: t.Rows | null;
  before: boolean;
  beyond: number | null;
  warning: string;
}>;

export const server = {
  about: () => get<t.About>("about"),
  studies: () => get<{ studies: t.Card[] }>("studies"),
  study: (s: string) => get<{ card: t.Card; details: t.Details | null }>(of(s)),
  checkpoints: (s: string) =>
    get<{ checkpoints: { id: string; step: number; epoch: number }[] }>(of(s, "checkpoints")),
  log: (s: string, since = 0) =>
    get<{ records: t.LogRecord[]; next: number }>(of(s, `log?since=${since}`)),

  names: (s: string) => get<{ names: string[] }>(of(s, "names")),
  codes: (s: string) => getPacked<{ items: number; latent: number }>(of(s, "codes?dtype=f16")),
  projection: (s: string, method: string, align = "") =>
    getPacked<t.Projection>(of(s, `projection?${projectionQuery(method, align)}`)),
  columns: (s: string) => get<{ columns: t.Column[]; left_out: number }>(of(s, "columns")),
  column: (s: string, c: string) => getPacked<t.Column>(of(s, `columns/${encodeURIComponent(c)}`)),
  kept: (s: string) => getPacked<{ items: number; kept: number }>(of(s, "kept")),

  thumbs: (s: string) => get<t.Thumbs>(of(s, "thumbs")),
  sheetUrl: (s: string, size: number, sheet: number, content: string) =>
    url(of(s, `thumbs/${size}/${sheet}.webp?v=${content.slice(0, 16)}`)),
  item: (s: string, i: number) => get<t.Item>(of(s, `items/${i}`)),
  scales: (s: string, items: number[]) =>
    getPacked<{ items: number[] }>(of(s, `scales?items=${items.join(",")}`)),
  itemUrl: (s: string, i: number, what: "original" | "reconstruction" | "error") =>
    url(of(s, `items/${i}/${what}.png`)),

  decode: (s: string, codes: number[][], where: t.Conditions = {}) =>
    post<Decoded>(of(s, "decode"), { codes, where }),
  encode: (s: string, bytes: Blob) => post<Decoded>(of(s, "encode"), bytes),
  sample: (s: string, n: number, seed: number, where: t.Conditions = {}) =>
    post<Decoded>(of(s, "sample"), { n, seed, levels: null, where }),
  neighbours: (s: string, place: t.Place, k = 12) =>
    post<{ items: { id: number; distance: number }[] }>(of(s, "neighbours"), { ...place, k }),
  telling: (s: string, places: t.Place[]) =>
    post<{ rows: t.NamedCell[][] }>(of(s, "telling"), { places }),
  path: (s: string, stops: t.Place[], steps: number, method: string, closed = false) =>
    post<Packed<unknown>>(of(s, "path"), { stops, steps, method, closed }),
  edit: (s: string, place: t.Place, strengths: Record<string, number>) =>
    post<Edited>(of(s, "edit"), { ...place, strengths, keep_details: true }),
  mix: (
    s: string,
    content: t.Place,
    style: t.Place,
    levels: string[] | null,
    units: number[] | null,
  ) => post<Decoded>(of(s, "mix"), { content, style, levels, units }),
  redraw: (s: string, place: t.Place, levels: string[], n: number, seed: number) =>
    post<Decoded>(of(s, "redraw"), { ...place, below: null, levels, n, seed }),

  directions: (s: string) =>
    get<{ kept: t.Direction[]; found: t.Direction[]; known: string[] }>(of(s, "directions")),
  findDirection: (
    s: string,
    positive: t.Group,
    negative: t.Group | null,
    name: string,
    keep = false,
  ) => post<t.Direction>(of(s, "directions"), { positive, negative, name, apart_from: [], keep }),
  keepDirection: (s: string, name: string, to: string) =>
    post<t.Direction>(of(s, "directions/keep"), { name, to }),
  dropDirection: (s: string, { name, kept }: t.Direction) =>
    send<void>("DELETE", of(s, `directions?${query({ name, kept: String(kept) })}`)),
  restoreDirection: (s: string, name: string) =>
    post<t.Direction>(of(s, "directions/restore"), { name }),
  unsupervised: (s: string, method: string, number: number) =>
    get<{ directions: t.Direction[] }>(
      of(s, `directions/unsupervised?method=${method}&number=${number}`),
    ),

  units: (s: string) => get<{ units: t.Unit[]; collapsed: boolean }>(of(s, "units")),
  health: (s: string) => get<t.Health>(of(s, "health")),
  anomalies: (s: string, score: string, cursor: string, limit = 100) =>
    get<t.Anomalies>(of(s, `anomalies?${query({ score, cursor, limit: String(limit) })}`)),
  explanation: (s: string, i: number) => get<t.Explanation>(of(s, `items/${i}/explanation`)),
  compare: (a: string, b: string) => get<t.Comparison>(`compare?${query({ a, b })}`),

  select: (s: string, marks: Bytes, name = "") =>
    post<{ id: string; name: string; count: number }>(of(s, "selections"), {
      name,
      mask: packMarks(marks),
    }),
  selections: (s: string) =>
    get<{ selections: { id: string; name: string; count: number }[] }>(of(s, "selections")),
  selection: (s: string, id: string) =>
    getPacked<{ id: string; name: string; count: number }>(of(s, `selections/${id}`)),

  notes: (s: string) => get<t.Notes>(of(s, "notes")),
  writeNote: (s: string, name: string, version: number, value: unknown) =>
    send<{ version: number }>("PUT", of(s, `notes/${name}`), { version, value }),

  recipes: () => get<t.Recipes>("recipes"),
  jobs: () => get<{ jobs: t.Job[] }>("jobs"),
  job: (id: string) => get<t.Job>(`jobs/${id}`),
  startJob: (body: Record<string, unknown>) => post<t.Job>("jobs", body),
  stopJob: (id: string) => send<t.Job>("DELETE", `jobs/${id}`),
  resultUrl: (id: string) => url(`jobs/${id}/result`),
  snapshots: (id: string) => get<{ snapshots: t.Snapshot[] }>(`jobs/${id}/snapshots`),
  snapshotRows: (id: string, step: number) => get<t.SnapshotRows>(`jobs/${id}/snapshots/${step}`),
  snapshotUrl: (id: string, step: number, what: "samples" | "reconstructions") =>
    url(`jobs/${id}/snapshots/${step}/${what}.png`),

  reportUrl: (s: string) => url(of(s, "report.html")),
  eventsUrl: (since: string) => url(since ? `events?since=${since}` : "events"),
  liveUrl: (s: string) => url(of(s, "live")).replace(/^http/, "ws"),
};

/** Marks of items as base64 of bits, item i being bit i % 8 of byte i // 8. */
export function packMarks(marks: Bytes): string {
  const bytes = new Uint8Array(Math.ceil(marks.length / 8));
  for (let i = 0; i < marks.length; i++) bytes[i >> 3] |= marks[i] << (i & 7);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(text);
}

function url(path: string): string {
  return new URL(`api/v1/${path}`, document.baseURI).href;
}

function of(study: string, rest = ""): string {
  return `studies/${encodeURIComponent(study)}${rest ? `/${rest}` : ""}`;
}

function query(values: Record<string, string>): string {
  return new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
}

function projectionQuery(method: string, align: string): string {
  const dims = method.startsWith("dims=") ? method.slice(5) : "";
  return query({ method: dims ? "dims" : method, dims, align });
}

const get = <T>(path: string) => send<T>("GET", path);
const getPacked = <H>(path: string) => send<Packed<H>>("GET", path);
const post = <T>(path: string, body: unknown) => send<T>("POST", path, body);

async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const raw = body instanceof Blob;
  let answer: Response;
  try {
    answer = await fetch(url(path), {
      method,
      headers: body
        ? { "Content-Type": raw ? "application/octet-stream" : "application/json" }
        : {},
      body: raw ? body : body ? JSON.stringify(body) : undefined,
    });
  } catch {
    throw new Problem(UNREACHABLE);
  }
  if (!answer.ok) throw await problemOf(answer);
  if (answer.status === 204) return undefined as T;
  const type = answer.headers.get("Content-Type") ?? "";
  if (type.startsWith("application/x-zscape")) return unpack(await answer.arrayBuffer()) as T;
  return (await answer.json()) as T;
}

async function problemOf(answer: Response): Promise<Problem> {
  const again = Number(answer.headers.get("Retry-After")) || null;
  try {
    const { error } = await answer.json();
    return new Problem(error.sentence, error.id, answer.status, again, error.faults);
  } catch {
    return new Problem(
      `The server answered ${answer.status}. Try again.`,
      "",
      answer.status,
      again,
    );
  }
}
