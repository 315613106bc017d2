import * as host from "alga:extension/scheduler";
import type { EndpointInfo, ScheduleInfo } from "alga:extension/types";

import { asking } from "./host-error.js";

export { createSchedule, deleteSchedule, updateSchedule } from "alga:extension/scheduler";

/** The install's schedules. @throws HostError denied, internal */
export function listSchedules(): ScheduleInfo[] {
  return asking("scheduler.list-schedules", () => host.listSchedules());
}

/** One schedule, or `undefined`. @throws HostError denied, internal */
export function getSchedule(id: string): ScheduleInfo | undefined {
  return asking("scheduler.get-schedule", () => host.getSchedule(id)) ?? undefined;
}

/** The endpoints of the extension, with those that may be scheduled marked. @throws HostError denied, internal */
export function getEndpoints(): EndpointInfo[] {
  return asking("scheduler.get-endpoints", () => host.getEndpoints());
}
