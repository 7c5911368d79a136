package main

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestTextReader(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\ufeff{}\n":         "{}\n",
		"{}\n":               "{}\n",
		"{}":                 "{}",
		"{":                  "{",
		"":                   "",
		"\n":                 "\n",
		"\xff\xfe{\x00}\x00": "error: the input is encoded as UTF-16; it must be UTF-8",
		"\xfe\xff\x00{\x00}": "error: the input is encoded as UTF-16; it must be UTF-8",
		"{\x00}\x00\n\x00":   "error: the input is encoded as UTF-16; it must be UTF-8",
		"{\"a\":\"\ufeff\"}": "{\"a\":\"\ufeff\"}",
	} {
		for _, from := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text))} {
			got, err := io.ReadAll(&textReader{from: from})
			if err != nil {
				got = []byte("error: " + err.Error())
			}
			if string(got) != want {
				t.Errorf("%q: got %q, want %q", text, got, want)
			}
		}
	}
}

func TestAByteOrderMarkIsSkippedAndUTF16IsNamed(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	config := writeConfig(t, nil, nil, testApp(hookTo(s.URL)))
	got := relayed(t, strings.NewReader("\ufeff"+occupied("c")), "-config", config)
	got.want(exitOK, totals{Emitted: 1, Matched: 1, Delivered: 1, Attempts: 1})

	got = relayed(t, strings.NewReader("\xff\xfe{\x00}\x00\n\x00"), "-config", config)
	got.want(exitOK, totals{Invalid: 1})
	if want := "line 1: the input is encoded as UTF-16; it must be UTF-8"; !strings.Contains(got.stderr, want) {
		t.Errorf("got %s", got.stderr)
	}
}

func TestWarningsOfTheConfigurationAreLogged(t *testing.T) {
	t.Parallel()
	got := relayed(t, strings.NewReader(""), "-config", writeFile(t, "{}"))
	got.want(exitOK, totals{})
	if !strings.Contains(got.stderr, "app_manager.array.apps: there is no app") {
		t.Errorf("got %s", got.stderr)
	}
}
