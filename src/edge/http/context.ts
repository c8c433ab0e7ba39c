import type { Context, Hono } from 'hono'
import type { Principal } from '../../auth/principal.ts'
import type { Env } from '../../env.ts'
import type { TenantRecord } from '../../tenants/record.ts'
import type { RequestWork } from './request-work.ts'

/** What every route of ours can count on. */
export interface App {
  Bindings: Env
  Variables: {
    principal: Principal
    /** The id in `X-Request-Id`, in problems and in log lines. */
    requestId: string
    /** The caller's tenant, looked up once for the request; undefined where no tenant is known. */
    tenant: TenantRecord | undefined
    /** The origin whose pages may read the answer: `*` for any, "" for none. */
    allowOrigin: string
    /** The RateLimit fields of the answer, whatever it is; not set until the caller's limits have been asked. */
    rateLimit: Readonly<Record<string, string>> | undefined
    /** The request as load; not set for what is always answered. */
    work: RequestWork | undefined
  }
}

export type AppContext = Context<App>
export type AppRouter = Hono<App>
