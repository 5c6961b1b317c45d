// Package clustertest is the suite that every engine must pass which makes several
// Socket.IO servers one: a [socketio.Log] that they share, a [socketio.Cluster], or
// both. It starts servers in the test's process, each with an engine of its own over
// the same state, has clients move between them while servers crash and the engine
// fails, and compares what each client got with the log.
//
//	func TestCluster(t *testing.T) {
//		clustertest.Run(t, func(t *testing.T) clustertest.Setup { … })
//	}
//
// What can happen, and the tests of it:
//
//	a server is killed, stopped, replaced                KillNode, RollingStop, FetchWithADeadNode, JoinIsKeptThroughACrash
//	the engine is killed and comes back with what it had EngineRestart
//	the engine comes back with nothing                   EngineLosesAll
//	another takes its place, which has all, or lacks the
//	end that was acknowledged                            EngineFailsOver, EngineLosesTail
//	the engine is away, hangs, is slow                   EngineAway, EngineHangs, EngineSlow
//	it is full, or may only be read                      EngineRefuses
//	a connection breaks in an append                     AppendCut
//	a server is cut off from the engine                  CutOff
//	a server reads so slowly that the log is trimmed     BehindTrim
//	a client is at one server and believed at another    TakeOver
//	clocks are apart, and go back                        ClockBack
//	versions are mixed; an entry cannot be read          Mixed, Poison
//
// Servers that cannot reach each other are no case of its own: they meet in the engine
// only. A network that is cut is shown by a proxy, and not by network namespaces, which
// only root can make: connections that break and are refused (CutOff), and such that stay
// and bring nothing (BehindTrim, and EngineHangs, where the service is stopped).
//
// What an engine cannot show, because the Setup has no function for it, is skipped with
// a sentence. With official clients, and servers that are processes, test/gameday shows the
// same for longer. PODIUM_GAMEDAY, a duration such as 20m, makes the tests with moving
// clients last so long instead of seconds.
package clustertest

import (
	"slices"
	"testing"

	"podium/protocol/socketio"
)

// Engine is what one server is given. Closing it early is the server's crash: nothing
// that it does reaches the others any more, not even that it leaves.
type Engine struct {
	Join     func(self socketio.Member, node socketio.Node) (socketio.Cluster, error)
	Recovery *socketio.Recovery // nil where the engine has no log
	Close    func() error
}

// Setup is an empty engine's state and what can happen to it. Functions may be nil.
type Setup struct {
	// Open returns an engine for one more server. Required.
	Open func(t testing.TB) Engine
	// OpenAt is Open by another address than Address, where a proxy listens.
	OpenAt  func(t testing.TB, address string) Engine
	Address string // host and port of the service
	// Kill takes the service away as a crash does, with what it has not stored; Start
	// brings it back with what it has.
	Kill, Start func()
	// Pause makes it hang: connections stay and nothing is answered. Resume ends that.
	Pause, Resume func()
	// LoseAll makes it forget everything. It serves afterwards.
	LoseAll func()
	// LoseTail makes it forget the last entries of the log, as the failover to a replica
	// that was behind. It serves afterwards, and is another incarnation.
	LoseTail func(entries int)
	// FailOver makes another take the place of the service, which has all that it had. It
	// returns at once or when that is done.
	FailOver func()
	// Refuse makes it answer and take nothing more, as where its memory or its disk is
	// full or it may only be read, or ends that.
	Refuse func(on bool)
	// Poison puts something into the log that nobody can read.
	Poison func()
	// Keep makes the log keep only about so many entries.
	Keep func(entries int)
}

// Run runs the suite, or only the tests of some names. setup is called for each test.
func Run(t *testing.T, setup func(t *testing.T) Setup, only ...string) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s *scene)
	}{
		{"Order", order},
		{"JoinThenEmit", joinThenEmit},
		{"JoinIsKeptThroughACrash", joinKept},
		{"ExactlyOnceUnderMoves", exactlyOnceUnderMoves},
		{"KillNode", killNode},
		{"RollingStop", rollingStop},
		{"RecoveryBeforeAFirstEvent", beforeAFirstEvent},
		{"AwayThenMoved", awayThenMoved},
		{"TakeOver", takeOver},
		{"FetchWithADeadNode", fetchWithADeadNode},
		{"AskEverybody", askEverybody},
		{"ClockBack", clockBack},
		{"Mixed", mixed},
		{"Poison", poison},
		{"BehindTrim", behindTrim},
		{"EngineRestart", engineRestart},
		{"EngineFailsOver", engineFailsOver},
		{"EngineAway", engineAway},
		{"EngineHangs", engineHangs},
		{"EngineSlow", engineSlow},
		{"EngineRefuses", engineRefuses},
		{"EngineLosesAll", engineLosesAll},
		{"EngineLosesTail", engineLosesTail},
		{"AppendCut", appendCut},
		{"CutOff", cutOff},
	} {
		if len(only) > 0 && !slices.Contains(only, test.name) {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			test.run(t, newScene(t, setup(t)))
		})
	}
}
