package socketio

import "runtime"

// turns bounds how many clients are recovered at the same time. When thousands
// come back at once each of them is a goroutine that is ready to run, and every
// other one would wait behind all of them; so they wait for their turn instead,
// and get it in the order they came.
type turns chan struct{}

// newTurns has two turns for each processor: one more while one waits for a
// lock or the disk.
func newTurns() turns { return make(turns, 2*runtime.GOMAXPROCS(0)) }

func (t turns) take() { t <- struct{}{} }

func (t turns) giveBack() { <-t }
