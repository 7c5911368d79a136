package lambdadispatch

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook/internal/testlambda"
)

// TestMain gives the SDK's default chain credentials, and keeps it from the files and services of
// this machine.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":           "AKIATEST",
		"AWS_SECRET_ACCESS_KEY":       "secret-access-key",
		"AWS_SESSION_TOKEN":           "session-token",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_PROFILE":                 "",
		"AWS_MAX_ATTEMPTS":            "5", // which must not matter
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		testlambda.Cleanup()
		os.Exit(code)
	}))
}
