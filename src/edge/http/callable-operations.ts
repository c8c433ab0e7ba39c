import type { OperationDefinition } from '../../protocol/operation.ts'

/** Operations that a tenant's server may call, by their ids: what steps of sagas can name. */
const callable = new Map<string, OperationDefinition>()
const all = new Set<string>()

/** Notes the operations of the API, when it is put together. */
export function noteCallable(definitions: readonly OperationDefinition[]): void {
  for (const definition of definitions) {
    all.add(definition.id)
    if (definition.access === 'server' || definition.access === 'user-or-server')
      callable.set(definition.id, definition)
  }
}

export const callableOperation = (id: string): OperationDefinition | undefined => callable.get(id)

/** Whether this version has the operation. */
export const isOperation = (id: string): boolean => all.has(id)
