import type { HttpHeader } from "alga:extension/types";

/** Headers by name. A header with a list of values is sent once for each value. */
export type HeaderFields = Readonly<Record<string, string | readonly string[]>>;

/** Return headers as a list, in the order in which they were written. */
export function headerList(fields: HeaderFields): HttpHeader[] {
  const list: HttpHeader[] = [];
  for (const name of Object.keys(fields)) {
    const values = fields[name] ?? [];
    if (typeof values === "string") list.push({ name, value: values });
    else for (const value of values) list.push({ name, value });
  }
  return list;
}
