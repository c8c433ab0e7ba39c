import { expect, test } from 'vitest'
import { ProviderHealth } from '../../src/notifications/deliveries/provider-health.ts'
import type { DeliveryOutcome, ProviderState } from '../../src/notifications/model.ts'
import { advance, settle } from '../../src/notifications/runs/advance.ts'
import type { Run } from '../../src/notifications/runs/run.ts'
import { BreakerView } from '../../src/resilience/breaker-view.ts'
import { endpointOpenTimes } from '../../src/resilience/opinion.ts'
import { at, email, specOf, TestUser } from './test-user.ts'

const providers: readonly ProviderState[] = [
  { name: 'first', isIdempotent: true, openUntil: 0 },
  { name: 'second', isIdempotent: true, openUntil: 0 },
]
const deadlineMs = 15_000

/** Users whose e-mails go to two providers, the first of which has a breaker and may be down. */
class Outage {
  now = at
  isDown = true
  /** Times at which the first provider was called. */
  readonly calls: number[] = []
  readonly #view = new BreakerView(128, endpointOpenTimes)
  readonly #health = new ProviderHealth()

  /** One e-mail, until it is delivered; waits are passed at once. */
  send(): Run {
    const user = new TestUser()
    user.now = this.now
    user.providers = this.#health.statesOf(providers)
    user.start(specOf([email('mail', { heedsQuietHours: false, onUnknown: 'failover' })], { at: this.now }))
    for (let n = 0; n < 50; n++) {
      const [delivery] = user.get('n1').deliveries
      if (delivery === undefined || delivery.state === 'delivered' || delivery.state === 'failed') break
      user.providers = this.#health.statesOf(providers)
      if (delivery.state === 'active') {
        const provider = delivery.attempts.at(-1)?.provider ?? ''
        const outcome = this.#attempt(provider)
        this.#health.noteOutcome(provider, outcome, this.now)
        user.providers = this.#health.statesOf(providers)
        user.now = this.now
        user.do('n1', (context) => settle(context, 'n1/mail', delivery.attempts.length, outcome))
      } else {
        this.now = Math.max(this.now, delivery.dueAt)
        user.now = this.now
        user.do('n1', advance)
      }
    }
    return user.get('n1')
  }

  #attempt(provider: string): DeliveryOutcome {
    if (provider === 'second') return { kind: 'delivered' }
    const verdict = this.#view.decide(this.now)
    if (verdict.kind === 'open')
      return { kind: 'later', answer: 'open', retryInMs: verdict.retryInMs, openForMs: verdict.retryInMs }
    const permitted =
      verdict.kind === 'ask'
        ? this.#view.afterAsking(undefined, deadlineMs, this.now)
        : { kind: 'call', probe: undefined }
    if (permitted.kind !== 'call') throw new Error('the probe was not given')
    this.calls.push(this.now)
    const call = this.#view.begin(deadlineMs, deadlineMs, this.now, 'probe' in permitted ? permitted.probe : undefined)
    // A hang until the deadline of the call.
    if (this.isDown) this.now += deadlineMs
    this.#view.end(call, !this.isDown, this.now)
    return this.isDown ? { kind: 'unknown', answer: 'timed out' } : { kind: 'delivered' }
  }
}

const tookMs = ({ startedAt, endedAt }: Run): number => endedAt - startedAt

test('while the first provider hangs everything is delivered by the second within the failover deadline, and the first is asked again when its breaker lets a call through', () => {
  const outage = new Outage()
  const runs = Array.from({ length: 200 }, () => outage.send())
  expect(runs.filter(({ deliveries }) => deliveries[0]?.state !== 'delivered')).toEqual([])
  // Two attempts in doubt and a pause, at most; most find the breaker open.
  expect(Math.max(...runs.map(tookMs))).toBeLessThanOrEqual(2 * deadlineMs + 10_000)
  expect(outage.calls.length).toBeLessThan(12)
  const skipped = runs.at(-1)
  expect(skipped?.deliveries[0]?.attempts).toMatchObject([{ provider: 'second' }])
  expect(skipped?.notes.map(({ text }) => text)).toContainEqual(
    expect.stringMatching(/^at "second"; "first" is skipped, its breaker is open until 2026-/),
  )

  outage.isDown = false
  const before = outage.calls.length
  outage.now += endpointOpenTimes.maxMs
  expect(outage.send().deliveries[0]?.attempts).toMatchObject([{ provider: 'first', outcome: 'delivered' }])
  expect(outage.send().deliveries[0]?.attempts).toMatchObject([{ provider: 'first', outcome: 'delivered' }])
  expect(outage.calls.length).toBe(before + 2)
})

test('an open breaker of a host counts until its time is over, and an answer of the provider ends it', () => {
  const health = new ProviderHealth()
  const [first] = providers
  if (first === undefined) throw new Error('there is no provider')
  health.noteBreaker('first', 5000, at)
  health.noteBreaker('first', 0, at + 1)
  expect(health.statesOf([first])[0]?.openUntil).toBe(at + 5000)
  health.noteOutcome('first', { kind: 'unknown', answer: 'timed out' }, at + 2)
  expect(health.statesOf([first])[0]?.openUntil).toBe(at + 5000)
  health.noteOutcome('first', { kind: 'refused', answer: '400' }, at + 3)
  expect(health.statesOf([first])).toEqual([first])
})
