import { callEventCatalog, callProcessView } from '../../../../durable-objects/open-event-actors.ts'
import type { Env } from '../../../env.ts'
import { fail } from '../../http/problem.ts'

type Process = Parameters<Parameters<typeof callProcessView>[3]>[0]

/** Calls a process that exists: no other is opened. */
export async function callExisting<R>(
  env: Env,
  tenant: string,
  name: string,
  call: (process: Process) => R,
): Promise<Awaited<R>> {
  const exists = await callEventCatalog(env, tenant, (catalog) => catalog.hasProcess(name))
  return exists ? await callProcessView(env, tenant, name, call) : noProcess(name)
}

export const noProcess = (name: string) =>
  fail('not-found', `name: there is no process ${name}; PUT /v1/processes/${name} registers one`)
