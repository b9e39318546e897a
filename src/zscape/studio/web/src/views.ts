/** The views there are, in the order of the rail. */

export const VIEWS = [
  { name: "explore", title: "Explore", icon: "map" },
  { name: "traverse", title: "Traverse", icon: "sliders" },
  { name: "anomalies", title: "Anomalies", icon: "alert" },
  { name: "health", title: "Health", icon: "pulse" },
  { name: "train", title: "Train", icon: "curve" },
  { name: "compare", title: "Compare", icon: "columns" },
  { name: "export", title: "Export", icon: "save" },
] as const;

export type ViewName = (typeof VIEWS)[number]["name"];

export function isView(text: string): text is ViewName {
  return VIEWS.some((view) => view.name === text);
}
