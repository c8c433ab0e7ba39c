import { Hono } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import type { App, AppContext } from './context.ts'
import { authenticate, onlyKnown, onlyServer } from './middleware/authenticate.ts'
import { crossOrigin, onlyAllowedOrigins } from './middleware/cross-origin.ts'
import { countVisitors, limitRequests, limitVisitors } from './middleware/limit-requests.ts'
import { shedRequests } from './middleware/shed-requests.ts'
import { onError, problemResponse } from './problem.ts'
import { admin } from './routes/admin.ts'
import { conversations } from './routes/conversations.ts'
import { demo } from './routes/demo.ts'
import { docs } from './routes/docs.ts'
import { health } from './routes/health.ts'
import { jobs } from './routes/jobs.ts'
import { limits } from './routes/limits.ts'
import { messages } from './routes/messages.ts'
import { namespaces } from './routes/namespaces.ts'
import { chatPage } from './routes/page.ts'
import { queues } from './routes/queues.ts'
import { schedules } from './routes/schedules.ts'
import { serverApi } from './routes/server-api.ts'
import { settings } from './routes/settings.ts'
import { signingKeys } from './routes/signing-keys.ts'
import { streams } from './routes/streams.ts'
import { tokens } from './routes/tokens.ts'
import { users } from './routes/users.ts'
import { usage } from './routes/usage.ts'
import { visits } from './routes/visits.ts'

/** What belongs to a tenant as a whole. Only conversations are for users, too. */
const ofServers = [
  'tokens',
  'signing-keys',
  'users',
  'namespaces',
  'settings',
  'limits',
  'usage',
  'jobs',
  'queues',
  'schedules',
].map((resource) => `/v1/${resource}/*`)

/** The HTTP face, read top to bottom. The WebSocket endpoint is not here: see connection.ts. */
export const app: Hono<App> = new Hono<App>()
  .use(
    methodNotAllowed({
      get app() {
        return app
      },
      onMethodNotAllowed: otherMethods,
    }),
  )
  .use(requestId({ headerName: 'x-request-id' }))
  .use(secureHeaders())
  .use('/v1/*', crossOrigin())
  .use('/demo/*', crossOrigin())
  .use(shedRequests())
  .on('ALL', ['/connection/*', '/emulation', '/jobs/*', '/admin/*'], countVisitors())
  .use('/readyz', limitVisitors())
  .use('/metrics/*', limitVisitors())
  .use('/docs/*', limitVisitors())
  .use('/openapi.json', limitVisitors())
  .route('/', health)
  .route('/', chatPage)
  .route('/', docs)
  .route('/', streams)
  .route('/jobs', visits)
  .route('/admin/v1', admin)
  .route('/api', serverApi)
  .use('/demo/*', authenticate(), limitRequests())
  .use('/v1/*', authenticate(), limitRequests(), onlyAllowedOrigins(), onlyKnown())
  .on('ALL', ofServers, onlyServer())
  .route('/demo', demo)
  .route('/v1/tokens', tokens)
  .route('/v1/signing-keys', signingKeys)
  .route('/v1/users', users)
  .route('/v1/namespaces', namespaces)
  .route('/v1/settings', settings)
  .route('/v1/limits', limits)
  .route('/v1/usage', usage)
  .route('/v1/jobs', jobs)
  .route('/v1/queues', queues)
  .route('/v1/schedules', schedules)
  .route('/v1/conversations', conversations)
  .route('/v1/conversations/:id/messages', messages)
  .notFound((c) =>
    problemResponse(c, { name: 'not-found', detail: `${c.req.method} ${c.req.path} does not exist; see /docs` }),
  )
  .onError(onError)

function otherMethods(c: AppContext, methods: readonly string[]): Response {
  const allowed = methods.toSorted().join(', ')
  c.header('Allow', allowed)
  return problemResponse(c, { name: 'method-not-allowed', detail: `${c.req.path} knows ${allowed}` })
}
