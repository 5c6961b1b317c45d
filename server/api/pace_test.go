package api

import (
	"context"
	"testing"
)

// Deleting many leaves others as much time as it takes itself.
func TestOthersChangesComeBetweenThePortionsOfADeletion(t *testing.T) {
	c := feedAPI(t, 0, false)
	var ids []string
	for n := range 512 {
		ids = append(ids, c.add(t, "best", n, "spam"))
	}
	done := make(chan error, 1)
	go func() {
		gone, err := c.Contest.Delete(context.Background(), ids...)
		if err == nil && len(gone) != len(ids) {
			t.Errorf("%d of %d are gone", len(gone), len(ids))
		}
		done <- err
	}()
	between := 0
	for n := 1000; ; n++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if between < 5 { // eleven portions at least
				t.Errorf("%d changes came between", between)
			}
			return
		default:
		}
		c.add(t, "best", n, "honest")
		between++
	}
}
