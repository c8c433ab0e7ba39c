import type { Definition, Step } from './definition.ts'

/** The tenant in whose name the platform runs its own sagas: no deletion of a tenant erases their actors. */
export const ownSagasTenant = 'parley'

/** How long a run of the platform is kept after its end, in milliseconds. */
export const ownKeepMs = 366 * 86_400_000

const step = (name: string, operation: string, more: Partial<Step> = {}): Step => ({
  name,
  operation: { operation },
  timeoutSeconds: 120,
  // A month of attempts: what is left of a tenant, or of a user, is no work for a person because something was down.
  retry: { attempts: 10_000, seconds: 1, maxSeconds: 300 },
  onUnknown: 'attention',
  pivot: false,
  ...more,
})

/**
 * The sagas that the platform runs itself, by name: their operations are in `src/handlers/own-operations.ts`. A run keeps a copy of the
 * version that it started with, so a change here needs a higher version, and operations of versions with runs have to stay.
 */
export const ownSagas: Readonly<Record<string, Definition>> = {
  'tenant-creation': {
    name: 'tenant-creation',
    version: 1,
    steps: [step('register', 'tenant.register', { pivot: true }), step('place', 'tenant.place')],
    stuckAfterSeconds: 600,
  },
  'tenant-deletion': {
    name: 'tenant-deletion',
    version: 1,
    steps: [
      step('suspend', 'tenant.suspend', { compensate: { operation: 'tenant.restore' } }),
      // The grace lasts 90 days at most. Once it is over there is no way back.
      step('grace', 'tenant.deletion', { pivot: true }),
      ...['fence', 'listed', 'others', 'placement', 'end'].map((name) => step(name, 'tenant.deletion')),
    ],
    stuckAfterSeconds: 86_400,
  },
  'user-erasure': {
    name: 'user-erasure',
    version: 1,
    steps: [
      // The tokens were refused before the run began: there is no way back.
      step('revoke', 'user.revoke', { pivot: true }),
      ...['settle', 'conversations', 'own'].map((name) => step(name, 'user.erase')),
    ],
    stuckAfterSeconds: 86_400,
    forgetsInput: true,
  },
}

/** A saga of the platform; undefined when there is none of that name and version. */
export function ownSaga(name: string, version?: number): Definition | undefined {
  const found = Object.hasOwn(ownSagas, name) ? ownSagas[name] : undefined
  return version === undefined || found?.version === version ? found : undefined
}

/** The run that deletes a tenant; a tenant that was restored and deleted again has another one. */
export const deletionRun = (tenant: string, requestedAt: number): string => `delete-${tenant}-${requestedAt}`

export const creationRun = (tenant: string): string => `create-${tenant}`
