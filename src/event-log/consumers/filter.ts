import type { LogEvent } from '../../events/log-event.ts'
import { ownEventTypes } from '../../events/own-topic.ts'
import { isTrue, parseExpression, type Expression } from '../../kernel/expression.ts'

/** Which events a consumer gets; an empty list admits all. */
export interface EventFilter {
  /** Beginnings of types. */
  readonly types: readonly string[]
  readonly keys: readonly string[]
  readonly sources: readonly string[]
  /** A JMESPath expression about `{type, source, id, key, version, subject, data}`. */
  readonly condition: string | null
  /** The webhook whose consumer this is: it gets the pings with its name. */
  readonly webhook?: { readonly name: string } | null
}

/** Whether an event matches, or why its condition could not be evaluated. */
export type Match = boolean | { readonly failure: string }

/** The test of a filter, whose condition is parsed once. */
export function matcherOf({ types, keys, sources, condition, webhook }: EventFilter): (event: LogEvent) => Match {
  const expression = condition === null ? undefined : parseExpression(condition)
  return (event) => {
    if (webhook !== undefined && webhook !== null && event.type === ownEventTypes.ping)
      return event.attributes.subject === webhook.name
    if (types.length > 0 && !types.some((prefix) => event.type.startsWith(prefix))) return false
    if (keys.length > 0 && (event.key === null || !keys.includes(event.key))) return false
    if (sources.length > 0 && !sources.includes(event.source)) return false
    return expression === undefined || holds(expression, event)
  }
}

function holds(expression: Expression, { type, source, id, key, version, data, attributes }: LogEvent): Match {
  const value: unknown = data === null || attributes.base64 === true ? null : JSON.parse(data)
  try {
    return isTrue(
      expression.evaluate({ type, source, id, key, version, subject: attributes.subject ?? null, data: value }),
    )
  } catch (thrown) {
    return { failure: `condition: ${thrown instanceof Error ? thrown.message : String(thrown)}`.slice(0, 500) }
  }
}
