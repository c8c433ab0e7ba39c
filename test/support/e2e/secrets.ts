import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Secrets } from '../../../local/data-folder.ts'

/**
 * Makes the secrets of a data folder without locking the folder, for stand-ins that run outside of the system under
 * test: the system locks it.
 */
export function makeSecrets(dataDir: string): Secrets {
  const secret = () => randomBytes(24).toString('base64url')
  const secrets: Secrets = {
    encryptionKeys: `local:${randomBytes(32).toString('base64')}`,
    adminKey: secret(),
    postgresPassword: secret(),
    redisToken: secret(),
    qstashToken: secret(),
    qstashCurrentKey: `sig_${secret()}`,
    qstashNextKey: `sig_${secret()}`,
    blobSecret: 'blob-secret',
  }
  writeFileSync(join(dataDir, 'secrets.json'), JSON.stringify(secrets))
  return secrets
}
