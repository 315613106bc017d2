import * as host from "alga:extension/scheduler";
import type { EndpointInfo, ScheduleInfo } from "alga:extension/types";

import { asking } from "./host-error.js";

export { createSchedule, deleteSchedule, updateSchedule } from "alga:extension/scheduler";

/** List the install's schedules. @throws HostError denied, internal */
export function listSchedules(): ScheduleInfo[] {
  return asking("scheduler.list-schedules", () => host.listSchedules());
}

/** Return one schedule, or `undefined`. @throws HostError denied, internal */
export function getSchedule(id: string): ScheduleInfo | undefined {
  return asking("scheduler.get-schedule", () => host.getSchedule(id)) ?? undefined;
}

/** List the extension's endpoints; those that may be scheduled are marked. @throws HostError denied, internal */
export function getEndpoints(): EndpointInfo[] {
  return asking("scheduler.get-endpoints", () => host.getEndpoints());
}
