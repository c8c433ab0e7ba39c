import { join } from 'node:path'

const ws = join(import.meta.dirname, '../../node_modules/ws/wrapper.mjs')

/** What `sdkChat` prints. */
export const sdkChatPrints = ['hello', 'ParleyError', 'notFound']

/**
 * A program of a customer: sends a message from a server, shows it to a user, and is refused once. `websocket`: whether the runtime
 * has one of its own.
 */
export const sdkChat = ({ websocket }: { readonly websocket: boolean }): string => `
  import process from 'node:process'
  import { createApi } from 'parley-sdk/api'
  import { ParleyServer } from 'parley-sdk/server'
  import { createParley } from 'parley-sdk'
  ${websocket ? '' : `import WebSocket from ${JSON.stringify(ws)}`}
  const url = process.env.PARLEY_URL
  const api = createApi({ url, apiKey: 'demo-key' })
  const { data: made } = await api.POST('/v1/conversations', { body: { type: 'group', members: ['ann', 'ben'] } })
  const server = new ParleyServer({ url, apiKey: 'demo-key' })
  const parley = createParley({ url, user: 'ben', getToken: () => server.token('ben'), websocket: WebSocket })
  const conversation = parley.open(made.id)
  const heard = new Promise((resolve) => {
    conversation.changes.listen(() => {
      const line = conversation.view.lines.find(({ kind }) => kind === 'message')
      if (line !== undefined) resolve(line.text)
    })
  })
  await api.POST('/v1/conversations/{id}/messages', {
    params: { path: { id: made.id } },
    body: { clientId: 'm1', text: 'hello', user: 'ann' },
  })
  const refused = await api.GET('/v1/conversations/{id}', { params: { path: { id: 'no such one' } } }).catch((error) => error)
  console.log(JSON.stringify([await heard, refused.name, refused.kind]))
  parley.close()
`
