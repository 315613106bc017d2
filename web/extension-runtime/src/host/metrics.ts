import * as host from "alga:extension/metrics";

import { wellFormed } from "../well-formed.js";

/**
 * Record a number. The manifest must declare the name under `metrics`, or the number is dropped. The unit that it declares
 * is the one that counts.
 */
export function emit(
  name: string,
  value: number,
  unit = "None",
  dimensions: Readonly<Record<string, string>> = {},
): void {
  host.emit(...wellFormed([name, value, unit, Object.entries(dimensions)] as const));
}
