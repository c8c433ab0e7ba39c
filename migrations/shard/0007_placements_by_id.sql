-- Operators' questions page through the tenants of a shard in the order of their ids, which is that of no other index.
CREATE INDEX placements_by_id ON placements (tenant_id COLLATE "C") WHERE state = 'active';
