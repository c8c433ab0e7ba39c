import type { Statement } from './shards.ts'

interface Entry {
  tenant: string
  conversation: string
  seq: number
  epoch: string
  at: number
  user: string
  client: string
  id: string | null
  body: string
}

interface Page {
  tenant: string
  conversation: string
  epoch: string
  page: number
  entries: Entry[]
}

type Answer = Readonly<Record<string, string | number | null>>[]

/** A Postgres array as the driver writes it. */
export function listOf(text = '{}'): (string | null)[] {
  const items = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^,]+)/gs)
  return [...items].map(([, quoted, bare]) =>
    quoted === undefined ? (bare === 'NULL' ? null : (bare ?? '')) : quoted.replaceAll(/\\(.)/gs, '$1'),
  )
}
const at = (text: string | undefined, place: number): string => listOf(text)[place] ?? ''

/** A digest that differs where texts differ. */
const digestOf = (texts: readonly string[]): string => JSON.stringify(texts)

/** What one shard keeps of messages, archived pages, members and creators, for statements of the projection, of erasures and of exports. */
export class KeptRows {
  entries: Entry[] = []
  pages: Page[] = []
  /** Of the tenant that is here. */
  placementEpoch = 1
  readonly members = new Map<string, string>()
  readonly creators = new Map<string, string>()

  readonly answer = ({ query, params }: Statement): Answer => {
    if (query.includes('INSERT INTO messages') && query.includes('WITH batch')) return this.#insert(params)
    if (query.includes('INSERT INTO conversations')) return this.#putCreators(params)
    if (query.includes('INSERT INTO members')) return this.#putMembers(params)
    if (query.includes('md5(body) AS digest')) return this.#find(params)
    if (query.includes('md5(bodies::text) AS digest')) return this.#findPages(params)
    if (query.includes('UPDATE messages m SET user_id')) return this.#rewrite(params)
    if (query.includes('UPDATE archive a SET user_ids')) return this.#rewritePage(params)
    if (query.includes('UPDATE conversations c SET created_by')) return this.#rewriteCreator(params)
    if (query.includes("type = 'channel' OR created_by")) return this.#conversationsOf(params)
    if (query.includes('user_id AS name FROM members')) return this.#membersOf(params)
    if (query.includes('unnest(a.seqs, a.sent_ats')) return this.#range(params)
    if (query.includes('DISTINCT conversation_id AS name'))
      return this.#page([...this.creators.keys()], params[1] ?? '', '50')
    if (query.startsWith('SELECT epoch FROM placements')) return [{ epoch: this.placementEpoch }]
    return []
  }

  /** Moves all messages into the archive, as the nights do. */
  archiveAll(): void {
    for (const entry of this.entries) {
      const page = Math.floor((entry.seq - 1) / 100)
      const { tenant, conversation, epoch } = entry
      const isSame = (known: Page) =>
        known.conversation === conversation && known.epoch === epoch && known.page === page
      const known = this.pages.find(isSame)
      if (known === undefined) this.pages.push({ tenant, conversation, epoch, page, entries: [entry] })
      else known.entries.push(entry)
    }
    this.entries = []
  }

  /** Everything that is kept, as text. */
  text(): string {
    return JSON.stringify([this.entries, this.pages, [...this.members], [...this.creators]])
  }

  #insert(params: readonly string[]): Answer {
    const columns = params.slice(0, 10).map(listOf)
    for (const [place, tenant] of (columns[0] ?? []).entries()) {
      const of = (column: number) => columns[column]?.[place] ?? ''
      const entry = {
        tenant: tenant ?? '',
        conversation: of(2),
        epoch: of(3),
        seq: Number(of(4)),
        at: Number(of(5)),
        user: of(6),
      }
      const all = [...this.entries, ...this.pages.flatMap(({ entries }) => entries)]
      if (all.some(({ conversation, seq }) => conversation === entry.conversation && seq === entry.seq)) continue
      this.entries.push({ ...entry, client: of(7), id: columns[8]?.[place] ?? null, body: of(9) })
    }
    return []
  }

  #putCreators(params: readonly string[]): Answer {
    for (const [place, id] of listOf(params[2]).entries())
      if (id !== null && !this.creators.has(id)) this.creators.set(id, at(params[6], place))
    return []
  }

  /** The members of a changed conversation replace those of before. */
  #putMembers(params: readonly string[]): Answer {
    for (const id of listOf(params[9]))
      for (const key of this.members.keys()) if (key.startsWith(`${id ?? ''} `)) this.members.delete(key)
    for (const [place, id] of listOf(params[2]).entries())
      this.members.set(`${id ?? ''} ${at(params[4], place)}`, at(params[5], place))
    return []
  }

  #find([tenant = '', conversation, after, user, name = '', edits, limit]: readonly string[]): Answer {
    return this.entries
      .filter((entry) => entry.tenant === tenant && entry.conversation === conversation && entry.seq > Number(after))
      .filter((entry) => entry.user === user || entry.body.includes(name) || (isTrue(edits) && isEdit(entry.body)))
      .sort((a, b) => a.seq - b.seq)
      .slice(0, Number(limit))
      .map(({ seq, user: by, client, id, body }) => ({
        seq,
        user_id: by,
        client,
        client_id: id,
        body,
        digest: digestOf([body]),
      }))
  }

  #findPages([tenant, conversation, epoch = '', page, user, name = '', edits, limit]: readonly string[]): Answer {
    return this.pages
      .filter((known) => known.tenant === tenant && known.conversation === conversation)
      .filter((known) => known.epoch > epoch || (known.epoch === epoch && known.page > Number(page)))
      .filter(({ entries }) =>
        entries.some(
          (entry) => entry.user === user || entry.body.includes(name) || (isTrue(edits) && isEdit(entry.body)),
        ),
      )
      .sort((a, b) => (a.epoch === b.epoch ? a.page - b.page : a.epoch < b.epoch ? -1 : 1))
      .slice(0, Number(limit))
      .map(({ epoch: of, page: number, entries }) => ({
        epoch: of,
        page: number,
        digest: digestOf(entries.map(({ body }) => body)),
        seqs: JSON.stringify(entries.map(({ seq }) => seq)),
        users: JSON.stringify(entries.map((entry) => entry.user)),
        clients: JSON.stringify(entries.map(({ client }) => client)),
        ids: JSON.stringify(entries.map(({ id }) => id)),
        bodies: JSON.stringify(entries.map(({ body }) => body)),
      }))
  }

  /** Entries of a range, from messages and archive. */
  #range([tenant, conversation, after, upTo, user, name = '', limit]: readonly string[]): Answer {
    return [...this.entries, ...this.pages.flatMap(({ entries }) => entries)]
      .filter((entry) => entry.tenant === tenant && entry.conversation === conversation)
      .filter(({ seq }) => seq > Number(after) && seq <= Number(upTo))
      .filter((entry) => (user ?? null) === null || entry.user === user || entry.body.includes(name))
      .sort((a, b) => a.seq - b.seq)
      .slice(0, Number(limit))
      .map(({ seq, at, user: by, id, body }) => ({ seq, at, user_id: by, client_id: id, body }))
  }

  #rewrite(params: readonly string[]): Answer {
    return listOf(params[3]).flatMap((seq, place) => {
      const entry = this.entries.find((known) => known.conversation === params[2] && known.seq === Number(seq))
      if (entry === undefined || digestOf([entry.body]) !== at(params[4], place)) return []
      const [user, client, body] = [at(params[5], place), at(params[6], place), at(params[8], place)]
      Object.assign(entry, { user, client, id: listOf(params[7])[place] ?? null, body })
      return [{ seq: Number(seq) }]
    })
  }

  #rewritePage(params: readonly string[]): Answer {
    const [, , conversation, epoch, page, digest] = params
    const known = this.pages.find(
      (each) => each.conversation === conversation && each.epoch === epoch && each.page === Number(page),
    )
    if (known === undefined || digestOf(known.entries.map(({ body }) => body)) !== digest) return []
    for (const [place, entry] of known.entries.entries())
      Object.assign(entry, {
        user: at(params[6], place),
        client: at(params[7], place),
        id: listOf(params[8])[place] ?? null,
        body: at(params[9], place),
      })
    return [{ page: known.page }]
  }

  #rewriteCreator([, , conversation = '', user, pseudonym = '']: readonly string[]): Answer {
    if (this.creators.get(conversation) !== user) return []
    this.creators.set(conversation, pseudonym)
    return [{ conversation_id: conversation }]
  }

  #conversationsOf([, user = '', after = '', limit]: readonly string[]): Answer {
    const ofMember = [...this.members.keys()].filter((key) => key.endsWith(` ${user}`)).map((key) => key.split(' ')[0])
    const ofCreator = [...this.creators].flatMap(([id, creator]) => (creator === user ? [id] : []))
    return this.#page([...ofMember, ...ofCreator], after, limit)
  }

  #membersOf([, conversation = '', after = '', limit]: readonly string[]): Answer {
    const of = [...this.members.keys()].filter((key) => key.startsWith(`${conversation} `))
    return this.#page(
      of.map((key) => key.split(' ')[1]),
      after,
      limit,
    )
  }

  #page(names: readonly (string | undefined)[], after: string, limit: string | undefined): Answer {
    return [...new Set(names)]
      .filter((name): name is string => name !== undefined && name > after)
      .sort()
      .slice(0, Number(limit))
      .map((name) => ({ name }))
  }
}

const isTrue = (text: string | undefined): boolean => text === 'true' || text === 't'
const isEdit = (body: string): boolean => body.startsWith('{"type":"message.edited"')
