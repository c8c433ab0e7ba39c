import { Hono } from 'hono'
import { methodNotAllowed } from 'hono/method-not-allowed'
import { secureHeaders } from 'hono/secure-headers'
import type { App, AppContext } from './context.ts'
import { authenticate, onlyKnown, onlyOperator, onlyServer } from '../middleware/authenticate.ts'
import { crossOrigin, onlyAllowedOrigins } from '../middleware/cross-origin.ts'
import { countVisitors, limitRequests, limitVisitors } from '../middleware/limit-requests.ts'
import { requestContext } from '../middleware/request-context.ts'
import { shedRequests } from '../middleware/shed-requests.ts'
import { noteCallable } from './callable-operations.ts'
import { OperationRouter } from './operation-router.ts'
import { forwardElsewhere } from './forward.ts'
import { mount } from './operations.ts'
import { onError, problemResponse } from './problem.ts'
import { demo } from '../resources/demo/demo.ts'
import { outbox } from '../resources/demo/outbox.ts'
import { docs } from '../openapi/docs.ts'
import { preferencePages } from '../resources/notifications/links.ts'
import { health } from '../resources/operations/health.ts'
import { operations } from '../resources/all-operations.ts'
import { chatPage } from '../resources/pages/page.ts'
import { serverApi } from '../server-api/route.ts'
import { files } from '../resources/uploads/files.ts'
import { streams } from '../resources/realtime/streams.ts'
import { trackedLinks } from '../resources/notifications/tracking.ts'
import { providerEvents } from '../resources/notifications/provider-events.ts'
import { workerRunDeadlineMs, workerRuns } from '../resources/jobs/worker-runs.ts'

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
  'events',
  'event-topics',
  'event-types',
  'consumers',
  'sagas',
  'saga-runs',
  'saga-secrets',
  'facade-routes',
  'templates',
  'notification-providers',
  'undeliverable-addresses',
].map((resource) => `/v1/${resource}/*`)

/** How long another Worker may take for what a provider of notifications reports. */
const reportDeadlineMs = 10_000
/** How long a page may take that a link in a message opens, in milliseconds. */
const pageDeadlineMs = 10_000

/** Everything that is no operation, read top to bottom, and the answer to unknown paths. */
const others: Hono<App> = new Hono<App>()
  .use(
    methodNotAllowed({
      get app() {
        return app
      },
      onMethodNotAllowed: otherMethods,
    }),
  )
  .use(requestContext())
  // Pages of tenants show files, which those headers of documents would forbid.
  .use('/files/*', secureHeaders({ crossOriginResourcePolicy: 'cross-origin' }), shedRequests(), countVisitors())
  .route('/', files)
  .use(secureHeaders())
  .use('/v1/*', crossOrigin())
  .use('/demo/*', crossOrigin())
  .use(shedRequests())
  .on('ALL', ['/connection/*', '/emulation', '/jobs/*', '/provider-events/*', '/admin/*'], countVisitors())
  .use('/readyz', limitVisitors())
  .use('/metrics/*', limitVisitors())
  .use('/docs/*', limitVisitors())
  .use('/docs.md', limitVisitors())
  .use('/openapi.json', limitVisitors())
  .use('/llms.txt', limitVisitors())
  .route('/', health)
  .route('/', chatPage)
  .route('/', docs)
  .route('/', streams)
  .use('/preferences/*', limitVisitors(), forwardElsewhere('notifications', pageDeadlineMs))
  .use('/unsubscribe/*', limitVisitors(), forwardElsewhere('notifications', pageDeadlineMs))
  .route('/', preferencePages)
  .use('/n/*', limitVisitors(), forwardElsewhere('notifications', pageDeadlineMs))
  .route('/', trackedLinks)
  .use('/jobs/*', forwardElsewhere('jobs', workerRunDeadlineMs))
  .route('/jobs', workerRuns)
  .use('/provider-events/*', forwardElsewhere('notifications', reportDeadlineMs))
  .route('/', providerEvents)
  .use('/admin/v1/*', onlyOperator())
  .route('/api', serverApi)
  .use('/demo/*', authenticate(), limitRequests())
  .use('/v1/*', authenticate(), limitRequests(), onlyAllowedOrigins(), onlyKnown())
  .on('ALL', ofServers, onlyServer())
  .route('/demo/outbox', outbox)
  .route('/demo', demo)
  .notFound((c) =>
    problemResponse(c, { name: 'not-found', detail: `${c.req.method} ${c.req.path} does not exist; see /docs` }),
  )
  .onError(onError)

/**
 * The HTTP face. The WebSocket endpoint is not here: see connection.ts.
 *
 * Operations are matched first, each by itself: an operation brings all its steps, so that no middleware lies in front of
 * it. Every other request goes on to `others`.
 */
export const app: Hono<App> = mount(new Hono<App>({ router: new OperationRouter() }), operations)
  .notFound((c) => others.fetch(c.req.raw, c.env, c.executionCtx))
  .onError(onError)
app.routes.push(...others.routes)
noteCallable(operations.map(({ definition }) => definition))

function otherMethods(c: AppContext, methods: readonly string[]): Response {
  const allowed = methods.toSorted().join(', ')
  c.header('Allow', allowed)
  return problemResponse(c, { name: 'method-not-allowed', detail: `${c.req.path} knows ${allowed}` })
}
