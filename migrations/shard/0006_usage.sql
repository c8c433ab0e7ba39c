-- Calls of a tenant, and what its messages of a day take. Days counted before have zeros.
ALTER TABLE usage
  ADD COLUMN requests bigint NOT NULL DEFAULT 0,
  ADD COLUMN commands bigint NOT NULL DEFAULT 0,
  ADD COLUMN message_bytes bigint NOT NULL DEFAULT 0;
