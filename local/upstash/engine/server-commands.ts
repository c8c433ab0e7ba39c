import { OK, status } from '../reply.ts'
import { type CommandTable, reads } from './command.ts'
import { RedisError, refusals } from './errors.ts'

/** Commands about the server itself. */
export const serverCommands: CommandTable = {
  ping: reads(-1, (_, [text, ...extra]) => {
    if (extra.length > 0) throw refusals.arity('ping')
    return text ?? status('PONG')
  }),
  echo: reads(2, (_, [text = '']) => text),
  time: reads(1, ({ now }) => [String(Math.floor(now / 1000)), String((now % 1000) * 1000)]),
  publish: reads(3, ({ pubsub }, [channel = '', payload = '']) => pubsub.publish(channel, payload)),
  eval: { ...reads(-3, ({ scripts }, [source = '', ...rest]) => scripts.evaluate(source, rest)), notInScripts: true },
  evalsha: { ...reads(-3, ({ scripts }, [sha = '', ...rest]) => scripts.evaluateSha(sha, rest)), notInScripts: true },
  script: {
    ...reads(-2, ({ scripts }, [name = '', ...args]) => {
      switch (name.toUpperCase()) {
        case 'LOAD':
          if (args.length !== 1) throw refusals.arity('script|load')
          return scripts.load(args[0] ?? '')
        case 'EXISTS':
          if (args.length === 0) throw refusals.arity('script|exists')
          return args.map((sha) => Number(scripts.has(sha)))
        case 'FLUSH':
          if (args.length > 1 || (args[0] !== undefined && !/^a?sync$/i.test(args[0]))) throw flushTakesNone()
          scripts.flush()
          return OK
        default:
          throw new RedisError(`ERR unknown subcommand '${name.slice(0, 128)}'. Try SCRIPT HELP.`)
      }
    }),
    notInScripts: true,
  },
}

const flushTakesNone = () => new RedisError('ERR SCRIPT FLUSH only support SYNC|ASYNC option')
