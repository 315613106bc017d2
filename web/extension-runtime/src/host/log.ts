import { logError, logInfo, logWarn } from "alga:extension/logging";

/** Write a line to the invocation's log. */
export function info(message: string): void {
  logInfo(message);
}

/** As `info`, for what should be looked at. */
export function warn(message: string): void {
  logWarn(message);
}

/** As `info`, for what went wrong. */
export function error(message: string): void {
  logError(message);
}
