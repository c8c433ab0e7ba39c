import { isLonger } from '../../kernel/text.ts'
import { incompatibilities, type Compatibility } from './compatibility.ts'
import { badExpression } from '../../kernel/expression.ts'
import { isSameJson } from './same-json.ts'
import { badSchema, schemaBytes, type Schema } from '../../kernel/json-schema/schema.ts'

/** One version of an event type. It never changes once it is registered. */
export interface TypeVersion {
  readonly version: number
  /** JSON Schema as JSON text. */
  readonly schema: string
  readonly compatibility: Compatibility
  /** A JMESPath expression that makes data of this version from data of the version before; null leaves it as it is. */
  readonly upcast: string | null
}

/** A registered event type: versions 1, 2, 3 …, at least one. */
export interface EventType {
  readonly type: string
  readonly versions: readonly TypeVersion[]
}

/** Versions of a type, at most: the number of upcasters one event may pass, and one. */
export const maxVersions = 50

/** The result of a registration; `bad` names the field, the rule and the fix. */
export type Registered =
  | { readonly kind: 'registered'; readonly isNew: boolean }
  | { readonly kind: 'bad' | 'conflict'; readonly detail: string }

/** Registers a version behind those that are there; the same version again changes nothing. */
export function registerVersion(name: string, before: EventType | undefined, wanted: TypeVersion): Registered {
  const versions = before?.versions ?? []
  const known = versions[wanted.version - 1]
  if (before !== undefined && known !== undefined)
    return isSameVersion(known, wanted)
      ? { kind: 'registered', isNew: false }
      : conflict(`version: ${name} has another version ${wanted.version}; register version ${versions.length + 1}`)
  if (wanted.version !== versions.length + 1)
    return conflict(`version: the next version of ${name} is ${versions.length + 1}, got ${wanted.version}`)
  if (wanted.version > maxVersions) return conflict(`version: at most ${maxVersions} versions of a type`)
  const detail = badVersion(versions.at(-1), wanted)
  if (detail !== undefined) return { kind: 'bad', detail }
  return { kind: 'registered', isNew: true }
}

const isSameVersion = (one: TypeVersion, other: TypeVersion): boolean =>
  isSameJson({ ...one, schema: parsed(one.schema) }, { ...other, schema: parsed(other.schema) })

/** A schema that `badSchema` accepted, or that is about to be checked by it. */
export const parsed = (schema: string): Schema => JSON.parse(schema)

const conflict = (detail: string): Registered => ({ kind: 'conflict', detail })

function badVersion(before: TypeVersion | undefined, wanted: TypeVersion): string | undefined {
  if (isLonger(wanted.schema, schemaBytes)) return `schema: at most ${schemaBytes} bytes`
  const bad = badSchema(parsed(wanted.schema)) ?? badUpcast(before, wanted)
  if (bad !== undefined || before === undefined) return bad
  const [gap] = incompatibilities(parsed(before.schema), parsed(wanted.schema), wanted.compatibility)
  if (gap === undefined) return undefined
  const fix =
    wanted.upcast === null
      ? 'give an upcaster and compatibility "none"'
      : 'with this upcaster give compatibility "none"'
  return `schema: not compatible with version ${before.version}; ${gap}; ${fix}`
}

function badUpcast(before: TypeVersion | undefined, { upcast }: TypeVersion): string | undefined {
  if (upcast === null) return undefined
  if (before === undefined) return 'upcast: version 1 has no version before it'
  const bad = badExpression(upcast)
  return bad === undefined ? undefined : `upcast: ${bad}`
}
