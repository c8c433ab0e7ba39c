import { createHmac } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import type { Projected, ProjectionBatch, ProjectedRow } from '../../src/events/projection.ts'
import type { Platform } from './platform.ts'
import type { ActorClass } from './worker-code.ts'

export const tenant = 'acme'

/** A tenant as its operator makes it; without rate limits. */
export const provision = (id: string) => ({
  id,
  name: id,
  limits: {
    messagesPerSecond: 1e6,
    messagesBurst: 1e6,
    commandsPerSecondConnection: 1e6,
    connectsPerSecondUser: 1e6,
  },
  key: { id: 'k', hash: 'there is no HTTP here' },
})

const admission = z.object({
  secrets: z.object({ tokenKeys: z.array(z.object({ id: z.string(), secret: z.string() })) }),
})

/** Makes users' tokens as a tenant's own server would, with the key that `admitted`, the tenant's answer, tells. */
export function tokenMaker(tid: string, admitted: unknown): (user: string, expiresAt: number) => string {
  const [key] = admission.parse(admitted).secrets.tokenKeys
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return (user, expiresAt) => {
    const claims = { tid, sub: user, iat: 0, exp: Math.floor(expiresAt / 1000) }
    const signed = `${part({ alg: 'HS256', typ: 'JWT', kid: key?.id })}.${part(claims)}`
    return `${signed}.${createHmac('sha256', key?.secret ?? '')
      .update(signed)
      .digest('base64url')}`
  }
}

/** What Postgres has: rows by conversation and seq, written as often as they are sent and the same each time. */
export class Rows {
  readonly #rows = new Map<string, Map<number, ProjectedRow>>()
  readonly contradictions: string[] = []

  of(conversation: string): ProjectedRow[] {
    return [...(this.#rows.get(conversation)?.values() ?? [])].sort((a, b) => a.seq - b.seq)
  }

  write({ conversation, rows }: ProjectionBatch): void {
    const known = this.#rows.get(conversation) ?? new Map<number, ProjectedRow>()
    this.#rows.set(conversation, known)
    for (const row of rows) {
      const before = known.get(row.seq)
      if (before !== undefined && !isDeepStrictEqual(before, row))
        this.contradictions.push(`${conversation}/${row.seq} was ${before.data} and is ${row.data}`)
      known.set(row.seq, row)
    }
  }
}

/** What a tenant has switched on, which conversations learn of by the answers of a writer. */
export interface SwitchedOn {
  readonly publishedSince?: number
  readonly chatRules?: string
}

/** Writers before such a Postgres, for a tenant with what it switched on: it takes a while, sometimes fails, and sometimes says so although it has written. */
export function shardWriter(platform: Platform, rows: Rows, switchedOn: SwitchedOn = {}): ActorClass {
  return class {
    write = async (batch: ProjectionBatch): Promise<Projected> => {
      const { chance, weather } = platform
      if (chance.happens(weather.requestLost)) return { kind: 'failed', why: 'postgres is down' }
      rows.write(batch)
      if (chance.happens(weather.answerLost)) return { kind: 'failed', why: 'postgres went silent' }
      return { kind: 'written', scrubbed: [], ...switchedOn }
    }
  }
}
