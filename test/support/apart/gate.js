// The Worker of a system whose parts can be stopped: ContextWorker answers nothing while its Worker is stopped. The
// main Worker's path /gate/<binding>/<on or off> opens and closes the gate of another Worker.
import * as parley from 'parley'

export * from 'parley'

let isStopped = false

const gate = () => {
  if (isStopped) throw new Error('the Worker is stopped')
}

export class ContextWorker extends parley.ContextWorker {
  async stop(stopped) {
    isStopped = stopped
  }
  async fetch(request) {
    gate()
    return await super.fetch(request)
  }
  async run(...given) {
    gate()
    return await super.run(...given)
  }
  async perform(...given) {
    gate()
    return await super.perform(...given)
  }
  async runCron(...given) {
    gate()
    return await super.runCron(...given)
  }
  async ready() {
    gate()
    return await super.ready()
  }
  async figures() {
    gate()
    return await super.figures()
  }
}

const actor = (Base) =>
  class extends Base {
    async enqueue(...given) {
      gate()
      return await super.enqueue(...given)
    }
  }

export const JobQueue = actor(parley.JobQueue)

export default {
  async fetch(request, env, context) {
    const [, binding, to] = /\/gate\/(\w+)\/(on|off)$/.exec(request.url) ?? []
    if (binding === undefined) return await parley.default.fetch(request, env, context)
    await env[binding].stop(to === 'off')
    return new Response(to)
  },
  scheduled: (controller, env, context) => parley.default.scheduled(controller, env, context),
}
