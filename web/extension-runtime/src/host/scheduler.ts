import * as host from "alga:extension/scheduler";
import type {
  CreateScheduleInput,
  CreateScheduleResult,
  DeleteScheduleResult,
  EndpointInfo,
  ScheduleInfo,
  UpdateScheduleInput,
  UpdateScheduleResult,
} from "alga:extension/types";

import { wellFormed } from "../well-formed.js";
import { asking } from "./host-error.js";

/** Create a schedule; a refusal is `success: false` with its reason. */
export function createSchedule(input: CreateScheduleInput): CreateScheduleResult {
  return host.createSchedule(wellFormed(input));
}

/** Change a schedule; a refusal is `success: false` with its reason. */
export function updateSchedule(id: string, input: UpdateScheduleInput): UpdateScheduleResult {
  return host.updateSchedule(wellFormed(id), wellFormed(input));
}

/** Delete a schedule; a refusal is `success: false` with its reason. */
export function deleteSchedule(id: string): DeleteScheduleResult {
  return host.deleteSchedule(wellFormed(id));
}

/** List the install's schedules. @throws HostError denied, internal */
export function listSchedules(): ScheduleInfo[] {
  return asking("scheduler.list-schedules", () => host.listSchedules());
}

/** Return one schedule, or `undefined`. @throws HostError denied, internal */
export function getSchedule(id: string): ScheduleInfo | undefined {
  return asking("scheduler.get-schedule", () => host.getSchedule(wellFormed(id))) ?? undefined;
}

/** List the extension's endpoints; those that may be scheduled are marked. @throws HostError denied, internal */
export function getEndpoints(): EndpointInfo[] {
  return asking("scheduler.get-endpoints", () => host.getEndpoints());
}
