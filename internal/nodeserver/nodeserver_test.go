package nodeserver

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// program returns a program without packages.
func program(script string) fstest.MapFS {
	return fstest.MapFS{
		"package.json":      {Data: []byte(`{"name":"test","private":true}`)},
		"package-lock.json": {Data: []byte(`{"name":"test","lockfileVersion":3,"packages":{"":{"name":"test"}}}`)},
		"server.mjs":        {Data: []byte(script)},
	}
}

func TestStartRunsTheProgramUntilTheTestEnds(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const script = `
import http from "node:http"
const server = http.createServer((_, res) => res.end(process.env.GREETING))
server.listen(0, "127.0.0.1", () => console.log("http://127.0.0.1:" + server.address().port))
process.stdin.on("end", () => process.exit(0)).resume()
`
	var url string
	t.Run("running", func(t *testing.T) {
		url = Start(t, program(script), "GREETING=hello")
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if body, err := io.ReadAll(answer.Body); string(body) != "hello" {
			t.Errorf("got %q, %v", body, err)
		}
	})
	if answer, err := http.Get(url); err == nil {
		_ = answer.Body.Close()
		t.Error("the program outlived its test")
	}
}

func TestRunTellsWhatTheProgramComplainedAbout(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	dir, err := install(program(`throw new Error("no luck")`))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(dir, nil); err == nil || !strings.Contains(err.Error(), "no luck") {
		t.Errorf("got %v", err)
	}
}

func TestInstallTellsWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := install(program("")); !errors.Is(err, errMissing) {
		t.Errorf("got %v", err)
	}
}

func TestInstallLeavesNothingBehindWhenItFails(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	broken := program("")
	delete(broken, "package-lock.json")
	if _, err := install(broken); err == nil || !strings.Contains(err.Error(), "npm ci") {
		t.Errorf("got %v", err)
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(cache); len(left) != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
