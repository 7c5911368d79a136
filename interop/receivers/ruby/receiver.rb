# A webhook endpoint that lets the official Pusher library judge what arrives. It answers a delivery with the library's
# verdict as JSON, as 200 or 401. The library gets what it gets of Rack: env, content_type and body.
require "json"
require "logger"
require "pusher"
require "socket"
require "stringio"

Pusher.logger = Logger.new(File::NULL)
TOKENS = JSON.parse(ENV.fetch("PUSHER_TOKENS"), symbolize_names: true)
CLIENT = Pusher::Client.new(app_id: "1", key: TOKENS[0][:key], secret: TOKENS[0][:secret])
Request = Struct.new(:env, :content_type, :body)

def judge(request)
  webhook = Pusher::WebHook.new(request, CLIENT)
  verdict = { valid: webhook.valid?(TOKENS.drop(1)), key: webhook.key }
  return verdict unless verdict[:valid]

  verdict.merge(time_ms: (webhook.time.to_r * 1000).round, events: webhook.events)
rescue StandardError => e # what a user's handler would die of
  verdict.merge(valid: false, error: "#{e.class}: #{e.message[0, 200]}")
end

def read_request(io)
  io.gets
  env = {}
  while (line = io.gets) && line != "\r\n"
    name, value = line.chomp("\r\n").split(": ", 2)
    env["HTTP_" + name.upcase.tr("-", "_")] = value
  end
  Request.new(env, env["HTTP_CONTENT_TYPE"], StringIO.new(io.read(env["HTTP_CONTENT_LENGTH"].to_i)))
end

def encode(verdict)
  JSON.generate(verdict, max_nesting: 0)
rescue JSON::GeneratorError # Ruby can read more than it can write
  JSON.generate(verdict.merge(events: nil))
end

def serve(io)
  verdict = judge(read_request(io))
  body = encode(verdict)
  status = verdict[:valid] ? "200 OK" : "401 Unauthorized"
  io.write("HTTP/1.1 #{status}\r\nContent-Type: application/json\r\nContent-Length: #{body.bytesize}\r\n" \
           "Connection: close\r\n\r\n#{body}")
ensure
  io.close
end

Thread.new do
  $stdin.read
  exit!(0)
end
server = TCPServer.new("127.0.0.1", 0)
puts "http://127.0.0.1:#{server.local_address.ip_port}"
$stdout.flush
loop { serve(server.accept) }
