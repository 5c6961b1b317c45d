package main

import (
	"sync"
	"sync/atomic"
)

// parallel calls f with 0 to n-1, some at a time, until one call fails.
func parallel(n, atOnce int, f func(i int) error) error {
	var failed atomic.Pointer[error]
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && failed.Load() == nil; i = next.Add(1) - 1 {
				if err := f(int(i)); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// each runs f for all clients at once and adds up what was lost.
func each[T interface{ wait() }](clients []T, f func(T) int) int {
	var lost atomic.Int64
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			c.wait()
			lost.Add(int64(f(c)))
		})
	}
	wg.Wait()
	return int(lost.Load())
}
