import { isDevelopment, isLoopback } from './profile.ts'
import type { Settings } from './settings.ts'
import { localApiKey, localTenant, runSystem } from './system.ts'
import { startWorkerd } from './workerd.ts'

// `npm run serve`: the same Worker on plain workerd, for hosting it oneself; with PARLEY_PROFILE=dev what benchmarks run against.
await runSystem('serve', startWorkerd, (settings, notes) =>
  [
    `parley ready at http://localhost:${settings.port} on workerd`,
    `  Profile     ${profileLine(settings)}`,
    `  Listens on  ${settings.host}${isLoopback(settings.host) ? ' (this machine only)' : ': put a proxy with TLS in front'}`,
    ...notes.map((note) => `  ${note}`),
    `  State       ${settings.dataDir}`,
  ].join('\n'),
)

function profileLine({ profile }: Settings): string {
  return isDevelopment(profile)
    ? `${profile}, for development: tenant ${localTenant}, API key ${localApiKey}, /demo/token`
    : 'production: API keys and tokens only; no demo tenant, no /demo'
}
