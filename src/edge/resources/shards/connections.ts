import { NeonDbError } from '@neondatabase/serverless'
import { DependencyError } from '../../../adapters/dependency.ts'
import type { Config } from '../../../config.ts'
import { encrypt, encryptionKeyOf } from '../../../kernel/encryption.ts'
import { reasonOf } from '../../../kernel/log.ts'
import type { ShardView } from '../../../protocol/shards-api.ts'
import type { ShardConnection } from '../../../tenants/shards.ts'
import { fail } from '../../http/problem.ts'

export const noKey = 'ENCRYPTION_KEYS is not set, so that no connection string can be stored; set it, or give `secret`'

/** A connection as it is stored: encrypted for `context`, or the name of the secret that holds it. */
export async function storedConnection(
  config: Config,
  context: string,
  { connection, secret }: { readonly connection: string | undefined; readonly secret: string | undefined },
): Promise<ShardConnection> {
  if (connection === undefined) {
    const variable = secret ?? ''
    try {
      config.databaseUrl(variable)
    } catch (thrown) {
      fail('invalid-request', `secret: ${reasonOf(thrown)}`)
    }
    return { kind: 'secret', variable }
  }
  if (config.encryptionKeys.length === 0) fail('conflict', `connection: ${noKey}`)
  return { kind: 'encrypted', text: await encrypt(config.encryptionKeys, connection, context) }
}

/** A connection as its operator sees it. */
export function shownConnection(connection: ShardConnection): ShardView['connection'] {
  if (connection.kind === 'secret') return { kind: 'secret', secret: connection.variable }
  const key = encryptionKeyOf(connection.text)
  return { kind: 'encrypted', ...(key === undefined ? {} : { key }) }
}

/** A database that answers and refuses has another fault than one that does not answer: a wrong password or role, say. */
export async function answered<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    const cause = thrown instanceof DependencyError ? thrown.cause : thrown
    if (cause instanceof NeonDbError && cause.code !== undefined)
      fail('conflict', `connection: the database refuses: ${cause.message}`)
    throw thrown
  }
}
