/** The part of Node's async hooks that workerd has with the compatibility flag `nodejs_als`. */
declare module 'node:async_hooks' {
  export class AsyncLocalStorage<T> {
    getStore(): T | undefined
    run<R>(store: T, work: () => R): R
  }
}
