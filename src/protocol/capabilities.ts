import { z } from 'zod'

/** What a capability can allow: subscribe, publish, read history, see who is present; and to pull from `consumer:<name>`. */
export const capabilityActions = ['sub', 'pub', 'hst', 'prs', 'pull'] as const
export type CapabilityAction = (typeof capabilityActions)[number]

/** Bytes of JSON that a token's capabilities may have: they are kept with every connection. */
export const capabilitiesBytes = 4096

/** Permission to do something in some channels. In a name `*` stands for any run of characters. */
export const capability = z.strictObject({
  channels: z.array(z.string().min(1).max(255)).min(1).max(100),
  match: z.literal('wildcard').optional(),
  allow: z.array(z.enum(capabilityActions)).min(1),
})

/** A token's `caps`. */
export const capabilities = z
  .array(capability)
  .max(100)
  .refine((all) => JSON.stringify(all).length <= capabilitiesBytes, `at most ${capabilitiesBytes} bytes of JSON`)

export type Capability = z.output<typeof capability>
