//go:build race

package pictures

const raceEnabled = true
