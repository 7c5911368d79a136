// Package arn reads the ARNs of AWS Lambda functions.
package arn

import (
	"regexp"
	"strings"
)

var function = regexp.MustCompile(
	`^arn:aws[a-z-]*:lambda:([a-z]{2,8}(?:-[a-z]+)+-[0-9]{1,2}):[0-9]{12}:function:[A-Za-z0-9_.-]+(?::[A-Za-z0-9$_-]+)?$`)

// other matches a plain name or a partial ARN: region, account and "function" may stand before it,
// a version or an alias behind it.
var other = regexp.MustCompile(
	`^(?:[a-z]{2,8}(?:-[a-z]+)+-[0-9]{1,2}:)?(?:[0-9]{12}:)?(?:function:)?[A-Za-z0-9_.-]+(?::[A-Za-z0-9$_-]+)?$`)

// IsName reports whether name is a function's plain name or its partial ARN.
func IsName(name string) bool { return other.MatchString(name) }

// Is reports whether a function's name is meant to be an ARN. Other names are plain ones or partial
// ARNs, which hold no region.
func Is(name string) bool { return strings.HasPrefix(name, "arn:") }

// Region returns the region of a function's ARN, "" if name is no function's ARN.
func Region(name string) string {
	if m := function.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}
