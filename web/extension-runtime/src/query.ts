/** The query of a URL: names with one or more values, decoded. */
export class Query {
  readonly #values = new Map<string, string[]>();

  /** @param encoded the part after `?`; a name or value that is not valid percent-encoded UTF-8 is not decoded */
  constructor(encoded: string) {
    for (const pair of encoded.split("&")) {
      if (pair === "") continue;
      const equals = pair.indexOf("=");
      const name = decode(equals < 0 ? pair : pair.slice(0, equals));
      const value = equals < 0 ? "" : decode(pair.slice(equals + 1));
      const values = this.#values.get(name);
      if (values === undefined) this.#values.set(name, [value]);
      else values.push(value);
    }
  }

  /** The first value of a name. */
  get(name: string): string | undefined {
    return this.#values.get(name)?.[0];
  }

  /** All values of a name, in their order. */
  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The names, in the order of their first value. */
  names(): string[] {
    return [...this.#values.keys()];
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text; // a percent sign that begins no escape is part of the caller's text, not an error
  }
}
