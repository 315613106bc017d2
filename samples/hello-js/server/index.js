// @ts-check
import { bytes, config, HostError, HttpProblem, json, log, Router, scheduler, storage } from "@alga/extension-runtime";

// Every call runs in a fresh instance, so what a module remembers is gone with the call. Keep state in storage.
let calls = 0;

const router = new Router()
  .get("/hello", (request) => {
    const name = request.query.get("name") ?? "world";
    const greeting = config.get("greeting") ?? "Hello";
    log.info(`greeting ${name}`);
    return json({
      greeting: `${greeting}, ${name}!`,
      tenant: request.context.tenantId,
      request_id: request.context.requestId ?? null,
    });
  })
  .get("/count", () => {
    calls += 1;
    return json({ count: calls });
  })
  .post("/echo", (request) => bytes(request.body, request.header("content-type") ?? "application/octet-stream"))
  // The platform delivers each event of the topic ticket.created here, as the manifest says. No user is calling.
  .post("/on-ticket", (request) => {
    const event = /** @type {{ id: string, data: { ticket_id: string } }} */ (request.json());
    return json(greet(event.id, `ticket ${event.data.ticket_id}`));
  })
  // The platform calls this when the schedule is due; a user may call it too.
  .post("/good-morning", (request) => json(greet(request.header("idempotency-key") ?? `${Date.now()}`, "morning")))
  .put("/good-morning", () => {
    const name = "good-morning";
    const known = scheduler.listSchedules().find((schedule) => schedule.name === name);
    if (known) return json({ schedule_id: known.id, last_run_status: known.lastRunStatus ?? null });
    const made = scheduler.createSchedule({ name, endpoint: "POST /good-morning", cron: "0 8 * * 1-5" });
    if (!made.success) throw new HttpProblem(409, made.error ?? "The schedule was not made.");
    return json({ schedule_id: made.scheduleId, last_run_status: null }, { status: 201 });
  })
  .get("/greeted", () => {
    const { entries } = storage.list("greeted", { limit: 100 });
    return json({ greeted: entries.map(({ key }) => storage.getJson("greeted", key)) });
  });

/**
 * Greet once. A delivery can come more than once, always with the same id, so the greeting is stored under it.
 * @param {string} id
 * @param {string} whom
 */
function greet(id, whom) {
  const greeting = { id, greeting: `${config.get("greeting") ?? "Hello"}, ${whom}!` };
  try {
    storage.putJson("greeted", id, greeting);
  } catch (error) {
    // A 4xx says that trying again would not help: the delivery is dead until an admin redrives it.
    const denied = error instanceof HostError && error.code === "denied";
    throw denied ? new HttpProblem(403, "This extension has not been allowed to keep data.") : error;
  }
  log.info(`greeted ${whom}`);
  return greeting;
}

export const handler = router.handler;
