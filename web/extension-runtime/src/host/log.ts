import { logError, logInfo, logWarn } from "alga:extension/logging";

import { wellFormed } from "../well-formed.js";

/** Write a line to the call's log, with the level info. */
export function info(message: string): void {
  logInfo(wellFormed(message));
}

/** Write a line to the call's log, with the level warning. */
export function warn(message: string): void {
  logWarn(wellFormed(message));
}

/** Write a line to the call's log, with the level error. */
export function error(message: string): void {
  logError(wellFormed(message));
}
