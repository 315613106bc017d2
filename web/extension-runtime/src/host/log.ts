import { logError, logInfo, logWarn } from "alga:extension/logging";

/** Write a line to the call's log, with the level info. */
export function info(message: string): void {
  logInfo(message);
}

/** Write a line to the call's log, with the level warning. */
export function warn(message: string): void {
  logWarn(message);
}

/** Write a line to the call's log, with the level error. */
export function error(message: string): void {
  logError(message);
}
