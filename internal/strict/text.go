package strict

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Text returns data without a UTF-8 byte order mark. The error names an encoding that is not UTF-8,
// or the first byte that is not.
func Text(data []byte) ([]byte, error) {
	if name := WideEncoding(data); name != "" {
		return nil, fmt.Errorf("is encoded as %s; save it as UTF-8", name)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if utf8.Valid(data) {
		return data, nil
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			line, column := position(data, i)
			return nil, fmt.Errorf("line %d, column %d: the byte 0x%02x is not UTF-8; save the file as UTF-8", line, column, data[i])
		}
		i += size
	}
	return data, nil
}

// WideEncoding returns the name of the encoding whose byte order mark data begins with, or in which
// data begins with an ASCII character; "" for UTF-8.
func WideEncoding(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}):
		return "UTF-32"
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return "UTF-16"
	case len(data) >= 2 && (data[0] == 0) != (data[1] == 0):
		return "UTF-16"
	}
	return ""
}

// position returns the line and the column, in bytes, of data[i]; both begin with 1.
func position(data []byte, i int) (line, column int) {
	before := data[:i]
	return 1 + bytes.Count(before, []byte("\n")), i - bytes.LastIndexByte(before, '\n')
}
