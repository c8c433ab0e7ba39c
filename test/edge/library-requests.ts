import { expect } from 'vitest'

// Requests as the server libraries of Centrifugo write them, down to the white space: gocent v3, cent (Python) v5 and
// phpcent v6, read from their sources. CHANNEL and USER stand for names of the test's own, and LATER for a time to come
// in seconds since the epoch.

/** One request of a library, and what each of its commands is answered with. */
export interface LibraryRequest {
  readonly library: 'gocent' | 'cent' | 'phpcent'
  readonly path: string
  readonly body: string
  readonly answers: readonly unknown[]
}

const position = { result: { offset: expect.any(Number), epoch: expect.any(String) } }
const done = { result: {} }
const page = { result: { publications: expect.any(Array), offset: expect.any(Number), epoch: expect.any(String) } }
const responses = { result: { responses: [position, position] } }
const people = { result: { presence: {} } }
const numbers = { result: { num_clients: 0, num_users: 0 } }
const channels = { result: { channels: expect.any(Object) } }
const nodes = { result: { nodes: expect.any(Array) } }
const notFound = { error: { code: 104, message: 'not found', detail: expect.any(String) } }

/** gocent: one command on each line, as Go's json.Encoder writes it, with <, > and & escaped. */
const gocent = (commands: readonly string[], answers: readonly unknown[]): LibraryRequest => ({
  library: 'gocent',
  path: '/api',
  body: commands.map((command) => `${command}\n`).join(''),
  answers,
})

const cent = (method: string, body: string, answer: unknown): LibraryRequest => ({
  library: 'cent',
  path: `/api/${method}`,
  body,
  answers: [answer],
})

const phpcent = (method: string, body: string, answer: unknown): LibraryRequest => ({
  library: 'phpcent',
  path: `/api/${method}`,
  body,
  answers: [answer],
})

/** Whatever the options of gocent's calls add. */
const ofGocent: readonly (readonly [command: string, answer: unknown])[] = [
  [String.raw`{"method":"publish","params":{"channel":"CHANNEL","data":{"input":"\u003cb\u003e \u0026"}}}`, position],
  [`{"method":"publish","params":{"channel":"CHANNEL","data":{"input":"test"},"skip_history":true}}`, position],
  [`{"method":"broadcast","params":{"channels":["CHANNEL","CHANNEL-2"],"data":{"input":"test"}}}`, responses],
  [`{"method":"subscribe","params":{"channel":"CHANNEL","user":"USER"}}`, done],
  [
    `{"method":"subscribe","params":{"channel":"CHANNEL","user":"USER","info":{"seat":4},"presence":true,"join_leave":true,"position":true,"recover":true,"data":{"hello":1},"recover_since":{"offset":1,"epoch":"xyz"},"client":"none"}}`,
    done,
  ],
  [`{"method":"subscribe","params":{"channel":"CHANNEL","user":"USER","recover_since":{}}}`, done],
  [`{"method":"unsubscribe","params":{"channel":"CHANNEL","user":"USER"}}`, done],
  [`{"method":"unsubscribe","params":{"channel":"CHANNEL","user":"USER","client":"none"}}`, done],
  [`{"method":"disconnect","params":{"user":"USER","Disconnect":null,"ClientWhitelist":null}}`, done],
  [
    `{"method":"disconnect","params":{"user":"USER","Disconnect":{"code":4000,"reason":"moved","reconnect":true},"ClientWhitelist":["one"],"client":"none"}}`,
    done,
  ],
  [
    `{"method":"disconnect","params":{"user":"USER","Disconnect":{"reason":"","reconnect":false},"ClientWhitelist":[]}}`,
    done,
  ],
  [`{"method":"presence","params":{"channel":"CHANNEL"}}`, people],
  [`{"method":"presence_stats","params":{"channel":"CHANNEL"}}`, numbers],
  [`{"method":"history","params":{"channel":"CHANNEL"}}`, page],
  [`{"method":"history","params":{"channel":"CHANNEL","limit":-1}}`, page],
  [`{"method":"history","params":{"channel":"CHANNEL","since":{},"limit":2}}`, page],
  [`{"method":"history","params":{"channel":"CHANNEL","since":{"offset":1},"limit":2,"reverse":true}}`, page],
  [`{"method":"history_remove","params":{"channel":"CHANNEL"}}`, done],
  [`{"method":"channels","params":{}}`, channels],
  [`{"method":"channels","params":{"pattern":"orders:*"}}`, channels],
  [`{"method":"info","params":{}}`, nodes],
]

export const libraryRequests: readonly LibraryRequest[] = [
  ...ofGocent.map(([command, answer]) => gocent([command], [answer])),
  // A pipe of everything.
  gocent(
    ofGocent.map(([command]) => command),
    ofGocent.map(([, answer]) => answer),
  ),

  // Python's json.dumps leaves a space behind : and , and writes ASCII only. Fields that are None are left out.
  cent('publish', `{"channel": "CHANNEL", "data": {"data": null}}`, position),
  cent(
    'publish',
    String.raw`{"channel": "CHANNEL", "data": {"data": "\u00fc"}, "skip_history": false, "tags": {"tag": "tag"}, "idempotency_key": "one"}`,
    position,
  ),
  cent('publish', `{"channel": "CHANNEL", "data": "", "b64data": "eyJhIjoxfQ=="}`, position),
  cent(
    'broadcast',
    `{"channels": ["CHANNEL", "CHANNEL-2"], "data": {"data": "data"}, "skip_history": false, "tags": {"tag": "tag"}, "idempotency_key": "two"}`,
    responses,
  ),
  cent(
    'subscribe',
    `{"user": "USER", "channel": "CHANNEL", "client": "client", "session": "session", "data": {"data": "data"}, "recover_since": {"offset": 1, "epoch": "1"}}`,
    done,
  ),
  cent(
    'subscribe',
    `{"user": "USER", "channel": "CHANNEL", "info": {"seat": 4}, "override": {"presence": {"value": true}, "join_leave": {"value": false}, "force_push_join_leave": {"value": true}, "force_positioning": {"value": true}, "force_recovery": {"value": true}}}`,
    done,
  ),
  cent(
    'subscribe',
    `{"user": "USER", "channel": "CHANNEL", "b64info": "eyJhIjoxfQ==", "b64data": "eyJhIjoxfQ=="}`,
    done,
  ),
  cent('unsubscribe', `{"user": "USER", "channel": "CHANNEL", "client": "client", "session": "session"}`, done),
  cent('presence', `{"channel": "CHANNEL"}`, people),
  cent('presence_stats', `{"channel": "CHANNEL"}`, numbers),
  cent('history', `{"channel": "CHANNEL", "limit": 10, "reverse": false}`, page),
  cent('history', `{"channel": "CHANNEL", "limit": 1, "since": {"offset": 1, "epoch": ""}, "reverse": true}`, page),
  cent('history_remove', `{"channel": "CHANNEL"}`, done),
  cent('info', `{}`, nodes),
  cent('channels', `{"pattern": "*"}`, channels),
  cent('channels', `{}`, channels),
  cent(
    'disconnect',
    `{"user": "USER", "client": "client", "session": "session", "whitelist": ["personal_1"], "disconnect": {"code": 4000, "reason": "reason"}}`,
    done,
  ),
  cent('disconnect', `{"user": "USER", "disconnect": {"code": 0, "reason": ""}}`, done),
  cent('refresh', `{"user": "USER", "client": "client", "session": "session", "expired": true, "expire_at": 1}`, done),
  cent('connections', `{"user": "USER", "expression": ""}`, notFound),
  cent('block_user', `{"user": "USER"}`, notFound),
  cent('device_list', `{"filter": {"users": ["USER"]}, "limit": 10}`, notFound),
  cent('send_push_notification', `{"recipient": {"fcm_tokens": ["x"]}, "notification": {}}`, notFound),
  cent(
    'batch',
    `{"commands": [{"publish": {"channel": "CHANNEL", "data": {"data": "Second data"}}}, {"broadcast": {"channels": ["CHANNEL", "CHANNEL-2"], "data": {"data": "Third data"}}}, {"presence": {"channel": "CHANNEL"}}, {"info": {}}], "parallel": false}`,
    {
      replies: [
        { publish: position.result },
        { broadcast: responses.result },
        { presence: people.result },
        { info: nodes.result },
      ],
    },
  ),

  // PHP's json_encode escapes / and writes an empty array as [] but for the outermost.
  phpcent('publish', `{"channel":"CHANNEL","data":{"message":"Hello World"},"skip_history":false}`, position),
  phpcent('publish', `{"channel":"CHANNEL","data":[],"skip_history":false}`, position),
  phpcent(
    'publish',
    String.raw`{"channel":"CHANNEL","data":{"url":"https:\/\/example.com\/\u00fc"},"skip_history":true,"tags":{"kind":"new"},"idempotency_key":"three","delta":true}`,
    position,
  ),
  phpcent(
    'publish',
    `{"channel":"CHANNEL","data":{"message":"Hello World"},"skip_history":false,"version":3,"version_epoch":"e"}`,
    position,
  ),
  phpcent(
    'broadcast',
    `{"channels":["CHANNEL","CHANNEL-2"],"data":{"message":"Hello World"},"skip_history":false,"tags":{"kind":"new"},"version":4,"version_epoch":"e"}`,
    responses,
  ),
  phpcent('subscribe', `{"channel":"CHANNEL","user":"USER","client":""}`, done),
  phpcent(
    'subscribe',
    `{"channel":"CHANNEL","user":"USER","client":"none","expire_at":LATER,"info":{"seat":4},"data":{"hello":1},"recover_since":{"offset":1,"epoch":"e"},"override":{"presence":{"value":true}},"session":"none"}`,
    done,
  ),
  phpcent('unsubscribe', `{"channel":"CHANNEL","user":"USER","client":""}`, done),
  phpcent('unsubscribe', `{"channel":"CHANNEL","user":"USER","client":"none","session":"none"}`, done),
  phpcent('disconnect', `{"user":"USER","client":""}`, done),
  phpcent(
    'disconnect',
    `{"user":"USER","client":"none","disconnect":{"code":4000,"reason":"moved"},"whitelist":["one"],"session":"none"}`,
    done,
  ),
  phpcent('presence', `{"channel":"CHANNEL"}`, people),
  phpcent('presence_stats', `{"channel":"CHANNEL"}`, numbers),
  phpcent('history', `{"channel":"CHANNEL","limit":0,"reverse":false}`, page),
  phpcent('history', `{"channel":"CHANNEL","limit":100,"reverse":false,"since":{"offset":0,"epoch":""}}`, page),
  phpcent('history_remove', `{"channel":"CHANNEL"}`, done),
  phpcent('channels', `{"pattern":""}`, channels),
  phpcent('info', `{}`, nodes),
  phpcent(
    'batch',
    `{"commands":[{"presence_stats":{"channel":"CHANNEL"}},{"publish":{"channel":"nowhere:test2","data":[]}}]}`,
    {
      replies: [
        { presence_stats: numbers.result },
        { error: { code: 102, message: 'unknown channel', detail: expect.any(String) } },
      ],
    },
  ),
  // Versions of phpcent before 4 send a command, with [] where it has no parameters.
  { library: 'phpcent', path: '/api', body: `{"method":"info","params":[]}`, answers: [nodes] },
  { library: 'phpcent', path: '/api', body: `{"method":"channels","params":[]}`, answers: [channels] },
]
