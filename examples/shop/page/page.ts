import { Centrifuge } from 'centrifuge'

// Shows both ways live: the progress of a saga arrives in its channel `saga:<id>`, events are read from their topic.

interface OrderView {
  readonly id: string
  readonly state: string
  readonly reason: string | null
  readonly way: 'saga' | 'events'
  readonly order: { readonly sku: string; readonly quantity: number; readonly total: number }
}
interface EventView {
  readonly offset: number
  readonly type: string
  readonly partitionkey?: string
}
interface HistoryEntry {
  readonly n: number
  readonly event: string
  readonly step?: string
  readonly detail?: string
}

const get = async <T>(path: string): Promise<T> => {
  const answer: T = await (await fetch(path)).json()
  return answer
}
const element = (id: string): HTMLElement => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

const { url, token } = await get<{ url: string; token: string }>('/session')
const client = new Centrifuge(`${url.replace(/^http/, 'ws')}/connection/websocket`, {
  token,
  getToken: async () => (await get<{ token: string }>('/session')).token,
})
client.connect()

/** What happened to each order, in order. */
const progress = new Map<string, Map<number, string>>()
const note = (id: string, n: number, line: string): void => {
  const lines = progress.get(id) ?? new Map<number, string>()
  progress.set(id, lines.set(n, line))
}

function followRun(id: string): void {
  const channel = `saga:${id}`
  if (client.getSubscription(channel) !== null) return
  const subscription = client.newSubscription(channel)
  const noteEntry = ({ n, step, event, detail }: HistoryEntry) =>
    note(id, n, [step, event, detail].filter((part) => part !== undefined).join(': '))
  // The answer to the subscription has the run as it is; each entry that follows is a publication.
  subscription.on('subscribed', ({ data }: { data?: { history: readonly HistoryEntry[] } }) =>
    data?.history.forEach(noteEntry),
  )
  subscription.on('publication', ({ data }: { data: HistoryEntry }) => {
    noteEntry(data)
    void draw()
  })
  subscription.subscribe()
}

let after = 0
async function readEvents(): Promise<void> {
  for (const { offset, type, partitionkey } of await get<EventView[]>(`/events?after=${after}`)) {
    after = offset
    if (partitionkey !== undefined) note(partitionkey, offset, type)
  }
}

async function draw(): Promise<void> {
  const { orders } = await get<{ orders: OrderView[] }>('/orders')
  const { items } = await get<{ items: { sku: string; free: number }[] }>('/stock')
  element('stock').textContent = `In stock: ${items.map(({ sku, free }) => `${free} × ${sku}`).join(', ')}`
  element('orders').replaceChildren(...orders.toReversed().slice(0, 20).map(drawOrder))
}

function drawOrder({ id, state, reason, way, order }: OrderView): HTMLElement {
  if (way === 'saga') followRun(id)
  const article = document.createElement('article')
  article.className = state
  const title = document.createElement('h2')
  title.textContent = `${order.quantity} × ${order.sku}, ${(order.total / 100).toFixed(2)}: ${state}${reason === null ? '' : ` (${reason})`}`
  const list = document.createElement('ol')
  const lines = [...(progress.get(id) ?? [])].toSorted(([a], [b]) => a - b)
  list.append(
    ...lines.map(([, line]) => {
      const item = document.createElement('li')
      item.textContent = line
      return item
    }),
  )
  article.append(title, `${id}, by ${way === 'saga' ? 'a saga' : 'events'}`, list)
  return article
}

element('order').addEventListener('submit', (submitted) => {
  submitted.preventDefault()
  if (!(submitted.target instanceof HTMLFormElement)) return
  const fields = Object.fromEntries(new FormData(submitted.target))
  const order = { ...fields, id: `o-${crypto.randomUUID()}`, quantity: Number(fields['quantity']) }
  void fetch('/orders', { method: 'POST', body: JSON.stringify(order) }).then(draw)
})

element('provider').addEventListener('click', () => {
  void fetch('/provider', { method: 'POST' })
    .then((answer) => answer.json())
    .then(({ isDown }: { isDown: boolean }) => {
      element('provider').textContent = `Payment provider: ${isDown ? 'down' : 'open'}`
    })
})

setInterval(() => void readEvents().then(draw), 1000)
await draw()
