import { expect, it } from "vitest";

import { asking, askingUnless, HostError } from "../src/host/host-error.js";

const refuse = (payload: unknown) => () => {
  throw Object.assign(Object.create(null), { payload });
};

it("turns the payload of a host's error into its code, whatever realm it comes from", () => {
  expect(() => asking("storage.get", refuse("denied"))).toThrow(new HostError("storage.get", "denied"));
});

it("lets through what is no refusal", () => {
  const defect = new RangeError("defect");
  expect(() =>
    asking("storage.get", () => {
      throw defect;
    }),
  ).toThrow(defect);
});

it("takes one expected case as absence", () => {
  expect(askingUnless("storage.get", "missing", refuse("missing"))).toBeUndefined();
  expect(() => askingUnless("storage.get", "missing", refuse("internal"))).toThrow(HostError);
});
