package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/pushhooks/webhook/internal/strict"
)

// kind is how a file is written.
type kind int

const (
	byContent kind = iota // JSON if it begins with "{", or if it is no TOML
	jsonFile
	tomlFile
)

// kindOf returns the kind that a file's name says.
func kindOf(path string) kind {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return jsonFile
	case ".toml":
		return tomlFile
	}
	return byContent
}

// toJSON returns a file's content as JSON, with variables put in and dotted names taken apart.
func toJSON(data []byte, k kind, env environment) ([]byte, []strict.Problem) {
	data, err := strict.Text(data)
	if err != nil {
		return nil, []strict.Problem{{Message: err.Error()}}
	}
	data = bytes.TrimSpace(data)
	if k == byContent {
		k = guessKind(data)
	}
	var problems []strict.Problem
	if k == tomlFile {
		data, problems = fromTOML(data, env)
	} else {
		data, problems = fromJSON(data, env)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return strict.Nest(data), nil
}

// guessKind returns the kind that content, which has no space at its beginning, has.
func guessKind(data []byte) kind {
	if len(data) == 0 || data[0] == '{' || json.Valid(data) {
		return jsonFile
	}
	if toml.Unmarshal(data, new(map[string]any)) == nil || data[0] == '#' || bytes.HasPrefix(data, []byte("[[")) {
		return tomlFile
	}
	return jsonFile
}

// fromJSON returns valid JSON. A variable's value is escaped, so that it may stand in a string.
func fromJSON(data []byte, env environment) ([]byte, []strict.Problem) {
	e := expansion{env: env}
	data = variablePattern.ReplaceAllFunc(data, func(reference []byte) []byte {
		quoted, _ := json.Marshal(e.value(string(reference))) // a string always can be
		return quoted[1 : len(quoted)-1]
	})
	if problems := e.problems(); len(problems) > 0 {
		return nil, problems
	}
	problems := strict.Read(data, ignore)
	if len(problems) > 0 && toml.Unmarshal(data, new(map[string]any)) == nil && len(data) > 0 {
		problems[0].Message = "is TOML, but is read as JSON; let its name end in .toml"
	}
	return data, problems
}

// fromTOML returns a TOML file as JSON.
func fromTOML(data []byte, env environment) ([]byte, []strict.Problem) {
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return nil, []strict.Problem{{Message: tomlMessage(data, err)}}
	}
	e := expansion{env: env}
	var notNumbers []strict.Problem
	plain := plainValue(tree, "", &e, &notNumbers)
	if problems := append(e.problems(), notNumbers...); len(problems) > 0 {
		return nil, problems
	}
	text, err := json.Marshal(plain)
	if err != nil {
		return nil, []strict.Problem{{Message: "cannot be represented as JSON: " + err.Error()}}
	}
	return text, nil
}

// tomlMessage says where data stops being TOML, without quoting more of it than a character.
func tomlMessage(data []byte, err error) string {
	if json.Valid(data) {
		return "is JSON, but is read as TOML; let its name end in .json"
	}
	var at *toml.DecodeError
	if !errors.As(err, &at) {
		return "is not TOML"
	}
	line, column := at.Position()
	return fmt.Sprintf("line %d, column %d: %s", line, column, strings.TrimPrefix(at.Error(), "toml: "))
}

// plainValue returns v, at path, with variables put into its strings. It notes numbers that JSON
// does not have.
func plainValue(v any, path string, e *expansion, notes *[]strict.Problem) any {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) { // in one order, so that problems are too
			v[name] = plainValue(v[name], strict.Join(path, name), e, notes)
		}
		return v
	case []any:
		for i := range v {
			v[i] = plainValue(v[i], fmt.Sprintf("%s[%d]", path, i), e, notes)
		}
		return v
	case string:
		return variablePattern.ReplaceAllStringFunc(v, e.value)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			*notes = append(*notes, strict.Problem{Path: path, Message: fmt.Sprintf("is %v; must be a finite number", v)})
			return nil
		}
		return v
	case int64, bool, nil:
		return v
	}
	return fmt.Sprint(v) // a date or a time
}

// variablePattern matches ${NAME} and ${NAME:-default}, as the reference reads them.
var variablePattern = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`)

// expansion puts values of variables in, and notes which there are none for.
type expansion struct {
	env     environment
	missing []string
}

// value returns what stands for reference, which matches variablePattern. What it returns is not
// expanded again.
func (e *expansion) value(reference string) string {
	name, fallback, hasFallback := strings.Cut(reference[2:len(reference)-1], ":-")
	switch value := e.env[name]; {
	case value != "":
		return value
	case !hasFallback && !slices.Contains(e.missing, name):
		e.missing = append(e.missing, name)
	}
	return fallback
}

func (e *expansion) problems() []strict.Problem {
	problems := make([]strict.Problem, len(e.missing))
	for i, name := range e.missing {
		problems[i] = strict.Problem{
			Path:    "${" + name + "}",
			Message: fmt.Sprintf("the variable is not set; set it, or write ${%s:-default}", name),
		}
	}
	return problems
}
