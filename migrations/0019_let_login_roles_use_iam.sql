-- Why: on Amazon RDS the login roles sign in with IAM tokens instead of passwords. Stage: expand. RDS asks members of its
-- role rds_iam for a token, and no longer for a password, so functions must have auth=iam in DATABASE_URL before this runs.
-- Any other PostgreSQL has no such role, and nothing changes.
do $$
begin
  if exists (select from pg_roles where rolname = 'rds_iam') then
    grant rds_iam to fn_gateway, fn_registry, fn_runner;
  end if;
end
$$;
