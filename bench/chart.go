package main

import (
	"bytes"
	"os"
	"path/filepath"
	"text/template"
)

// panel is one half of the chart: a bar for each case.
type panel struct {
	Title string
	Bars  []bar
}

// bar is a case's ratio to the ceiling, and its spread.
type bar struct {
	Label             string
	Own               bool
	Median, Low, High float64
}

func (r *results) panel(title string) panel {
	p := panel{Title: title}
	for _, c := range r.cases {
		s := r.ratios(c.name, ceiling, rate)
		p.Bars = append(p.Bars, bar{c.label, c.own, s.median, s.low, s.high})
	}
	return p
}

// Measures of the chart, in its own units.
const (
	chartWidth = 760
	barLeft    = 310 // where bars begin
	// length of the longest bar; a ratio of 1 is as long, unless there are larger ones
	barRoom     = 380
	barHeight   = 14
	rowHeight   = 22
	titleHeight = 38
)

// The colours are readable on white and on near black, because GitHub shows an image on the page's
// own background and tells it nothing about that.
var chartTemplate = template.Must(template.New("chart").Funcs(template.FuncMap{
	"x":   func(unit, ratio float64) float64 { return barLeft + ratio*unit },
	"w":   func(unit, ratio float64) float64 { return ratio * unit },
	"y":   func(top, row int) int { return top + titleHeight + row*rowHeight },
	"add": func(a, b int) int { return a + b },
}).Parse(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{.Width}} {{.Height}}" width="{{.Width}}" height="{{.Height}}" role="img" aria-label="Throughput as a share of net/http" font-family="-apple-system,Segoe UI,Helvetica,Arial,sans-serif" font-size="13" fill="#79818b">
{{- range .Panels}}{{$top := .Top}}
<text x="{{$.Left}}" y="{{add $top 24}}" font-size="15" font-weight="600">{{html .Title}}, as a share of net/http</text>
{{- range $i, $b := .Bars}}{{$y := y $top $i}}
<text x="{{add $.Left -10}}" y="{{add $y 12}}" text-anchor="end"{{if .Own}} font-weight="600" fill="#2f81f7"{{end}}>{{html .Label}}</text>
<rect x="{{$.Left}}" y="{{$y}}" width="{{w $.Unit .Median | printf "%.1f"}}" height="{{$.Bar}}" rx="2" fill="{{if .Own}}#2f81f7{{else}}#8b949e{{end}}"/>
{{- if lt .Low .High}}
<path d="M{{x $.Unit .Low | printf "%.1f"}} {{add $y 7}}H{{x $.Unit .High | printf "%.1f"}}" stroke="#d29922" stroke-width="2"/>
{{- end}}
<text x="{{x $.Unit .High | printf "%.1f"}}" dx="6" y="{{add $y 12}}">{{printf "%.2f" .Median}}</text>
{{- end}}{{end}}
</svg>
`))

// chart draws the panels below each other.
func chart(panels []panel) ([]byte, error) {
	type placed struct {
		panel
		Top int
	}
	var list []placed
	top, largest := 0, 1.0
	for _, p := range panels {
		for _, b := range p.Bars {
			largest = max(largest, b.High)
		}
		list = append(list, placed{p, top})
		top += titleHeight + len(p.Bars)*rowHeight + rowHeight/2
	}
	var b bytes.Buffer
	err := chartTemplate.Execute(&b, map[string]any{
		"Width": chartWidth, "Height": top, "Left": barLeft, "Bar": barHeight, "Panels": list, "Unit": barRoom / largest,
	})
	return b.Bytes(), err
}

// writeChart writes the chart below a folder, unless none is given.
func writeChart(folder string, panels []panel) error {
	if folder == "" {
		return nil
	}
	text, err := chart(panels)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, chartFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
