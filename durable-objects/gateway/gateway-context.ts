import { knownInvalidations } from '../../src/adapters/process-epochs.ts'
import { namesUnknownKey } from '../../src/auth/token.ts'
import { loadConfig, type Config } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { Deadlines } from '../../src/kernel/deadlines.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { ConnectionLimits } from '../../src/limits/connection-limits.ts'
import type { Taken } from '../../src/limits/ports.ts'
import { closes, type CloseName } from '../../src/protocol/close-codes.ts'
import { refuseTooFast, type Refusal } from '../../src/protocol/errors.ts'
import { ConnectionRegistry } from '../../src/realtime/connection-registry.ts'
import type { Session } from '../../src/realtime/session.ts'
import { TenantCache, tenantFreshMs, type Admission } from '../../src/tenants/cache.ts'
import { noteRegion } from '../../src/tenants/regions.ts'
import { askTenant } from '../../src/tenants/known.ts'
import { newPlatformSettings, withPlatformLimits, type PlatformSettings } from '../../src/tenants/platform-settings.ts'
import { cacheEpochsOf, platformOf, tenantOf } from '../address.ts'
import { NameDirectory } from './channels/name-directory.ts'
import { NamespaceCache } from './channels/namespace-cache.ts'
import { Heartbeat } from './transport/heartbeat.ts'
import { Sockets, type SocketHandlers } from './transport/sockets.ts'

/** Commands per second of a connection until its tenant's record is known. */
const commandsAtFirst = 50
/** How long a client waits for an actor until its command is refused, in milliseconds; the heartbeat looks, every 25 s at least. */
export const commandDueMs = 10_000
/** How long a connect or refresh waits for each of the actors that know its tenant. */
export const admissionDueMs = 5000

/** What the parts of one gateway share. Made once, when the actor starts. */
export class GatewayContext {
  readonly env: Env
  readonly config: Config
  /** The gateway's name, `<region>/<number>`. */
  readonly name: string
  readonly clock = systemClock
  /** The deadlines of the calls that clients wait for; the heartbeat ends what is overdue. */
  readonly deadlines = new Deadlines(systemClock)
  readonly storage: DurableObjectStorage
  readonly sockets: Sockets
  readonly heartbeat: Heartbeat
  readonly registry = new ConnectionRegistry()
  readonly connectionLimits = new ConnectionLimits()
  readonly tenants: TenantCache
  /** The plans or the limits of all tenants changed: what is known of tenants is asked for again. */
  readonly platformChanged: () => void
  readonly namespaces: NamespaceCache
  readonly names: NameDirectory

  constructor(ctx: DurableObjectState, env: Env, handlers: SocketHandlers) {
    this.env = env
    this.config = loadConfig(env)
    this.name = ctx.id.name ?? ''
    this.storage = ctx.storage
    this.sockets = new Sockets(ctx, handlers, this.config.hibernation)
    this.heartbeat = new Heartbeat(ctx.storage, this.sockets, this.deadlines)
    const { tenants, platformChanged } = openTenants(env)
    this.tenants = tenants
    this.platformChanged = platformChanged
    this.namespaces = new NamespaceCache(this.tenants, this.config)
    this.names = new NameDirectory(env, this.tenants, this.clock)
  }

  /** Takes a command that is no message from what the connection may send. */
  takeCommand(session: Session): Taken {
    const now = this.clock.now()
    const perSecond = this.tenants.lately(session.tenant, now)?.limits.commandsPerSecondConnection ?? commandsAtFirst
    return this.connectionLimits.command(session, perSecond, now)
  }

  /** Makes sure that the heartbeat's alarm rings in time for a session with something new to watch. */
  watch(session: Session): void {
    void this.heartbeat.watch(session, this.clock.now())
  }

  /** Whether the key that a token names may have been published at one of the tenant's addresses since they were fetched. */
  async mayBePublished({ record, secrets }: Admission, token: string): Promise<boolean> {
    if (secrets.hasKeySets !== true || !namesUnknownKey(token, secrets.tokenKeys)) return false
    const isOnItsWay = await within(admissionDueMs, 'the tenant', tenantOf(this.env, record.id).mayPublishKey())
    if (isOnItsWay) this.tenants.forget(record.id)
    return isOnItsWay
  }

  /** Closes a connection; `reason` is for the log. */
  close(session: Session, name: CloseName, reason: string): void {
    if (name === 'internal' || name === 'badRequest')
      log.warn('gateway.closed', { client: session.client, code: closes[name].code, reason: reason.slice(0, 200) })
    this.sockets.close(session, name)
  }

  /** Refuses a command that came in frame number `frame`, and closes a connection that is refused again and again. */
  refuseTooFast(
    session: Session,
    frame: number,
    what: string,
    retryAfterMs: number,
    settle: (refusal: Refusal) => void,
  ): void {
    settle(refuseTooFast(what, retryAfterMs))
    if (this.connectionLimits.refused(session, frame, this.clock.now())) this.sockets.close(session, 'tooManyRequests')
  }
}

/** Tenants as one gateway knows them, under the platform's limits. While the platform's actor is unreachable its last answer holds. */
function openTenants(env: Env): Pick<GatewayContext, 'tenants' | 'platformChanged'> {
  let settings = newPlatformSettings
  let readAt = -Infinity
  let changes = 0
  const askPlatform = async (): Promise<PlatformSettings> => {
    const now = systemClock.now()
    if (Math.abs(now - readAt) < tenantFreshMs) return settings
    const before = changes
    try {
      settings = await within(admissionDueMs, 'the platform', platformOf(env).settings())
      if (changes === before) readAt = now
    } catch (thrown) {
      log.warn('tenants.platform-unreachable', { reason: reasonOf(thrown) })
    }
    return settings
  }
  const tenants = new TenantCache(
    async (tenant) => {
      const [admission, platform] = await Promise.all([
        askTenant(platformOf(env), tenant, () => tenantOf(env, tenant).admission()),
        askPlatform(),
      ])
      if (admission === undefined) return undefined
      noteRegion(tenant, admission.record.region)
      return { ...admission, record: withPlatformLimits(admission.record, platform) }
    },
    knownInvalidations((known, read) => cacheEpochsOf(env).since(known, read)),
  )
  const platformChanged = () => {
    changes++
    readAt = -Infinity
    tenants.forgetAll()
  }
  return { tenants, platformChanged }
}
