import { z } from 'zod'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { within } from '../../../src/kernel/retry.ts'
import { ContentFilter, type Checked, type CheckedContent } from '../../../src/moderation/content-filter.ts'
import { conversationIn } from '../../../src/protocol/channels.ts'
import type { MessageContent } from '../../../src/protocol/payloads.ts'
import type { StreamResult, StreamVerb } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { TenantRecord } from '../../../src/tenants/record.ts'
import { callModeration } from '../../open-moderation.ts'
import { admissionDueMs, type GatewayContext } from '../gateway-context.ts'
import type { ChannelCalls } from '../channels/channel-calls.ts'

type Settle = (result: StreamResult) => void

const flagMs = 10_000
const sentPlace = z.object({ seq: z.int(), at: z.int(), duplicate: z.boolean().default(false) })

/** What is sent: the verb is made of the text as the rules leave it. */
interface Filtered {
  readonly content: CheckedContent
  readonly clientId?: string
  readonly verb: (text: string) => StreamVerb
  /** The message that an edit changes. */
  readonly edits?: number
}

/**
 * The content rules of tenants that have any, by tenant. A message of another tenant costs one look-up. Rules are noted before the first
 * message of a tenant is decided here, and again when the tenant changes.
 */
export class MessageFilters extends Map<string, ContentFilter> {
  readonly #gateway: GatewayContext
  readonly #calls: Pick<ChannelCalls, 'execute'> | undefined
  /** Tenants whose rules are known, also those that have none. */
  readonly #noted = new Set<string>()

  constructor(gateway: GatewayContext, calls: Pick<ChannelCalls, 'execute'> | undefined) {
    super()
    this.#gateway = gateway
    this.#calls = calls
  }

  /** The tenant's record is this one. */
  note(tenant: string, record: TenantRecord | undefined): void {
    this.#noted.add(tenant)
    const rules = record?.contentRules
    const known = this.get(tenant)
    if (rules === undefined) this.delete(tenant)
    else if (JSON.stringify(known?.rules) !== JSON.stringify(rules)) this.set(tenant, new ContentFilter(rules, known))
  }

  /** The tenant has changed. Rejects when its record cannot be read now: the tenant then notifies again. */
  async changed(tenant: string): Promise<void> {
    if (!this.#noted.has(tenant)) return
    const { tenants, clock } = this.#gateway
    const admission = await within(admissionDueMs, 'the tenant', tenants.get(tenant, clock.now()))
    this.note(tenant, admission?.record)
  }

  /** Sends a message as far as the rules allow. */
  send(filter: ContentFilter, session: Session, channel: string, content: MessageContent, settle: Settle): void {
    const { clientId } = content
    const verb = (text: string) => ({ kind: 'send' as const, content: { ...content, text } })
    this.pass(filter, session, channel, { content, clientId, verb }, settle)
  }

  /** Makes a command whose text the rules leave as it is or mask. What they flag is reviewed once it is done. */
  pass(filter: ContentFilter, session: Session, channel: string, { verb, edits, ...given }: Filtered, settle: Settle) {
    const checked = this.check(filter, session, given)
    if (checked.kind === 'refused') return settle(checked)
    const { text, flags } = checked
    const done = flags.length === 0 ? settle : this.#flagging(session, channel, { text, flags, edits }, settle)
    this.#calls?.execute(session, channel, verb(text), done)
  }

  /** Checks a text alone, as of a message for later. */
  check(filter: ContentFilter, { user, client }: Session, { content, clientId }: Omit<Filtered, 'verb'>): Checked {
    return filter.check(user === '' ? `~${client}` : user, content, this.#gateway.clock.now(), clientId)
  }

  #flagging(
    { tenant, user, client }: Session,
    channel: string,
    {
      text,
      flags,
      edits,
    }: { readonly text: string; readonly flags: readonly string[]; readonly edits?: number | undefined },
    settle: Settle,
  ): Settle {
    return (result) => {
      settle(result)
      const placed = result.kind === 'done' ? sentPlace.parse(JSON.parse(result.data)) : undefined
      const conversation = conversationIn(channel)
      if (placed === undefined || placed.duplicate || conversation === undefined) return
      const target = { kind: 'message' as const, conversation, seq: edits ?? placed.seq, user, text, at: placed.at }
      const noted = callModeration(this.#gateway.env, tenant, (moderation) => moderation.flag(target, flags))
      within(flagMs, 'the reviews', noted).catch((thrown: unknown) => {
        log.warn('gateway.flag-failed', { client, reason: reasonOf(thrown) })
      })
    }
  }
}
