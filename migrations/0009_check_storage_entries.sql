-- Why: the rules for what guests keep held in the runner only; any other writer could leave what no guest can name, page
-- over or get rid of. Rows of the runner keep to them already. Stage: expand.
set local role app_owner;

-- Control characters as functions/runner/imports/storage/rules.py has them; NUL no text can hold.
alter table app.extension_storage_entry
  add constraint extension_storage_entry_namespace_is_plain
    check (namespace !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'),
  add constraint extension_storage_entry_key_is_plain
    check (key !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'),
  add constraint extension_storage_entry_key_is_more_than_slashes
    check (trim(both '/' from key) <> ''),
  -- 30 days of 24 hours, whatever the session's time zone does to its clocks.
  add constraint extension_storage_entry_lifetime
    check (expires_at - updated_at <= interval '720 hours');
