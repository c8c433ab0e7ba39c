import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { recipientsOf } from '../../../durable-objects/address.ts'
import { NotificationEvents } from '../../../durable-objects/recipients/notification-events.ts'
import { RunDecider, type Moment, type Send } from '../../../durable-objects/recipients/run-decider.ts'
import { recipientsSchema } from '../../../durable-objects/recipients/schema.ts'
import { FeedTable } from '../../../durable-objects/recipients/sql-feed.ts'
import { TopicTable } from '../../../durable-objects/recipients/sql-topics.ts'
import { UserTable } from '../../../durable-objects/recipients/sql-users.ts'
import { migrate } from '../../../durable-objects/shared/migrate.ts'
import type { Sql } from '../../../durable-objects/shared/sql.ts'
import type { NotificationSpec } from '../../../src/notifications/model.ts'
import { newTenant } from './tenant.ts'

const providers = { email: [{ name: 'postmark', isIdempotent: true, openUntil: 0 }] }

/** Does work with the storage of an actor that does nothing itself, so that the test alone says what time it is. */
export async function inStorage(user: string, work: (sql: SqlStorage, kv: SyncKvStorage) => void): Promise<void> {
  const { id } = await newTenant()
  await runInDurableObject(recipientsOf(env, id, user), (_, { storage }) => {
    migrate(storage.sql, recipientsSchema)
    work(storage.sql, storage.kv)
  })
}

/** Counts statements, and the rows that they write with the entries of their indexes. */
export class CountedSql implements Sql {
  statements = 0
  rows = 0
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  exec<Row extends Record<string, string | number | null>>(query: string, ...bindings: (string | number | null)[]) {
    this.statements++
    const cursor = this.#sql.exec<Row>(query, ...bindings)
    const rows = cursor.toArray()
    this.rows += cursor.rowsWritten
    return Object.assign(rows, {
      toArray: () => rows,
      one: () => {
        const [row] = rows
        if (row === undefined || rows.length > 1) throw new Error(`expected one row, got ${rows.length}`)
        return row
      },
    })
  }
}

/** The rules of one actor on its storage, at times that the test says. */
export function deciderOn(sql: Sql, kv: SyncKvStorage, keepMs: number) {
  const users = new UserTable(sql)
  const feeds = new FeedTable(sql)
  const events = new NotificationEvents(kv, env, { tenant: 'acme', name: '0' }, () => undefined, 0)
  const runs = new RunDecider({ sql, users, feeds, topics: new TopicTable(sql), events })
  const momentAt = (now: number): Moment => ({
    now,
    settings: { preferences: {}, zone: 'UTC', keepMs, providers },
    random: () => 0.5,
    providers: () => providers.email,
    template: () => undefined,
    isSending: () => false,
  })
  return {
    users,
    feeds,
    runs,
    notify: (spec: NotificationSpec, recipients: readonly string[]): void => {
      const part = { kind: 'users', users: recipients.map((user) => ({ user })) } as const
      runs.handOver({ spec, keepMs, part }, momentAt(spec.at))
    },
    lookAt: (now: number): Send[] => {
      for (const notice of runs.notices.due(now, 100)) runs.lookAt(notice, momentAt(now))
      runs.flush()
      return runs.takeConsequences().sends
    },
    settle: ({ user, notification, effect }: Send, now: number): void => {
      if (effect.kind === 'deliver')
        runs.settle({ user, notification }, effect.delivery, effect.attempt, { kind: 'delivered' }, momentAt(now))
    },
  }
}

/** What the templates of messages are given. */
export const documentsOf = (sends: readonly Send[]) =>
  sends.map(({ effect }) => (effect.kind === 'deliver' ? effect.order.document : undefined))
