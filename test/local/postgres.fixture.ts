import { startPostgres } from '../../local/postgres/start.ts'

// A launcher to be killed: starts Postgres in the folder given, prints its address, and stays.
const [, , dataDir = ''] = process.argv
const postgres = await startPostgres({ dataDir, databases: ['shard0', 'shard1'] })
process.stdout.write(`${postgres.url('shard0')}\n`)
