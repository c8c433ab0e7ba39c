import { afterAll, beforeAll, beforeEach, describe, vi } from 'vitest'
import { deadLetterContract } from './qstash-dead-letters.contract.ts'
import { deliveryContract } from './qstash-delivery.contract.ts'
import { publishContract } from './qstash-publish.contract.ts'
import { retryContract } from './qstash-retry.contract.ts'
import { Bench, type Target } from './qstash-target.ts'

export type { Target } from './qstash-target.ts'

/** The part of QStash that Parley relies on, tested with the unmodified SDK. The real service must pass as well. */
export function qstashContract(name: string, timeoutMs: number, open: () => Promise<Target>): void {
  describe(`QStash: ${name}`, { timeout: timeoutMs }, () => {
    let bench: Bench | undefined
    const given = () => {
      if (bench === undefined) throw new Error('the target is not open yet')
      return bench
    }

    beforeAll(async () => {
      bench = new Bench(await open())
    }, timeoutMs)
    afterAll(async () => bench?.target.close())
    // The SDK reports each refusal to the console besides throwing it; the suite provokes many.
    beforeEach(() => void vi.spyOn(console, 'error').mockReturnValue())

    deliveryContract(given)
    publishContract(given)
    retryContract(given)
    deadLetterContract(given)
  })
}
