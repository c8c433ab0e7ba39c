import { newFacadeRoute, type FacadeDefinition } from '../../src/protocol/facade-api.ts'

/** A definition with defaults, as the API makes it. */
export function definitionOf(given: object): FacadeDefinition {
  const { percent: _, ...definition } = newFacadeRoute.parse({
    legacy: { url: 'https://legacy.example.com' },
    new: { url: 'https://new.example.com' },
    key: { from: 'cookie', name: 'sid' },
    ...given,
  })
  return definition
}
