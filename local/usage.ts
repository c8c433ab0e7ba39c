import type { Launcher } from './profile.ts'

/** Whether a command was asked how it is used. */
export const asksForHelp = (args: readonly string[]): boolean => args.includes('--help') || args.includes('-h')

/** Prints how a command is used, and ends the process. */
export function helpWith(usage: string): never {
  console.log(usage)
  process.exit(0)
}

/** How `npm start` or `npm run serve` is used. */
export function usageOf(launcher: Launcher): string {
  const [command, runtime, profiles] =
    launcher === 'start'
      ? ['npm start', 'Miniflare', 'dev (default) or open']
      : ['npm run serve', 'plain workerd', 'production (default), dev or open']
  return [
    `${command} [-- [--fresh] [--shards <number>] [--replicas <0 or 1>] [--split <contexts>] | --help]`,
    '',
    `Starts Parley with everything around it on this machine, the Worker on ${runtime}.`,
    '',
    '  --fresh          empty the data folder first',
    '  --shards <n>     have at least so many Postgres shards (2); they stay once made',
    '  --replicas <n>   1: have a read replica of each Postgres shard (0)',
    '  --split <names>  run these contexts as Workers of their own: jobs, limits, notifications, events',
    '  --transfer <…>   and these of them with the classes of their actors (docs/taking-apart.md)',
    '  --help           print this',
    '',
    'Variables (docs/config.md has them all):',
    '  PORT, HOST       where to listen (8787, 127.0.0.1)',
    '  PARLEY_DATA      the data folder (.parley)',
    `  PARLEY_PROFILE   ${profiles}`,
    ...(launcher === 'start' ? ['  PARLEY_GUIDE     off: no bot that greets new users of the page'] : []),
    '  DRAIN_SECONDS    how long jobs under way may take at the end (5)',
  ].join('\n')
}
