-- What a conversation is beside its columns: topic, avatar, custom properties, freeze, slow mode, rights and bans, as JSON text.
ALTER TABLE conversations ADD COLUMN properties text;
-- A conversation may have roles of the tenant's own.
ALTER TABLE members DROP CONSTRAINT members_role_check;
