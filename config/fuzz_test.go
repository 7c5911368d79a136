package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: nothing that a file or the environment says makes Load panic, what it accepts can be
// printed, and no message shows a password.
func FuzzLoad(f *testing.F) {
	for _, name := range []string{"reference.json", "full.json", "mistakes.json", "soketi.json", "sockudo5.toml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), strings.TrimPrefix(filepath.Ext(name), "."), "redis", "50")
	}
	f.Add(`{"queue": {"driver": "sqs"}}`, "json", "redis-cluster", "true")
	f.Add("queue.driver = 'redis'\n[database.redis]\nport = 1_0\nhost = \"${QUEUE_DRIVER}\"", "toml", "redis", "redis://:x@h")
	f.Add("\ufeff[[a.b]]\nc = 2020-01-01", "conf", "", "[1]")
	f.Fuzz(func(t *testing.T, file, ext, driver, value string) {
		environ := []string{"QUEUE_DRIVER=" + driver}
		for _, v := range (&loader{Config: &Config{}}).variables() {
			if v.name != "QUEUE_DRIVER" {
				environ = append(environ, v.name+"="+value)
			}
		}
		k := kindOf("." + ext)
		for _, env := range [][]string{nil, environ, {"REDIS_URL=redis://:hunter2" + value + "@h", "QUEUE_DRIVER=redis"}} {
			c, err := parse([]byte(file), k, env)
			if err == nil {
				if _, err := json.Marshal(c); err != nil {
					t.Fatal(err)
				}
				continue
			}
			lines := problemLines(t, err)
			if lines == "" {
				t.Fatal("an error without a problem")
			}
			if len(env) == 2 && strings.Contains(lines, "hunter2") && !strings.Contains(file, "hunter2") {
				t.Fatalf("a password is in %s", lines)
			}
		}
	})
}
