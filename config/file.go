package config

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/pushhooks/webhook/internal/strict"
)

// kind is how a file is written.
type kind int

const (
	byContent kind = iota // JSON if it begins with "{", or if it is no TOML
	jsonFile
	tomlFile
	yamlFile // which is refused, unless it holds JSON, which is YAML too
)

// kindOf returns the kind that a file's name says.
func kindOf(path string) kind {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".json":
		return jsonFile
	case ".toml":
		return tomlFile
	case ".yaml", ".yml":
		return yamlFile
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
	if len(data) == 0 && k != tomlFile {
		return nil, []strict.Problem{{Message: "is empty; JSON or TOML is expected"}}
	}
	if k == yamlFile && len(data) > 0 && data[0] != '{' {
		return nil, []strict.Problem{{Message: "is YAML by its name, which is not read; JSON or TOML is expected"}}
	}
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

// tomlStart matches how TOML begins, with mistakes further on perhaps: a comment, a table or a key.
var tomlStart = regexp.MustCompile(`^(#|\[+ *[A-Za-z_][^\n\]]*\]|[A-Za-z0-9_."'-]+[ \t]*=)`)

// guessKind returns the kind that content, which has no space at its beginning, has.
func guessKind(data []byte) kind {
	if data[0] != '{' && !json.Valid(data) && tomlStart.Match(data) {
		return tomlFile
	}
	return jsonFile
}

// fromJSON returns valid JSON. A variable's value is escaped, so that it may stand in a string.
func fromJSON(data []byte, env environment) ([]byte, []strict.Problem) {
	e := expansion{env: env}
	expanded := variablePattern.ReplaceAllFunc(data, func(reference []byte) []byte {
		quoted, _ := json.Marshal(e.value(string(reference), "")) // a string always can be
		return quoted[1 : len(quoted)-1]
	})
	if len(e.missing) > 0 {
		return nil, e.located(data)
	}
	data = expanded
	problems := strict.Read(data, ignore)
	if len(problems) > 0 && toml.Unmarshal(data, new(map[string]any)) == nil {
		problems[0].Message = "is TOML, but is read as JSON; let its name end in .toml"
	} else if len(problems) > 0 && data[0] != '{' {
		problems[0].Message += "; JSON or TOML is expected"
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
	if problems := append(e.missing, notNumbers...); len(problems) > 0 {
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
		return variablePattern.ReplaceAllStringFunc(v, func(reference string) string { return e.value(reference, path) })
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
	missing []strict.Problem
	noted   map[strict.Problem]bool // those of missing
}

// value returns what stands for reference, which matches variablePattern, at path. What it returns
// is not expanded again.
func (e *expansion) value(reference, path string) string {
	name, fallback, hasFallback := strings.Cut(reference[2:len(reference)-1], ":-")
	value := e.env[name]
	missing := strict.Problem{
		Path:    path,
		Message: fmt.Sprintf("the variable of ${%s} is not set; set it, or write ${%s:-default}", name, name),
	}
	switch {
	case !utf8.ValidString(value):
		missing.Message = fmt.Sprintf("the variable of ${%s} is not UTF-8", name)
	case value != "" || hasFallback:
		return cmp.Or(value, fallback)
	}
	if !e.noted[missing] {
		if e.noted == nil {
			e.noted = make(map[strict.Problem]bool)
		}
		e.noted[missing] = true
		e.missing = append(e.missing, missing)
	}
	return ""
}

// located returns what is missing with the paths in data, the JSON text before expansion. Where
// that is no JSON, the paths are not known.
func (e *expansion) located(data []byte) []strict.Problem {
	var tree any
	if json.Unmarshal(quoteReferences(data), &tree) != nil {
		return e.missing
	}
	found := expansion{env: e.env}
	plainValue(tree, "", &found, new([]strict.Problem))
	return found.missing
}

// quoteReferences makes strings of the references in a JSON text that are in none.
func quoteReferences(data []byte) []byte {
	var quoted []byte
	end, inString := 0, false
	for _, at := range variablePattern.FindAllIndex(data, -1) {
		for i := end; i < at[0]; i++ {
			switch c := data[i]; {
			case c == '"':
				inString = !inString
			case c == '\\' && inString:
				i++
			}
		}
		quoted = append(quoted, data[end:at[0]]...)
		reference := data[at[0]:at[1]]
		if !inString {
			reference, _ = json.Marshal(string(reference)) // a string always can be
		}
		quoted, end = append(quoted, reference...), at[1]
	}
	return append(quoted, data[end:]...)
}
