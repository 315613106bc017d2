import type { HttpHeader } from "alga:extension/types";

/** Headers by name. A header with a list of values is sent once for each value. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>;

/** Return headers as a list, in the order in which they were written. */
export function headerList(fields: HeaderFields): HttpHeader[] {
  return Object.entries(fields).flatMap(([name, values]) =>
    (typeof values === "string" ? [values] : values).map((value) => ({ name, value })),
  );
}
