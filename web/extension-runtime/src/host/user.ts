import type { UserData, UserDataV2 } from "alga:extension/types";
import * as v1 from "alga:extension/user";
import * as v2 from "alga:extension/user-v2";

import { asking, askingUnless } from "./host-error.js";

/** Return the user of the call, with client and additional fields; `undefined` without a user (schedules, events). */
export function get(): UserDataV2 | undefined {
  return askingUnless("user-v2.get-user", "not-available", () => v2.getUser());
}

/** Return the user in the older form of the interface `user`, without the fields of `user-v2`. */
export function getBasic(): UserData {
  return asking("user.get-user", () => v1.getUser());
}
