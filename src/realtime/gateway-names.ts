import { hash32 } from '../kernel/id.ts'

/** Every gateway that can exist. */
export const gatewayNames = ({
  regions,
  gatewaysPerRegion,
}: {
  readonly regions: ReadonlyMap<string, string>
  readonly gatewaysPerRegion: number
}): string[] =>
  [...new Set(regions.values())].flatMap((region) =>
    Array.from({ length: gatewaysPerRegion }, (_, number) => `${region}/${number}`),
  )

/** The gateway for a caller: one of `perRegion` in its region, always the same one for the same caller. */
export const gatewayName = (region: string, caller: string, perRegion: number): string =>
  `${region}/${hash32(caller) % perRegion}`
