// Drives the official libraries by commands: POST {op, …}, answered with JSON. The clients are pusher-js, and what a
// backend does, to let clients in and to call the HTTP API, is the library pusher.
import http from "node:http"
import Pusher from "pusher"
import PusherJS from "pusher-js"

const { appId, key, secret } = JSON.parse(process.env.PUSHER_APP)
const clients = new Map()

function backend({ host, port }) {
  return new Pusher({ appId, key, secret, host, port, useTLS: false })
}

function connect({ client, host, port, user, appKey = key, badSecret }) {
  const signer = new Pusher({ appId, key, secret: badSecret ?? secret, host, port, useTLS: false })
  const pusher = new PusherJS(appKey, {
    wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ["ws"], cluster: "", enableStats: false,
    channelAuthorization: {
      customHandler: ({ socketId, channelName }, done) => {
        const member = channelName.startsWith("presence-") ? { user_id: user, user_info: { name: `The ${user}` } } : undefined
        done(null, signer.authorizeChannel(socketId, channelName, member))
      },
    },
  })
  const events = []
  pusher.connection.bind("state_change", ({ current }) => events.push({ event: current }))
  pusher.connection.bind("error", (error) => events.push({ event: "error", data: error?.error?.data ?? error?.data ?? String(error) }))
  clients.set(client, { pusher, events })
}

const operations = {
  connect,
  subscribe({ client, channel }) {
    const { pusher, events } = clients.get(client)
    const subscribed = pusher.subscribe(channel)
    const emit = subscribed.emit
    subscribed.emit = function (event, data, meta) { // unlike callbacks for all events, it is told whose they are
      const { count, members, me } = data ?? {}
      events.push({ channel, event, data: members && me ? { count, members: { ...members }, me } : data, user: meta?.user_id })
      return emit.apply(this, arguments)
    }
  },
  unsubscribe: ({ client, channel }) => clients.get(client).pusher.unsubscribe(channel),
  send: ({ client, channel, event, data }) => clients.get(client).pusher.channel(channel).trigger(event, data),
  disconnect: ({ client }) => clients.get(client).pusher.disconnect(),
  socket: ({ client }) => clients.get(client).pusher.connection.socket_id,
  members: ({ client, channel }) => Object.keys(clients.get(client).pusher.channel(channel).members.members).sort(),
  events: ({ client }) => clients.get(client).events,
  async trigger(command) {
    const { channels, event, data, except } = command
    return (await backend(command).trigger(channels, event, data, { socket_id: except })).json()
  },
  async batch(command) {
    return (await backend(command).triggerBatch(command.batch)).json()
  },
  async get(command) {
    const answer = await backend(command).get({ path: command.path, params: command.params })
    return { status: answer.status, body: await answer.json() }
  },
}

async function answer(text) {
  const command = JSON.parse(text)
  try {
    return { result: (await operations[command.op](command)) ?? null }
  } catch (error) {
    return { error: String(error), status: error.status, body: error.body }
  }
}

const server = http.createServer((request, response) => {
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", async () => {
    response.end(JSON.stringify(await answer(Buffer.concat(chunks).toString("utf8"))))
  })
})
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.on("end", () => process.exit(0)).resume()
