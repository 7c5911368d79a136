package strict

import (
	"slices"
	"strings"
)

// Suggest returns the end of a message about a name that is not one of known: the nearest one, or
// all of them when none is near.
func Suggest(name string, known []string) string {
	near := synonyms[simplify(name)]
	if !slices.Contains(known, near) {
		near = Nearest(name, known)
	}
	if near != "" {
		return "; did you mean \"" + near + "\"?"
	}
	return "; known are " + strings.Join(known, ", ")
}

// synonyms are names that people use, as simplify leaves them, for those that are meant.
var synonyms = map[string]string{
	"workers":        "concurrency",
	"maxworkers":     "concurrency",
	"parallelism":    "concurrency",
	"timeout":        "request_timeout_ms",
	"requesttimeout": "request_timeout_ms",
}

// Nearest returns the known name that name is most likely meant to be, or "" if none is near: about
// one letter in three may be wrong. Case, "-" and "_" do not count.
func Nearest(name string, known []string) string { return NearestWithin(name, known, len(name)) }

// NearestWithin is Nearest where at most limit letters may be wrong.
func NearestWithin(name string, known []string, limit int) string {
	const longest = 100 // a longer one is no name, and the cost grows with the square
	if len(name) > longest {
		return ""
	}
	best, bestDistance, bestSpelling := "", 0, 0
	plain := simplify(name)
	for _, candidate := range known {
		target := simplify(candidate)
		most := min(allowed(target), limit)
		if len(plain) > len(target)+most || len(target) > len(plain)+most {
			continue // too long or too short, so there is nothing to count
		}
		d := distance(plain, target)
		spelling := distance(name, candidate) // decides between "app_manager" and "appManager"
		if d > most || best != "" && (d > bestDistance || d == bestDistance && spelling >= bestSpelling) {
			continue
		}
		best, bestDistance, bestSpelling = candidate, d, spelling
	}
	return best
}

// allowed is how many letters of target may be wrong. Of a very short name nothing may: "id" and
// "ip" are both words.
func allowed(target string) int {
	if len(target) <= 3 {
		return 0
	}
	return max(1, len(target)/3)
}

func simplify(name string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
}

// distance counts the letters to insert, delete, replace or swap with a neighbour to get from a to
// b.
func distance(a, b string) int {
	two, one, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(one[j]+1, row[j-1]+1, one[j-1]+cost(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(b)]
}

func cost(x, y byte) int {
	if x == y {
		return 0
	}
	return 1
}
