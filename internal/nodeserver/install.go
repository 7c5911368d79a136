package nodeserver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/pushhooks/webhook/internal/subprocess"
)

// installing keeps the tests of one binary from doing the same work twice.
var installing sync.Mutex

// install returns a directory with the program and its packages. It is in the user's cache, under a
// name that changes with the program, so that npm runs once for each version of it.
func install(files fs.FS) (dir string, err error) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%w (%w)", errMissing, err)
		}
	}
	installing.Lock()
	defer installing.Unlock()
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	name, err := digest(files)
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, name)
	if exists(dir) {
		return dir, nil
	}
	return dir, installNew(files, cache, dir)
}

// installNew fills a directory of its own and then renames it to dir: several test binaries may be
// at it.
func installNew(files fs.FS, cache, dir string) error {
	fresh, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	if err := os.CopyFS(fresh, files); err != nil {
		return err
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = fresh
	subprocess.EndWithParent(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	if err := os.Rename(fresh, dir); err != nil && !exists(dir) {
		return err
	}
	return nil
}

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "pushhooks-nodeserver")
	return dir, os.MkdirAll(dir, 0o700)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// digest returns a name for the files' contents.
func digest(files fs.FS) (string, error) {
	hash := sha256.New()
	err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, path)
		fmt.Fprintf(hash, "%s %d\n%s", path, len(data), data)
		return err
	})
	return hex.EncodeToString(hash.Sum(nil)[:8]), err
}
