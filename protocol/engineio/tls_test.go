package engineio_test

import "testing"

// underTLS is what the names of tests begin with whose servers speak TLS.
const underTLS = "TestUnderTLS/"

// What holds for WebSockets, and for sessions that upgrade to them, holds under TLS too,
// where the event loop holds them as it does without.
func TestUnderTLS(t *testing.T) {
	for name, test := range map[string]func(*testing.T){
		"polling":                      TestPollingCarriesTextAndBinaryBothWays,
		"websocket":                    TestWebSocketCarriesTextAndBinaryBothWays,
		"upgrade":                      TestAnUpgradeLosesAndReordersNothing,
		"sent at an upgrade's end":     TestWhatIsSentAtTheEndOfAnUpgradeFollowsWhatWasQueued,
		"upgrade given up":             TestNothingIsLostWhereAnUpgradeIsGivenUpAtItsEnd,
		"poll ended by an upgrade":     TestAPendingPollIsEndedByAnUpgrade,
		"failed probe":                 TestAFailedProbeLeavesTheSessionPolling,
		"one probe":                    TestASessionHasOneWebSocketThatWantsToTakeItOver,
		"heartbeat":                    TestHeartbeatOverBothTransports,
		"close":                        TestCloseFromEitherSide,
		"slow client":                  TestAClientThatDoesNotFetchIsCut,
		"too large":                    TestTooLargePayloads,
		"flood":                        TestAFloodOfPacketsThatAreNoMessagesEndsTheSession,
		"pause":                        TestAWebSocketIsNotReadWhileItsSessionIsPaused,
		"end while paused":             TestAPausedSessionCanEnd,
		"POST while paused":            TestAPOSTWaitsWhileItsSessionIsPaused,
		"WebSocket that breaks":        TestAClientWhoseWebSocketBreaksWhileItsLastPollWaitsIsTold,
		"poll during an upgrade":       TestAPollThatComesDuringAnUpgradeFailsWithItsWebSocket,
		"probe that breaks":            TestAProbeThatBreaksWhileNoPollWaitsLeavesTheSessionPolling,
		"poll until it carries":        TestAPollIsEndedForAnUpgradeOnlyWhenItsWebSocketCarriesBothWays,
		"WebSocket that swallows":      TestAClientWhoseWebSocketSwallowsWhatComesIsTold,
		"drain":                        TestADrainIsToldOfWhereTheQueueLeavesByAnUpgrade,
		"base64":                       TestClientsThatTakeNoBinaryGetBase64OverWebSocketToo,
		"flush":                        TestFlushDoesNotWaitForThePollOfAClientThatHasUpgraded,
		"life of a session":            TestTheObserverIsToldOfTheLifeOfASession,
		"shutdown of a busy receiver":  TestShutdownWaitsUntilAReceiverThatIsBusyWasTold,
		"heartbeat of either protocol": TestTheHeartbeatOfEitherProtocolIsObserved,
	} {
		t.Run(name, test)
	}
}
