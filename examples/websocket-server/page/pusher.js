// A minimal client of the Pusher protocol. In a page of your own use pusher-js, which this server
// speaks with as well.
export class Client {
  // authorize(socketID, channel) resolves to {auth, channel_data}.
  constructor(url, authorize) {
    Object.assign(this, { url, authorize, socketID: "", channels: {}, pause: 1000, onstate: () => {} })
    this.connect()
    // A browser may keep a page that was left. One that is shown again connects again.
    addEventListener("pagehide", () => this.socket.close())
  }

  connect() {
    this.onstate("connecting")
    this.socket = new WebSocket(this.url + "?protocol=7&client=demo&version=1")
    this.socket.onmessage = (m) => {
      this.watch()
      this.receive(JSON.parse(m.data))
    }
    this.socket.onclose = (e) => {
      clearTimeout(this.silence)
      this.socketID = ""
      this.onstate(e.code >= 4000 && e.code < 4100 ? "refused: " + e.reason : "disconnected")
      if (e.code >= 4000 && e.code < 4100) return // it would be refused again
      setTimeout(() => this.connect(), e.code >= 4200 && e.code < 4300 ? 200 : this.pause)
      this.pause = Math.min(this.pause * 2, 30000)
    }
  }

  // watch sends a ping after a time of silence, and connects again if there is no answer.
  watch() {
    clearTimeout(this.silence)
    this.silence = setTimeout(() => {
      this.send("pusher:ping", {})
      this.silence = setTimeout(() => this.socket.close(), 30000)
    }, this.timeout ?? 120000)
  }

  receive({ event, channel, data, user_id }) {
    if (typeof data === "string") { try { data = JSON.parse(data) } catch { /* plain text */ } }
    if (event === "pusher:connection_established") {
      Object.assign(this, { socketID: data.socket_id, timeout: data.activity_timeout * 1000, pause: 1000 })
      this.onstate("connected")
      Object.keys(this.channels).forEach((name) => this.join(name))
    } else if (event === "pusher:ping") {
      this.send("pusher:pong", {})
    } else {
      this.channels[channel]?.(event.replace("pusher_internal:", "pusher:"), data, user_id)
    }
  }

  // subscribe calls handler(event, data, userID) for each event of the channel.
  subscribe(channel, handler) {
    this.channels[channel] = handler
    if (this.socketID) this.join(channel)
  }

  async join(channel) {
    const signed = /^(private|presence)-/.test(channel) ? await this.authorize(this.socketID, channel) : {}
    this.send("pusher:subscribe", { channel, ...signed })
  }

  send(event, data, channel) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ event, channel, data }))
  }
}
