package sockettest_test

import (
	"testing"

	"podium/protocol/socketio"
	"podium/protocol/sockettest"
)

// myLog is a log of one's own: here with one that exists inside.
type myLog struct{ socketio.MemoryLog }

// testMyLog is its test, which would be named TestMyLog.
func testMyLog(t *testing.T) {
	sockettest.TestLog(t, func(*testing.T) socketio.Appender { return new(myLog) })
}

// The suite for logs, run on a log of one's own.
func ExampleTestLog() {
	_ = testMyLog // go test calls it
}
