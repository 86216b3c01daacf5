package contact

import "testing"

func TestSpellings(t *testing.T) {
	for in, want := range map[string]string{
		" Anna.K@Mail.RU\n": "anna.k@mail.ru", "8 (916) 123-45-67": "79161234567", "+7 916 123 45 67": "79161234567", "79161234567": "79161234567",
		"123-45": "12345", "8123": "8123", "": "", "no digits": "", "@": "@", "84991234567890": "84991234567890", "ÄÖ@X.DE": "äö@x.de",
	} {
		if got := Any(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}
