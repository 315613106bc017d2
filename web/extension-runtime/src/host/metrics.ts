import * as host from "alga:extension/metrics";

/** Record a number. `unit` is a CloudWatch unit, for example `Count` or `Milliseconds`. */
export function emit(
  name: string,
  value: number,
  unit = "None",
  dimensions: Readonly<Record<string, string>> = {},
): void {
  host.emit(name, value, unit, Object.entries(dimensions));
}
