package crash

import (
	"os"
	"testing"

	"podium/test/harness"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(watchVariable); url != "" {
		watchReady(url)
		return
	}
	harness.Main(m)
}
