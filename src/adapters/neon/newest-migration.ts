/** The numbers of the newest files in migrations/; a test compares them. A database below them is `behind` in /readyz. */
export const newestMigration = { directory: 2, shard: 9 } as const
