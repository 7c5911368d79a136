//go:build !unix

package dispatch_test

const mayLimitFiles = false

func limitFiles() {}
