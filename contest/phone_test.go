package contest

import "testing"

func TestNumbersThatPeopleMeanAsTheSameAreTheSame(t *testing.T) {
	for _, c := range []struct {
		country string
		same    []string
	}{
		{"", []string{"0170 1234567", "+49 170 1234567", "+49 (0)170 1234567", "0049-170-1234567", "0049 (0) 170/1234567", "0170/12 34-567", "491701234567", "170 1234567", " (+49) 170 1234567"}},
		{"43", []string{"0664 1234567", "+43 664 1234567", "+43 (0) 664 1234567", "00436641234567"}},
		{"1", []string{"(212) 555-0123", "+1 212 555 0123", "1-212-555-0123", "011 1 212 555 0123", "001 212 555 0123"}},
		{"39", []string{"06 1234 5678", "+39 06 1234 5678", "0039 06 12345678"}},
		{"36", []string{"06 30 123 4567", "+36 30 123 4567", "30 123 4567"}},
		{"7", []string{"8 912 345-67-89", "+7 912 345 67 89", "79123456789"}},
		{"34", []string{"612 345 678", "+34 612 345 678", "0034612345678"}},
		{"45", []string{"45 12 34 56", "+45 45 12 34 56"}},
	} {
		want := samePhone(c.same[0], c.country)
		for _, number := range c.same {
			if got := samePhone(number, c.country); got != want {
				t.Errorf("country %q: %q is %s, want %s", c.country, number, got, want)
			}
		}
	}
	for _, other := range []string{"+43 170 1234567", "0170 1234568", "0171 1234567", "1234567", "", "no number"} {
		if samePhone(other, "") == samePhone("0170 1234567", "") {
			t.Errorf("%q is taken for another number", other)
		}
	}
	if samePhone("none", "") != "" {
		t.Error("a text without digits is a number")
	}
}
