// Package subprocess is for tests that start other programs: it ends them with the test binary, and
// pauses them.
package subprocess
