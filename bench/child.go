package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// roleVariable tells a copy of this program what it is, and specVariable, in JSON, what to do.
const (
	roleVariable = "BENCH_ROLE"
	specVariable = "BENCH_SPEC"
)

// roles are what a copy of this program can be. Each says one line when it is ready, and ends when
// its standard input does.
var roles = map[string]func(spec []byte) error{
	"receiver":   receive,
	"sender":     send,
	"memory":     memoryChild,
	"registered": registeredChild,
}

// playRole runs the role that the environment names, and reports whether there is one.
func playRole() bool {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		return false
	}
	if err := role([]byte(os.Getenv(specVariable))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// child is a copy of this program in a role.
type child struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	ending sync.Once
	result error
}

func startChild(role string, spec any) (*child, error) {
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), roleVariable+"="+role, specVariable+"="+string(text))
	c.cmd.Stderr = os.Stderr
	subprocess.EndWithParent(c.cmd)
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.cmd.Start()
}

// line returns the next line that the child says. If there is none, the child has failed.
func (c *child) line() (string, error) {
	text, err := c.out.ReadString('\n')
	if err != nil {
		return "", errors.Join(err, c.stop())
	}
	return strings.TrimSpace(text), nil
}

// say writes a line to the child.
func (c *child) say(text string) error {
	_, err := io.WriteString(c.in, text+"\n")
	return err
}

// stop ends the child and returns how it ended.
func (c *child) stop() error {
	c.ending.Do(func() { c.result = errors.Join(c.in.Close(), c.cmd.Wait()) })
	return c.result
}

// awaitEnd returns when the parent closes standard input.
func awaitEnd() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}
