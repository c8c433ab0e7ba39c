-- A tenant that is deleted leaves nothing behind: the Worker deletes its placement and its usage as well.
GRANT DELETE ON placements, usage TO parley_app;
