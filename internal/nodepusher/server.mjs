// A webhook endpoint that lets the official Pusher library judge what arrives. It answers a delivery with the library's
// verdict, as 200 or 401, and GET with all verdicts so far.
import http from "node:http"
import Pusher from "pusher"

const [token, ...extraTokens] = JSON.parse(process.env.PUSHER_TOKENS)
const pusher = new Pusher({ appId: "app", ...token })
const verdicts = []

function judge(headers, rawBody) {
  const webhook = pusher.webhook({ headers, rawBody })
  const valid = webhook.isValid(extraTokens)
  const verdict = { valid, key: webhook.key }
  if (valid) {
    verdict.time_ms = webhook.getTime().getTime()
    verdict.events = webhook.getEvents()
  }
  return verdict
}

function encode(value) {
  try {
    return JSON.stringify(value)
  } catch (error) { // JavaScript can read deeper values than it can write
    return JSON.stringify({ ...value, events: null })
  }
}

function answer(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" })
  response.end(encode(value))
}

const server = http.createServer((request, response) => {
  if (request.method === "GET") {
    answer(response, 200, verdicts)
    return
  }
  const chunks = []
  request.on("data", (chunk) => chunks.push(chunk))
  request.on("end", () => {
    const verdict = judge(request.headers, Buffer.concat(chunks).toString("utf8"))
    verdicts.push(verdict)
    answer(response, verdict.valid ? 200 : 401, verdict)
  })
})
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`))
process.stdin.on("end", () => process.exit(0)).resume()
