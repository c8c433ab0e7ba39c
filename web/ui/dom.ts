/** What an attribute may be; a handler's name starts with "on". `undefined` and `false` leave it out. */
type Value = string | number | boolean | undefined | ((event: Event) => void)
type Attributes = Readonly<Record<string, Value>>
type Child = Node | string | undefined

/** Makes an element. Texts become text nodes, so nothing that people write is ever read as HTML. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  adorn(element, attributes, children)
  return element
}

/** Makes an element of a drawing. */
export function s<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  adorn(element, attributes, children)
  return element
}

function adorn(element: Element, attributes: Attributes, children: readonly Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value)
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value))
  }
  element.append(...children.filter((child) => child !== undefined))
}

/** Makes `children` the children of `parent`, touching only what differs: focus, selection and scroll survive. */
export function arrange(parent: Element, children: readonly Node[]): void {
  children.forEach((child, index) => {
    const there = parent.childNodes[index] ?? null
    if (there !== child) parent.insertBefore(child, there)
  })
  while (parent.childNodes.length > children.length) parent.lastChild?.remove()
}

/** Sets a text only when it is another one, so that screen readers are not told twice. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** Keeps the nodes of a list by key and makes them again only when what they show has changed. */
export class Kept {
  #nodes = new Map<string, { readonly shows: string; readonly node: Element }>()

  /** The node for `key`: the same as last time as long as `shows` is the same. */
  node(key: string, shows: string, make: () => Element): Element {
    const known = this.#nodes.get(key)
    if (known?.shows === shows) return known.node
    const node = make()
    this.#nodes.set(key, { shows, node })
    return node
  }

  /** Forgets all but these keys. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#nodes.keys()) if (!keys.has(key)) this.#nodes.delete(key)
  }
}
