<?php
// A webhook endpoint, for PHP's own server, that lets the official Pusher library judge what arrives. It answers a delivery
// with the library's verdict as JSON, as 200 or 401. The library has one key, so there is a client for each token.

require getenv('PUSHER_AUTOLOAD') ?: __DIR__ . '/vendor/autoload.php';

function judge(array $headers, string $body): array
{
    $key = $headers['X-Pusher-Key'] ?? '';
    foreach (json_decode(getenv('PUSHER_TOKENS'), true) as $token) {
        if ($token['key'] !== $key) {
            continue;
        }
        try {
            $pusher = new Pusher\Pusher($token['key'], $token['secret'], '1');
            $webhook = $pusher->webhook($headers, $body);
        } catch (Throwable $e) { // what a user's handler would die of
            return ['valid' => false, 'key' => $key, 'error' => get_class($e) . ': ' . $e->getMessage()];
        }
        return ['valid' => true, 'key' => $key, 'time_ms' => $webhook->get_time_ms(), 'events' => $webhook->get_events()];
    }
    return ['valid' => false, 'key' => $key];
}

$verdict = judge(getallheaders(), file_get_contents('php://input'));
http_response_code($verdict['valid'] ? 200 : 401);
header('Content-Type: application/json');
// PHP can read more than it can write.
echo json_encode($verdict) ?: json_encode(['events' => null] + $verdict);
