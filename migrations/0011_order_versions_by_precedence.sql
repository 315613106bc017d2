-- Why: the newest version is the one of highest precedence (semver.org §11), not the one that was published last: a fix of an
-- old line would have been offered as an update to those who are ahead of it. Stage: expand.
set local role app_owner;

create function app.version_precedence(version text) returns text
  language sql immutable strict parallel safe set search_path = pg_catalog, pg_temp
  as $$
    with parts as (
      select split_part(split_part(version, '+', 1), '-', 1) as core,
             nullif(substring(split_part(version, '+', 1) from '-(.*)$'), '') as pre)
    select (select string_agg(lpad(length(number)::text, 3, '0') || number, '.' order by place)
            from unnest(string_to_array(core, '.')) with ordinality as numbers(number, place))
        || case when pre is null then '~' else '!' || (
             select string_agg(case when word ~ '^[0-9]+$' then '0' || lpad(length(word)::text, 3, '0') || word
                               else '1' || word end, '!' order by place)
             from unnest(string_to_array(pre, '.')) with ordinality as words(word, place)) end
    from parts
  $$;
comment on function app.version_precedence(text) is
  'A text that orders as semantic versions do (semver.org, section 11) by code point; numbers are led by their length.';
revoke all on function app.version_precedence(text) from public;
grant execute on function app.version_precedence(text) to fn_registry;

alter table app.extension_version
  add column precedence text collate "C" not null generated always as (app.version_precedence(version)) stored,
  add column is_prerelease boolean not null generated always as (split_part(version, '+', 1) like '%-%') stored;
create index extension_version_highest on app.extension_version (extension_id, is_prerelease, precedence desc)
  where state = 'ready';
