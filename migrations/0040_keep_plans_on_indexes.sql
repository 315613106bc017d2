-- Why: a session keeps the plan of a function's statements. One that is made while a table is empty reads the whole table, also
-- after ten thousand rows were written by the same session: a tick with 10,000 due schedules took 90 s instead of 7.
-- Stage: expand.
set local role app_owner;

-- All of them find rows by key.
alter function app.count_storage() set enable_seqscan to off;
alter function app.fire_schedules(jsonb) set enable_seqscan to off;
alter function app.note_schedule_run(text, uuid, uuid, text, text) set enable_seqscan to off;
alter function app.queue_deliveries(text) set enable_seqscan to off;
