import { startMiniflare } from './miniflare.ts'
import { localApiKey, localTenant, runSystem } from './system.ts'

// `npm start`: the whole system on one machine, the Worker on Miniflare.
await runSystem('start', startMiniflare, ({ port, dataDir }, notes) =>
  [
    '',
    `  Parley is ready at http://localhost:${port}`,
    '',
    `    Chat        http://localhost:${port}/            open it in two tabs and talk`,
    `    Outbox      http://localhost:${port}/demo/outbox   e-mails, SMS and pushes that would have left`,
    `    API         http://localhost:${port}/docs        OpenAPI at /openapi.json`,
    `    Realtime    ws://localhost:${port}/connection/websocket`,
    `    Tenant      ${localTenant}, API key ${localApiKey}`,
    ...notes.map((note) => `    ${note}`),
    `    State       ${dataDir}   (npm start -- --fresh empties it)`,
    '',
    '  Try:',
    `    curl -s localhost:${port}/v1/tokens -H 'Authorization: Bearer ${localApiKey}' -d '{"user":"alice"}'`,
    '',
  ].join('\n'),
)
