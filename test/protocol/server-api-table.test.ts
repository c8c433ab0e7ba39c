import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { GivenJson, readGiven } from '../../src/protocol/given-json.ts'
import { givenFields, serverApiBatch, serverApiRequests } from '../../src/protocol/server-api.ts'

/** The fields of each request of Centrifugo's api.proto (v6.9.1), and of the messages within them. */
const apiProto: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  [
    'PublishRequest: channel data b64data skip_history tags idempotency_key delta version version_epoch',
    'BroadcastRequest: channels data b64data skip_history tags idempotency_key delta version version_epoch',
    'SubscribeRequest: channel user expire_at info b64info client data b64data recover_since override session label_filter all_users',
    'UnsubscribeRequest: channel user client session label_filter all_users',
    'DisconnectRequest: user disconnect client whitelist session label_filter all_users',
    'RefreshRequest: user client expired expire_at info session label_filter all_users',
    'PresenceRequest: channel',
    'PresenceStatsRequest: channel',
    'HistoryRequest: channel limit since reverse',
    'HistoryRemoveRequest: channel',
    'ChannelsRequest: pattern',
    'BatchRequest: commands parallel',
    'SubscribeOptionOverride: presence join_leave force_recovery force_positioning force_push_join_leave',
    'BoolValue: value',
    'StreamPosition: offset epoch',
    'Disconnect: code reason',
  ].map((line) => {
    const [message = '', fields = ''] = line.split(': ')
    return [message, fields.split(' ')]
  }),
)

/** The methods that api.proto has beside those. */
const others =
  'rpc connections update_user_status get_user_status delete_user_status block_user unblock_user revoke_token ' +
  'invalidate_user_tokens device_register device_update device_remove device_list device_topic_list ' +
  'device_topic_update user_topic_list user_topic_update send_push_notification update_push_status cancel_push ' +
  'map_publish map_remove map_read_state map_read_stream map_stats map_clear shared_poll_publish'

/** A request that is complete without the field, and where in it a message within lies. */
interface Base {
  readonly schema: z.ZodObject
  readonly base: object
  readonly within?: readonly string[]
}

const bases: Readonly<Record<string, Base>> = {
  PublishRequest: { schema: serverApiRequests.publish, base: { channel: 'a:1' } },
  BroadcastRequest: { schema: serverApiRequests.broadcast, base: { channels: ['a:1'] } },
  SubscribeRequest: { schema: serverApiRequests.subscribe, base: { channel: 'a:1', user: 'bob' } },
  UnsubscribeRequest: { schema: serverApiRequests.unsubscribe, base: { channel: 'a:1', user: 'bob' } },
  DisconnectRequest: { schema: serverApiRequests.disconnect, base: { user: 'bob' } },
  RefreshRequest: { schema: serverApiRequests.refresh, base: { user: 'bob' } },
  PresenceRequest: { schema: serverApiRequests.presence, base: { channel: 'a:1' } },
  PresenceStatsRequest: { schema: serverApiRequests.presence_stats, base: { channel: 'a:1' } },
  HistoryRequest: { schema: serverApiRequests.history, base: { channel: 'a:1' } },
  HistoryRemoveRequest: { schema: serverApiRequests.history_remove, base: { channel: 'a:1' } },
  ChannelsRequest: { schema: serverApiRequests.channels, base: {} },
  BatchRequest: { schema: serverApiBatch, base: { commands: [] } },
  SubscribeOptionOverride: {
    schema: serverApiRequests.subscribe,
    base: { channel: 'a:1', user: 'bob', override: {} },
    within: ['override'],
  },
  BoolValue: {
    schema: serverApiRequests.subscribe,
    base: { channel: 'a:1', user: 'bob', override: { presence: {} } },
    within: ['override', 'presence'],
  },
  StreamPosition: {
    schema: serverApiRequests.history,
    base: { channel: 'a:1', since: {} },
    within: ['since'],
  },
  Disconnect: {
    schema: serverApiRequests.disconnect,
    base: { user: 'bob', disconnect: { code: 3000, reason: 'x' } },
    within: ['disconnect'],
  },
}

function baseOf(message: string): Base {
  const base = bases[message]
  if (base === undefined) throw new Error(`no request is known for ${message}`)
  return base
}

/** A value of each field that means something and differs from the one in the base. */
const samples: Readonly<Record<string, unknown>> = {
  channel: 'orders:42',
  channels: ['orders:42', 'orders:43'],
  data: { total: 3 },
  b64data: btoa('{"total":3}'),
  skip_history: true,
  tags: { kind: 'new' },
  idempotency_key: 'k',
  delta: true,
  version: 7,
  version_epoch: 'e',
  user: 'alice',
  expire_at: 2_000_000_000,
  info: { seat: 4 },
  b64info: btoa('{"seat":4}'),
  client: 'c',
  recover_since: { offset: 3, epoch: 'e' },
  override: { presence: { value: true } },
  session: 's',
  label_filter: { op: 'eq', key: 'a', val: 'b' },
  all_users: true,
  disconnect: { code: 4000, reason: 'moved' },
  whitelist: ['c'],
  expired: true,
  limit: -1,
  since: { offset: 3, epoch: 'e' },
  reverse: true,
  pattern: 'orders:*',
  commands: [{ info: {} }],
  parallel: true,
  presence: { value: true },
  join_leave: { value: true },
  force_recovery: { value: true },
  force_positioning: { value: true },
  force_push_join_leave: { value: true },
  value: true,
  offset: 3,
  epoch: 'e',
  code: 4000,
  reason: 'moved',
}

const page = readFileSync(new URL('../../docs/server-api.md', import.meta.url), 'utf8')

/** The rows of the page's table: message, field and what becomes of it. */
function rows(): { readonly message: string; readonly field: string; readonly verdict: string }[] {
  const lines = page.split('\n')
  const start = lines.indexOf('| message | field | here | |') + 2
  const found = []
  let message = ''
  for (const line of lines.slice(start, lines.indexOf('', start))) {
    const [, named = '', field = '', verdict = ''] = line.split('|').map((cell) => cell.trim())
    if (named !== '') message = named
    found.push({ message, field, verdict })
  }
  return found
}

/** The request of a message with one field changed. */
function withField(message: string, field: string): { readonly before: unknown; readonly after: unknown } {
  const { base, within = [] } = baseOf(message)
  const after: Record<string, unknown> = structuredClone(z.record(z.string(), z.unknown()).parse(base))
  let inner = after
  for (const name of within) inner = z.custom<Record<string, unknown>>().parse(inner[name])
  inner[field] = samples[field]
  return { before: base, after }
}

/** The words in the first group of every match. */
const words = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].flatMap(([, group = '']) => group.match(/\w+/g) ?? [])

describe('the table of fields in docs/server-api.md', () => {
  test('has one row for every field of api.proto, and no other', () => {
    const wanted = Object.entries(apiProto).flatMap(([message, fields]) => fields.map((field) => `${message}.${field}`))
    expect(
      rows()
        .map(({ message, field }) => `${message}.${field}`)
        .toSorted(),
    ).toEqual(wanted.toSorted())
  })

  test.each(rows())('says of $message.$field what the schema does: $verdict', ({ message, field, verdict }) => {
    const { schema } = baseOf(message)
    const { before, after } = withField(message, field)
    const read = (request: unknown) =>
      readGiven(schema, givenFields(schema, new GivenJson(request, JSON.stringify(request))))
    expect(['honoured', 'no effect', 'refused']).toContain(verdict)
    if (verdict === 'refused') return expect(read(after).error?.issues[0]?.message).toContain(field)
    expect(read(before).success).toBe(true)
    expect(read(after).success).toBe(true)
    // A field that a schema does not know would be left out.
    return expect(read(after).data).not.toEqual(read(before).data)
  })

  test('names the methods that are served, and those that are not', () => {
    const served = words(page, /^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|/gm)
    expect(served).toEqual(expect.arrayContaining([...Object.keys(serverApiRequests), 'batch']))
    const missing = words(page, /answered with error 104: (.*)\.$/gm)
    expect(missing.toSorted()).toEqual(others.split(' ').toSorted())
    expect(missing.filter((method) => method in serverApiRequests)).toEqual([])
  })
})
