import type { ProjectedProperties, ProjectionBatch } from '../../events/projection.ts'

/** The properties of conversations in a write, the newest of each: one statement must not touch a row twice. */
export function changedProperties(batches: readonly ProjectionBatch[]): (ProjectionBatch & ProjectedProperties)[] {
  const newest = new Map<string, ProjectionBatch & ProjectedProperties>()
  for (const batch of batches) {
    const key = `${batch.tenant}/${batch.conversation}`
    const { facts: properties } = batch
    if (properties !== undefined && properties.version >= (newest.get(key)?.version ?? 0))
      newest.set(key, { ...batch, ...properties })
  }
  return [...newest.values()]
}
