package outages

import (
	"testing"

	"podium/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
