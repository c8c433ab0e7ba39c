/** The stand-in for Neon in a process of its own, as Parley's is in the one of its launcher. */
import { z } from 'zod'
import { startNeonProxy } from '../../local/neon/start.ts'

const { PORT, UPSTREAM, PASSWORD, POOL } = z
  .object({ PORT: z.coerce.number(), UPSTREAM: z.string(), PASSWORD: z.string(), POOL: z.coerce.number() })
  .parse(process.env)

await startNeonProxy({
  port: PORT,
  resolve: () => ({ password: PASSWORD, upstream: UPSTREAM, poolSize: POOL }),
})
