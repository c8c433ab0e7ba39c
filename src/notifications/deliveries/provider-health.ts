import { BoundedMap } from '../../kernel/bounded-map.ts'
import type { DeliveryOutcome, ProviderState } from '../model.ts'

/** Providers whose breakers are kept: more than a tenant may have. */
const maxProviders = 100

/**
 * Which providers have an open breaker, as one actor knows it: from the Breaker actor, and from attempts for which no call was made. An
 * entry ends with its time; then the provider is asked again, and its breaker lets one call through.
 */
export class ProviderHealth {
  readonly #openUntil = new BoundedMap<string, number>(maxProviders)

  /** Takes what became of an attempt at a provider. */
  noteOutcome(provider: string, outcome: DeliveryOutcome, now: number): void {
    if (outcome.kind === 'later' && outcome.openForMs !== undefined) this.#note(provider, now + outcome.openForMs)
    else if (outcome.kind !== 'later' && outcome.kind !== 'unknown') this.#openUntil.delete(provider)
  }

  /** Takes for how long the breaker of a provider's host stays open; 0 says nothing: one isolate alone may know of an outage. */
  noteBreaker(provider: string, openForMs: number, now: number): void {
    if (openForMs > 0) this.#note(provider, now + openForMs)
  }

  /** Providers as the choice of the next attempt sees them. */
  statesOf(providers: readonly ProviderState[]): readonly ProviderState[] {
    return providers.map((provider) => {
      const openUntil = this.#openUntil.get(provider.name) ?? 0
      return openUntil > provider.openUntil ? { ...provider, openUntil } : provider
    })
  }

  #note(provider: string, until: number): void {
    if (until > (this.#openUntil.get(provider) ?? 0)) this.#openUntil.set(provider, until)
  }
}
