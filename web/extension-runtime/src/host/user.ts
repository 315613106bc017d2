import type { UserData, UserDataV2 } from "alga:extension/types";
import * as v1 from "alga:extension/user";
import * as v2 from "alga:extension/user-v2";

import { asking, askingUnless } from "./host-error.js";

/** The user who called, with client and further fields; `undefined` when no user did (schedules, events). */
export function get(): UserDataV2 | undefined {
  return askingUnless("user-v2.get-user", "not-available", () => v2.getUser());
}

/** The user as hosts before `user-v2` told it. */
export function getBasic(): UserData {
  return asking("user.get-user", () => v1.getUser());
}
