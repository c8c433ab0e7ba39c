import { jobQueueOf, tenantOf } from '../../durable-objects/address.ts'
import { connect } from '../adapters/neon/connect.ts'
import { selectTenants } from '../adapters/neon/select-tenants.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'

const page = 100

/** Sweeps what is left over, tenant by tenant: old finished jobs, jobs the carrier lost, placements Postgres lost. */
export async function sweep(env: Env): Promise<void> {
  const config = loadConfig(env)
  const directory = connect(config, config.directoryUrl)
  let tenants = await selectTenants(directory, '', page)
  while (tenants.length > 0) {
    await Promise.all(tenants.map((tenant) => sweepTenant(env, tenant)))
    tenants = await selectTenants(directory, tenants.at(-1) ?? '', page)
  }
}

async function sweepTenant(env: Env, tenant: string): Promise<void> {
  await jobQueueOf(env, tenant, 'default').sweep()
  await tenantOf(env, tenant).retell()
}
