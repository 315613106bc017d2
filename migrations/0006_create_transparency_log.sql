-- Why: an append-only log of everything that changes what may run, which anybody can check (RFC 6962). Stage: expand.
set local role app_owner;

create table app.transparency_leaf (
  leaf_index bigint primary key check (leaf_index >= 0),
  -- The exact bytes that were hashed, as canonical JSON text.
  entry text not null check (octet_length(entry) <= 16384),
  leaf_hash bytea not null check (octet_length(leaf_hash) = 32),
  kind text not null,
  publisher text not null,
  extension_id uuid references app.extension_registry on delete restrict,
  at timestamptz not null default now()
);
comment on table app.transparency_leaf is 'The leaves, in order. Written in the transaction of the change they tell of; never changed.';
create index transparency_leaf_by_publisher on app.transparency_leaf (publisher, leaf_index);
create index transparency_leaf_by_extension on app.transparency_leaf (extension_id, leaf_index) where extension_id is not null;

create table app.transparency_node (
  level smallint not null check (level between 0 and 62),
  node_index bigint not null check (node_index >= 0),
  hash bytea not null check (octet_length(hash) = 32),
  primary key (level, node_index)
);
comment on table app.transparency_node is
  'Hashes of complete subtrees: node i of level l covers leaves i*2^l to (i+1)*2^l - 1. Proofs are read from here.';

create table app.transparency_size (
  only_row boolean primary key default true check (only_row),
  tree_size bigint not null check (tree_size >= 0)
);
comment on table app.transparency_size is 'How many leaves there are; the row''s lock puts appends in one order.';
insert into app.transparency_size (tree_size) values (0); -- before row security is forced on the owner, too

do $$
declare
  table_name text;
begin
  foreach table_name in array array['transparency_leaf', 'transparency_node', 'transparency_size'] loop
    execute format('alter table app.%I enable row level security', table_name);
    execute format('alter table app.%I force row level security', table_name);
    execute format('create policy registry_all on app.%I to fn_registry using (true) with check (true)', table_name);
  end loop;
end
$$;

grant select, insert on app.transparency_leaf, app.transparency_node to fn_registry;
grant select on app.transparency_size to fn_registry;
grant update (tree_size) on app.transparency_size to fn_registry;
-- No update or delete of leaves and nodes, for anybody: the log only grows.

create table app.platform_idempotency_record (
  principal text not null,
  operation text not null,
  key text not null check (length(key) between 1 and 255),
  body_sha256 text not null,
  status integer not null,
  response jsonb not null,
  created_at timestamptz not null default now(),
  primary key (principal, operation, key)
);
comment on table app.platform_idempotency_record is 'As idempotency_record, for creations that belong to no tenant.';
alter table app.platform_idempotency_record enable row level security;
alter table app.platform_idempotency_record force row level security;
create policy registry_all on app.platform_idempotency_record to fn_registry using (true) with check (true);
grant select, insert, delete on app.platform_idempotency_record to fn_registry;
