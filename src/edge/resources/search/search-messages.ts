import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import { searchPorts } from '../../../../durable-objects/open-search.ts'
import { searchFor } from '../../../adapters/message-search.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import type { Database } from '../../../adapters/neon/connect.ts'
import { readSearchSettings, writeSearchLanguage } from '../../../adapters/neon/search-settings.ts'
import { openShard, type ShardUse } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import {
  changeSearchSettingsDefinition,
  readSearchSettingsDefinition,
  searchLanguages,
  searchMessagesDefinition,
} from '../../../protocol/search-api.ts'
import { operation, type Operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { actorOf } from '../conversations/caller.ts'

/** Searches messages. Over the socket this is the rpc `search.messages`. */
const searchMessages = operation(searchMessagesDefinition.http, async ({ c, caller, query: { user, ...input } }) => {
  if (caller.kind === 'user' && user !== undefined && user !== caller.user)
    fail('not-allowed', 'user: only your own conversations')
  const name = caller.kind === 'user' ? caller.user : `key ${caller.keyId}`
  // A key that names a user finds what that user may read, and nothing else.
  const actor = caller.kind === 'server' && user !== undefined ? { user, client: '', server: false } : actorOf(caller)
  const answer = await searchFor(
    c.env,
    { tenant: caller.tenant, actor, name },
    input,
    searchPorts(c.env, caller.tenant),
  )
  return { status: 200, body: 'kind' in answer ? accepted(answer) : answer }
})

const readSettings = operation(readSearchSettingsDefinition, async ({ c, caller: { tenant } }) => ({
  status: 200,
  body: await onShard(c.env, tenant, 'read', async (db) => view(await readSearchSettings(db, tenant))),
}))

const changeSettings = operation(
  changeSearchSettingsDefinition,
  async ({ c, caller: { tenant }, body: { language } }) => ({
    status: 200,
    body: await onShard(c.env, tenant, 'write', async (db) => {
      if ((await readSearchSettings(db, tenant)).language !== language) await writeSearchLanguage(db, tenant, language)
      return view({ ...(await readSearchSettings(db, tenant)), language })
    }),
  }),
)

const view = ({ language, isFilled }: Awaited<ReturnType<typeof readSearchSettings>>) => ({
  language: searchLanguages.find((known) => known === language) ?? null,
  isFilled,
})

/** Asks the shard of a tenant; its failure is one of an outside service that is named. */
async function onShard<T>(env: Env, tenant: string, use: ShardUse, ask: (db: Database) => Promise<T>): Promise<T> {
  const placement = await tenantOf(env, tenant).placement()
  if (placement === undefined) return fail('not-found', 'the tenant does not exist')
  const open = async () => await openShard(loadConfig(env), platformOf(env), placement.shard, use, requestDeadlineMs)
  return await fromDependency(placement.shard, async () => await ask(await open()), env.request)
}

/** Every operation that searches, and its settings. */
export const searches: readonly Operation[] = [searchMessages, readSettings, changeSettings]
