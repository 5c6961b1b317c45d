package socketio

import "testing"

// A room that has become much smaller is moved to fewer slots while events are on
// their way to it: they still find everybody, and so do those that count.
func TestASetIsWholeWhileItIsRebuilt(t *testing.T) {
	const before, after = 2000, 100
	var st set
	slots := make(map[*Socket]uint32)
	for range before {
		s := new(Socket)
		slots[s] = st.add(s)
	}
	for s, slot := range slots {
		if len(slots) == after {
			break
		}
		st.remove(slot)
		delete(slots, s)
	}
	if !st.sparse() {
		t.Fatal("not worth rebuilding")
	}
	whole := func() {
		t.Helper()
		met := make(map[*Socket]int)
		st.each(func(s *Socket) { met[s]++ })
		for s := range slots {
			if met[s] != 1 {
				t.Fatalf("met a member %d times", met[s])
			}
		}
		if len(met) != after || st.count.Load() != after {
			t.Fatalf("met %d, counted %d, want %d", len(met), st.count.Load(), after)
		}
	}
	st.rebuild(func(s *Socket, slot uint32) {
		whole()
		slots[s] = slot
	})
	whole()
	if st.sparse() {
		t.Error("still sparse")
	}
	for s, slot := range slots {
		st.remove(slot)
		delete(slots, s)
	}
	if n := st.count.Load(); n != 0 {
		t.Errorf("%d members after all have left", n)
	}
}

func TestAWalkMeetsNobodyTwiceWhoLeavesAndJoinsAgain(t *testing.T) {
	var st set
	back, other, last := new(Socket), new(Socket), new(Socket)
	slot := st.add(back)
	st.add(last)
	met := make(map[*Socket]int)
	st.each(func(s *Socket) {
		met[s]++
		if s == back && met[s] == 1 {
			st.remove(slot)
			st.add(other) // takes its slot
			st.add(back)  // gets one that is yet to come
		}
	})
	if met[back] != 1 || met[last] != 1 || met[other] != 0 {
		t.Errorf("met who came back %d times, who stayed %d times, who came later %d times", met[back], met[last], met[other])
	}
	clear(met)
	st.each(func(s *Socket) { met[s]++ })
	if met[back] != 1 || met[last] != 1 || met[other] != 1 {
		t.Errorf("the next walk met %v", met)
	}
}
