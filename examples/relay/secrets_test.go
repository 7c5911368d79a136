package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/internal/testsqs"
)

const (
	headerValue = "a-header-value-that-stays-here"
	stays       = "that-stays-here" // how it and the app's secret end
)

// fillWithSecrets has a relay put events on the queue whose webhook has a custom header, and whose
// app has the usual secret.
func fillWithSecrets(t *testing.T, queue object) {
	t.Helper()
	hook := hookTo("http://127.0.0.1:1/")
	hook["headers"] = object{"Authorization": "Bearer " + headerValue}
	spawned(t, numberedLines(0, 3), nil, "-emit-only", "-config", writeConfig(t, queue, nil, testApp(hook))).
		want(exitOK, totals{Emitted: 3, Matched: 3, Queued: 3})
}

// wantNoSecret looks for secrets in what a queue keeps, and for an event to see that it looks in
// the right place.
func wantNoSecret(t *testing.T, kept []byte) {
	t.Helper()
	if !bytes.Contains(kept, []byte(numbered(1))) {
		t.Errorf("the events are not found in %d bytes:\n%.2000q", len(kept), kept)
	}
	if i := bytes.Index(kept, []byte(stays)); i >= 0 {
		t.Errorf("a secret is kept: …%q", kept[max(0, i-500):min(len(kept), i+50)])
	}
}

func TestSecretsStayOutOfRedis(t *testing.T) {
	t.Parallel()
	server := testredis.StartServer(t, testredis.Options{AppendOnly: true})
	fillWithSecrets(t, redisQueue(server))
	client := server.Client()
	defer client.Close()
	var kept bytes.Buffer
	for _, key := range client.Keys(t.Context(), "*").Val() {
		fmt.Fprintf(&kept, "%s %v\n", key, valueOf(t, client, key))
	}
	wantNoSecret(t, kept.Bytes())

	var files []byte
	for _, data := range server.Files() {
		files = append(files, data...)
	}
	wantNoSecret(t, files)
}

func valueOf(t *testing.T, client *redis.Client, key string) any {
	t.Helper()
	ctx := t.Context()
	switch kind := client.Type(ctx, key).Val(); kind {
	case "string":
		return client.Get(ctx, key).Val()
	case "hash":
		return client.HGetAll(ctx, key).Val()
	case "list":
		return client.LRange(ctx, key, 0, -1).Val()
	case "set":
		return client.SMembers(ctx, key).Val()
	case "zset":
		return client.ZRange(ctx, key, 0, -1).Val()
	default:
		t.Fatalf("%s is a %s", key, kind)
		return nil
	}
}

func TestSecretsStayOutOfSQS(t *testing.T) {
	t.Parallel()
	queue, url := sqsQueue(t)
	fillWithSecrets(t, queue)
	client := testsqs.Client(testsqs.Start(t))
	got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
	})
	must(t, err)
	var kept bytes.Buffer
	for _, m := range got.Messages {
		fmt.Fprintln(&kept, *m.Body)
		for name, value := range m.MessageAttributes {
			fmt.Fprintf(&kept, "%s %s %s\n", name, *value.StringValue, value.BinaryValue)
		}
	}
	wantNoSecret(t, kept.Bytes())
}

func TestSecretsStayOutOfTheFile(t *testing.T) {
	t.Parallel()
	queue := diskQueue(t)
	fillWithSecrets(t, queue)
	kept, err := os.ReadFile(queue["disk"].(object)["path"].(string))
	must(t, err)
	wantNoSecret(t, kept)
}
