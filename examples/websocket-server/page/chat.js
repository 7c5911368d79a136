import { Client } from "./pusher.js"

const find = (id) => document.getElementById(id)
const names = ["Ada", "Alan", "Barbara", "Donald", "Edsger", "Grace", "Ken", "Leslie", "Margaret", "Radia"]
const me = names[Math.floor(Math.random() * names.length)] + "-" + Math.floor(Math.random() * 1000)
find("me").textContent = me

function add(list, className, ...parts) {
  const item = document.createElement("li")
  item.className = className
  for (const [tag, text] of parts) item.append(Object.assign(document.createElement(tag), { textContent: text }))
  list.append(item)
  return item
}

function say(className, user, text) {
  add(find("messages"), className, ...(user ? [["b", user]] : []), ["span", text]).scrollIntoView({ block: "nearest" })
}

const app = await (await fetch("demo/app")).json()
const client = new Client(`ws://${location.hostname}:${app.port}/app/${app.key}`, async (socket, channel) => {
  const body = new URLSearchParams({ socket_id: socket, channel_name: channel, user: me })
  return (await fetch("demo/auth", { method: "POST", body })).json()
})
client.onstate = (state) => {
  find("state").textContent = state
  find("state").className = state
}

const members = new Set()
client.subscribe("presence-chat", (event, data, user) => {
  switch (event) {
    case "pusher:subscription_succeeded":
      members.clear()
      data.presence.ids.forEach((id) => members.add(id))
      break
    case "pusher:subscription_error":
      say("note", "", data.error)
      break
    case "pusher:member_added":
      members.add(data.user_id)
      if (data.user_id !== me) say("note", "", data.user_id + " has come")
      break
    case "pusher:member_removed":
      members.delete(data.user_id)
      say("note", "", data.user_id + " has left")
      break
    case "client-message":
      say("", user, data.text)
  }
  find("members").textContent = [...members].sort().join(", ")
})
client.subscribe("cache-news", () => {}) // a cache_miss for the webhooks

find("form").addEventListener("submit", (e) => {
  e.preventDefault()
  const text = find("text").value.trim()
  if (!text) return
  client.send("client-message", { text }, "presence-chat")
  say("own", "", text)
  find("text").value = ""
})
find("down").addEventListener("change", (e) => {
  fetch("demo/down", { method: "POST", body: new URLSearchParams({ down: e.target.checked }) })
})

// The webhooks, the latest at the top.
new EventSource("demo/arrived").onmessage = (m) => {
  const delivery = JSON.parse(m.data)
  for (const { name, channel, ...rest } of delivery.events) {
    const item = add(find("hooks"), "new",
      ["time", new Date(delivery.time).toLocaleTimeString()], ["strong", name], ["span", channel],
      ["code", Object.entries(rest).map(([k, v]) => k + "=" + v).join(" ")],
      ["span", delivery.attempt > 1 ? "attempt " + delivery.attempt : ""])
    find("hooks").prepend(item)
  }
  while (find("hooks").children.length > 200) find("hooks").lastChild.remove()
}
