package webhookui

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
)

var (
	//go:embed static
	staticFiles embed.FS

	//go:embed templates
	templateFiles embed.FS

	templates = template.Must(template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/*.html"))

	// files are the files by name, and version changes when one of them does.
	files, version = readFiles()
)

func readFiles() (map[string][]byte, string) {
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // they are part of the program
	}
	files, hash := map[string][]byte{}, sha256.New()
	for _, e := range entries {
		data, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		files[e.Name()] = data
		_, _ = hash.Write(data)
	}
	return files, hex.EncodeToString(hash.Sum(nil)[:6])
}

var fileTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// serveFile serves a file, which the browser may keep: its address changes with its content.
func serveFile(w http.ResponseWriter, name string) {
	w.Header().Set("Content-Type", fileTypes[path.Ext(name)])
	w.Header().Set("Cache-Control", "private, max-age=86400")
	_, _ = w.Write(files[name])
}
