import { runSystem } from './system.ts'
import { startWorkerd } from './workerd.ts'

// `npm run serve`: the same Worker on plain workerd, as one would host it oneself, and what benchmarks run against.
await runSystem(startWorkerd, ({ port, isOpen }) => {
  const ready = `parley ready at http://localhost:${port} on workerd`
  return isOpen ? `${ready}, open: anybody may do anything here` : ready
})
