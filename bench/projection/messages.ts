import type { ProjectionBatch } from '../../src/events/projection.ts'

/** What is written: so many messages of so many conversations, in batches as conversations hand them over. */
export interface Work {
  /** Of this run; part of the conversations' names. */
  readonly run: string
  readonly conversations: number
  /** Batches of each conversation, and messages in each. */
  readonly batches: number
  readonly batch: number
}

export const tenant = 'acme'
const began = Date.parse('2026-11-30T12:00:00Z')

/** The `nth` batch of a conversation. */
export function batchOf({ run, batch }: Work, number: number, nth: number): ProjectionBatch {
  const conversation = `${run}-${number}`
  const rows = Array.from({ length: batch }, (_, n) => {
    const seq = nth * batch + n + 1
    const at = began + seq * 1000
    const clientId = `${conversation}-${seq}-c0ffee`
    const data = {
      type: 'message',
      id: `${conversation}.${seq}`,
      user: 'alice',
      at,
      clientId,
      text: `message ${seq}, ${text}`,
    }
    return { seq, at, user: 'alice', client: 'c1', clientId, data: JSON.stringify(data) }
  })
  return { tenant, placementEpoch: 1, conversation, epoch: 'epoch', rows, scrubbed: [] }
}

const text = 'as long as what people write to each other, which is a sentence or two'

/** Groups of batches with so many rows together, as one statement takes them. */
export function* groupsOf(work: Work, rows: number): Generator<ProjectionBatch[]> {
  let group: ProjectionBatch[] = []
  for (let nth = 0; nth < work.batches; nth++)
    for (let number = 0; number < work.conversations; number++) {
      group.push(batchOf(work, number, nth))
      if (group.length * work.batch < rows) continue
      yield group
      group = []
    }
  if (group.length > 0) yield group
}
