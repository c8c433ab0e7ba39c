// What a facade is compared with: a Worker that sends a request on and its answer back.
export default {
  fetch(request, env) {
    const { pathname, search } = new URL(request.url)
    return fetch(env.UPSTREAM + pathname + search, request)
  },
}
