-- A tenant that is deleted leaves the directory; until the grace is over it is listed as `deleting`.
ALTER TABLE tenants DROP CONSTRAINT tenants_state_check;
ALTER TABLE tenants ADD CONSTRAINT tenants_state_check CHECK (state IN ('active', 'suspended', 'deleting'));
GRANT DELETE ON tenants TO parley_app;
