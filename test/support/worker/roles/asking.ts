import { definitions } from '../../../../src/edge/openapi/openapi.ts'
import type { OperationDefinition } from '../../../../src/protocol/operation.ts'
import { call, type Answer } from '../http.ts'
import { blank, tellOf } from '../things.ts'
import { roles, userOf, type Cast, type Role } from './cast.ts'
import { expected, type Asking, type Use } from './may.ts'
import { unknownOverHttp } from './operations.ts'
import type { Scene } from './scene.ts'

/** Every operation that a tenant may use. */
export const everyOperation = definitions.filter(({ access }) => access !== 'operator')

/** One use of one operation. */
export interface Case {
  readonly operation: OperationDefinition
  readonly use: Use
  readonly line: string
}

/** All uses in a table, in the order of the operations. */
export const casesOf = (table: Readonly<Record<string, readonly Use[]>>): Case[] =>
  everyOperation.flatMap((operation) => {
    const line = tellOf(operation)
    return (table[line] ?? []).map((use) => ({ operation, use, line }))
  })

let asked = 0
/** Another address for each request: together they are more than one address without credentials may make. */
const nextAddress = (): string => {
  asked++
  return `10.${(asked >> 16) & 255}.${(asked >> 8) & 255}.${asked & 255}`
}

/** Uses an operation as a role would; what it answers, without what differs by chance. */
export async function ask(cast: Cast, { operation, use }: Case, role: Role, scene: Scene): Promise<Answer> {
  const asking = askingOf(role, scene)
  const { body, user = '', seq = 1, reaction = '', upload = '', clientId = '', query = '' } = use.ask?.(asking) ?? {}
  const named = { id: scene.id, user, seq: String(seq), reaction, upload, clientId, part: '1' }
  const path = Object.entries(named).reduce((text, [name, value]) => text.replace(`{${name}}`, value), operation.path)
  const as = cast.shows[role]
  const answer = await call(`${operation.method.toUpperCase()} ${path}${query}`, {
    ...(as === undefined ? {} : { as }),
    ...(body === undefined ? {} : { body }),
    headers: { 'cf-connecting-ip': nextAddress() },
  })
  return { ...answer, text: blank(answer.text, [scene.id, scene.friend, asking.fresh, asking.user, asking.file]) }
}

/** The caller and the object, in a scene. */
export function askingOf(role: Role, { said, files, friend }: Scene): Asking {
  const others = said.get(friend) ?? 1
  const fresh = `w${crypto.randomUUID().slice(0, 8)}`
  const file = files.get(userOf[role]) ?? files.get(friend) ?? ''
  return { user: userOf[role], file, own: said.get(userOf[role]) ?? others, others, friend, fresh }
}

/** A conversation that is not there, where everything else is the same. */
export const nowhere = (scene: Scene): Scene => ({ ...scene, id: crypto.randomUUID() })

export const toldBy = ({ status }: Answer): number => (status < 300 ? 0 : status)

/** What a role has to be told over HTTP; 0 when it may. */
export const dueOverHttp = (use: Use, role: Role, { type }: Scene): number =>
  unknownOverHttp.includes(role) ? 401 : expected(use, role, type)

/** Roles for whom a use makes sense and who may, or who may not. */
export const those = (use: Use, scene: Scene, may: boolean): readonly Role[] =>
  roles.filter((role) => use.unfit?.includes(role) !== true && (dueOverHttp(use, role, scene) === 0) === may)
